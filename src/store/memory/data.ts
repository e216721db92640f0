/**
 * What the memory store remembers, and the looks-up that its parts share. One thread and no waiting inside a call: every
 * method of the port is one step, so nothing here needs locks or transactions.
 */
import type { EntityRecord } from '../../model/entity-work.ts';
import { DurableError } from '../../model/errors.ts';
import type { Failure } from '../../model/failure.ts';
import type { HistoryEvent, InboxEvent, ParentInstance } from '../../model/history.ts';
import type { LiveStatus, OrchestrationInstance, Tags, TerminalStatus } from '../../model/instance.ts';
import type { InstanceKey, Message, NewActivityTask, WorkerId, WorkNotification } from '../../model/work.ts';

/** Payloads and events are kept as text, as in a database: nobody shares an object with the store. */
export interface StoredMessage {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly visibleAt: number;
  readonly executionId: string | null;
  readonly timerId: number | null;
  readonly event: string;
  /** For one that waits for an entity's lock: when it became visible. */
  readonly arrivedAt?: number;
}

/** The execution that a live instance is in. */
export interface LiveExecution {
  readonly kind: 'live';
  status: LiveStatus;
  sequence: number;
  owner: WorkerId | null;
  crashCount: number;
  customStatus: string | null;
}

/** How an instance ended. */
export interface EndedExecution {
  readonly kind: 'ended';
  readonly status: TerminalStatus;
  readonly output: string | null;
  readonly customStatus: string | null;
  readonly failure: Failure | null;
}

export interface StoredInstance {
  readonly key: InstanceKey;
  readonly hubId: number;
  readonly instanceId: string;
  readonly name: string;
  version: string | null;
  readonly tags: Tags | null;
  executionId: string;
  input: string | null;
  parent: ParentInstance | null;
  readonly createdAt: number;
  readonly scheduledStartAt: number | null;
  lastUpdatedAt: number;
  execution: LiveExecution | EndedExecution;
  /** The events of each turn. */
  history: readonly string[];
  /** In the order of their ids. */
  messages: readonly StoredMessage[];
}

/** An instance whose execution is live: the compiler's word that it may be owned. */
export type LiveStoredInstance = StoredInstance & { execution: LiveExecution };

export interface StoredTask extends NewActivityTask {
  readonly id: string;
  readonly hubId: number;
  readonly instanceKey: InstanceKey;
  readonly executionId: string;
  readonly createdAt: number;
  redelivery: number;
  /** Workers that died with it. */
  crashCount?: number;
  owner: WorkerId | null;
}

export interface StoredWorker {
  readonly id: WorkerId;
  readonly name: string;
  readonly hubId: number;
  /** Names of executions that it can run. */
  readonly executables: readonly string[];
  readonly activities: readonly string[];
  expiresAt: number;
}

export class MemoryData {
  readonly #clock: { now(): number };
  /** By name in lower case. */
  readonly hubs = new Map<string, number>();
  readonly instances = new Map<InstanceKey, StoredInstance>();
  readonly tasks = new Map<string, StoredTask>();
  readonly workers = new Map<WorkerId, StoredWorker>();
  /** What entities keep; none before the first batch. */
  readonly entities = new Map<InstanceKey, EntityRecord>();
  /** Everybody who listens, by the store through which they do. */
  readonly listeners = new Map<object, Set<(notification: WorkNotification) => void>>();
  readonly #byAddress = new Map<string, StoredInstance>();
  #lastId = 0;

  /** @param clock milliseconds since 1970; its time must not go back */
  constructor(clock: { now(): number }) {
    this.#clock = clock;
  }

  /** Whole milliseconds since 1970. */
  now(): number {
    return Math.floor(this.#clock.now());
  }

  /** One row of numbers for all that needs one: none comes back. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  find(hubId: number, instanceId: string): StoredInstance | undefined {
    return this.#byAddress.get(addressOf(hubId, instanceId));
  }

  live(key: InstanceKey): LiveStoredInstance | undefined {
    const instance = this.instances.get(key);
    return instance !== undefined && isLive(instance) ? instance : undefined;
  }

  *liveOf(hubId: number): Generator<LiveStoredInstance> {
    for (const instance of this.instances.values()) if (instance.hubId === hubId && isLive(instance)) yield instance;
  }

  add(instance: StoredInstance): void {
    this.instances.set(instance.key, instance);
    this.#byAddress.set(addressOf(instance.hubId, instance.instanceId), instance);
  }

  /** Removes an instance with everything that it left. */
  remove(instance: StoredInstance): void {
    this.instances.delete(instance.key);
    this.#byAddress.delete(addressOf(instance.hubId, instance.instanceId));
    this.removeTasks(instance.key);
    this.entities.delete(instance.key);
  }

  removeTasks(key: InstanceKey): void {
    for (const task of this.tasks.values()) if (task.instanceKey === key) this.tasks.delete(task.id);
  }

  /** @param message.event without its timestamp, which is when it becomes visible */
  send(
    instance: StoredInstance,
    message: {
      readonly event: object;
      readonly visibleAt?: number;
      readonly executionId?: string;
      readonly timerId?: number;
    },
  ): void {
    const { event, visibleAt = this.now(), executionId = null, timerId = null } = message;
    const stored = { id: this.nextId(), visibleAt, executionId, timerId, event: JSON.stringify(event) };
    instance.messages = [...instance.messages, stored];
  }

  visibleMessages(instance: StoredInstance): readonly StoredMessage[] {
    const now = this.now();
    return instance.messages.filter((message) => message.visibleAt <= now);
  }

  /** Whether a lease holds. A worker without one may take nothing: it would be nobody's once its row is gone. */
  lives(workerId: WorkerId): boolean {
    return (this.workers.get(workerId)?.expiresAt ?? 0) > this.now();
  }

  /** Whether a worker is known and its lease has ended. */
  isDead(workerId: WorkerId | null): boolean {
    return workerId !== null && this.workers.has(workerId) && !this.lives(workerId);
  }
}

export function isLive(instance: StoredInstance): instance is LiveStoredInstance {
  return instance.execution.kind === 'live';
}

/** Ends an instance: its inbox is emptied, the rest stays. */
export function end(instance: StoredInstance, how: Omit<EndedExecution, 'kind'>): void {
  instance.messages = [];
  instance.execution = { kind: 'ended', ...how };
}

export function toInstance(stored: StoredInstance): OrchestrationInstance {
  const { execution } = stored;
  const ended = execution.kind === 'ended' ? execution : undefined;
  return {
    key: stored.key,
    instanceId: stored.instanceId,
    name: stored.name,
    version: stored.version,
    tags: stored.tags,
    executionId: stored.executionId,
    runtimeStatus: execution.status,
    input: stored.input,
    output: ended?.output ?? null,
    customStatus: execution.customStatus,
    failure: ended?.failure ?? null,
    createdAt: new Date(stored.createdAt),
    lastUpdatedAt: new Date(stored.lastUpdatedAt),
    completedAt: ended === undefined ? null : new Date(stored.lastUpdatedAt),
    scheduledStartAt: stored.scheduledStartAt === null ? null : new Date(stored.scheduledStartAt),
    parent: stored.parent,
  };
}

export function toMessage({ id, visibleAt, executionId, event }: StoredMessage): Message {
  const parsed = JSON.parse(event) as InboxEvent;
  return { id: String(id), visibleAt, executionId, event: { ...parsed, timestamp: visibleAt } };
}

export function toEvents(history: readonly string[]): readonly HistoryEvent[] {
  return history.flatMap((turn) => JSON.parse(turn) as HistoryEvent[]);
}

/** Names are compared without case. */
export function nameSet(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()));
}

/** @throws DurableError `InvalidArgument` for text that Postgres could not hold, so that a test finds it too */
export function checkText(...texts: readonly (string | null | undefined)[]): void {
  if (texts.some((text) => text?.includes('\u0000'))) {
    throw new DurableError('InvalidArgument', 'Text must not contain the character U+0000.');
  }
}

function addressOf(hubId: number, instanceId: string): string {
  return `${hubId}/${instanceId}`;
}
