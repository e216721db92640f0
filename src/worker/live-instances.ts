/**
 * Suspended orchestrators kept in memory. An owned instance is always here; one that was given up stays as a cache,
 * bounded by count and weight, and is used again only if a later claim finds the sequence at which it stopped
 * (decision 3). What a turn does with one is in `orchestration-processor.ts`.
 */
import { LRUCache } from 'lru-cache';
import { stateOf, type ExecutionState } from '../core/state/execution-state.ts';
import type { EntityRecord } from '../model/entity-work.ts';
import { withoutRewound } from '../model/rewound-history.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { LocalEvent } from '../core/state/open-turn.ts';
import type { Claim, InstanceKey, OwnedInstance } from '../model/work.ts';
import type { Cancellation } from './cancellation.ts';
import type { Executor, OrchestrationRun } from './executor.ts';
import { SortedTimes } from './sorted-times.ts';

/** What is kept of an execution between its turns. */
export interface Memory {
  readonly state: ExecutionState;
  readonly run: OrchestrationRun;
  /** History that was read and that the run has not played yet: its next turn plays it first. */
  unplayed: readonly HistoryEvent[];
  /** The stored history of an execution that was just rewound and has had no turn since. */
  readonly rewound?: readonly HistoryEvent[] | undefined;
}

/** A run that has played nothing yet, and what the engine knows of the history that it will play first. */
export function openMemory(executor: Executor, instance: OwnedInstance, stored: readonly HistoryEvent[]): Memory {
  const { instanceId, executionId, name, version, trace } = instance;
  const history = withoutRewound(stored);
  return {
    unplayed: history,
    state: stateOf(executionId, history),
    run: executor.openRun({ instanceId, executionId, name, version, trace }),
    ...(stored.at(-1)?.type === 'ExecutionRewound' ? { rewound: stored } : {}),
  };
}

/** What is kept of an entity between its batches. */
export interface EntityMemory {
  readonly record: EntityRecord;
  /** How often its batch has failed as a whole since it last succeeded. */
  failures?: number;
  /** Operations run one at a time: one of them cannot be stored. */
  readonly oneByOne?: boolean;
}

/** The worker's own: each commit changes it. */
type OwnInstance = { -readonly [Key in keyof OwnedInstance]: OwnedInstance[Key] };

export interface LiveInstance {
  instance: OwnInstance;
  owned: boolean;
  /** A turn is under way. */
  busy: boolean;
  /** A claim that came while the end of the turn before was not known here. */
  claimedAgain: Claim | undefined;
  /** The inbox is to be read before the next turn. */
  inboxWaiting: boolean;
  /** Taken from a dead worker and not yet looked through for lost activities. */
  takenOver: boolean;
  /** What the engine and the orchestrator know; `undefined`: read the history first. */
  memory: Memory | undefined;
  /** The same of an entity. */
  entity: EntityMemory | undefined;
  /** What happened here and the next turn takes: ends of local activities, its own start. */
  events: LocalEvent[];
  /** Local activities under way, by the id of their TaskScheduled. */
  readonly running: Map<number, Cancellation>;
  /** When its timers fire, milliseconds since 1970; most instances have none. */
  dueTimes: SortedTimes | undefined;
  /** How many executions it has begun in a row without being given up. */
  generations: number;
  /** Rough size in memory, in UTF-16 units. */
  weight: number;
  /** When its execution had its first turn, milliseconds since 1970, once that is known here. */
  startedAt: number | undefined;
  /** Since when its timers run, milliseconds since 1970; only of one that belongs to a trace. */
  timersSince: Map<number, number> | undefined;
}

/** Bounds of the cache of instances that are not owned. */
export interface LiveLimits {
  /** 0 forgets everything after every turn: the mode that proves that replay and memory agree. */
  readonly maxInstances: number;
  readonly maxWeight: number;
}

export const defaultLiveLimits: LiveLimits = { maxInstances: 5_000, maxWeight: 64 * 1_048_576 };

export class LiveInstances {
  readonly #owned = new Map<InstanceKey, LiveInstance>();
  readonly #idle: LRUCache<InstanceKey, LiveInstance> | undefined;

  constructor(limits: LiveLimits) {
    this.#idle =
      limits.maxInstances === 0
        ? undefined
        : new LRUCache({
            max: limits.maxInstances,
            maxSize: limits.maxWeight,
            maxEntrySize: limits.maxWeight,
            sizeCalculation: (live) => Math.max(1, live.weight),
            dispose: (live, _key, reason) => {
              if (reason === 'evict') forget(live);
            },
          });
  }

  /** Whether instances that are not owned are kept at all. */
  get remembers(): boolean {
    return this.#idle !== undefined;
  }

  get ownedCount(): number {
    return this.#owned.size;
  }

  /** How many are kept that are not owned. */
  get idleCount(): number {
    return this.#idle?.size ?? 0;
  }

  owned(): IterableIterator<LiveInstance> {
    return this.#owned.values();
  }

  /** Owned ones whose activities run here and that have no turn under way: nothing but the store can say they are gone. */
  atRest(): readonly LiveInstance[] {
    return [...this.#owned.values()].filter((live) => isAtRest(live));
  }

  getOwned(key: InstanceKey): LiveInstance | undefined {
    return this.#owned.get(key);
  }

  /** Takes a claimed instance in, with what is remembered of it if that is not outdated. */
  adopt(claim: Claim): LiveInstance {
    const idle = this.#idle?.get(claim.key);
    if (idle) this.#idle?.delete(claim.key);
    const fresh =
      idle !== undefined &&
      idle.instance.sequence === claim.sequence &&
      idle.instance.executionId === claim.executionId;
    if (idle && !fresh) forget(idle);
    const live: LiveInstance = {
      instance: claim,
      owned: true,
      busy: false,
      claimedAgain: undefined,
      inboxWaiting: true,
      takenOver: claim.takenOver,
      memory: fresh ? idle.memory : undefined,
      entity: fresh ? idle.entity : undefined,
      events: [],
      running: new Map(),
      dueTimes: undefined,
      generations: 0,
      weight: fresh ? idle.weight : 0,
      startedAt: fresh ? idle.startedAt : undefined,
      timersSince: fresh ? idle.timersSince : undefined,
    };
    this.#owned.set(claim.key, live);
    return live;
  }

  /**
   * The store has let go of it; it may be remembered.
   * @returns what this worker has claimed of it since, before it heard of that: it is to be taken
   */
  giveUp(live: LiveInstance): Claim | undefined {
    live.owned = false;
    if (this.#owned.get(live.instance.key) === live) this.#owned.delete(live.instance.key);
    if (live.memory !== undefined || live.entity !== undefined) this.#idle?.set(live.instance.key, live);
    // What is too heavy by itself was not taken in.
    if (this.#idle?.has(live.instance.key) !== true) forget(live);
    return live.claimedAgain?.sequence === live.instance.sequence ? live.claimedAgain : undefined;
  }

  /** It has ended, or belongs to somebody else: nothing of it is kept, its activities are told to stop. */
  drop(live: LiveInstance): void {
    live.owned = false;
    if (this.#owned.get(live.instance.key) === live) this.#owned.delete(live.instance.key);
    abortAll(live, 'The orchestration ended or is owned by another worker.');
    forget(live);
  }

  /** Drops those that were at rest and are not in the store any more: a start has replaced them. */
  dropGone(wereAtRest: readonly LiveInstance[], owned: ReadonlySet<InstanceKey>): void {
    for (const live of wereAtRest) if (!owned.has(live.instance.key) && isAtRest(live)) this.drop(live);
  }

  /** Drops everything: the lease was lost or the worker stops. */
  clear(): void {
    for (const live of [...this.#owned.values()]) this.drop(live);
    this.forgetIdle();
  }

  /** Forgets those that are not owned: what is remembered of them may not be what is stored. */
  forgetIdle(): void {
    for (const live of this.#idle?.values() ?? []) forget(live);
    this.#idle?.clear();
  }
}

/** A commit has been written. */
export function advance(
  { instance }: LiveInstance,
  { customStatus, status }: Pick<OwnedInstance, 'customStatus' | 'status'>,
  sequence: number,
): void {
  instance.sequence = sequence;
  instance.customStatus = customStatus;
  instance.status = status;
  instance.crashCount = 0;
}

/** Timers of one instance; those after them are found by heartbeats. */
const maxDueTimes = 100;

/** A timer of an instance fires then, milliseconds since 1970. */
export function noteDue(live: LiveInstance, at: number): void {
  (live.dueTimes ??= new SortedTimes(maxDueTimes)).add(at);
}

/** Tells the local activities of an instance to stop. */
export function abortAll(live: LiveInstance, reason: string): void {
  for (const cancellation of live.running.values()) cancellation.request(reason);
}

function isAtRest(live: LiveInstance): boolean {
  return live.owned && !live.busy && live.running.size > 0;
}

function forget(live: LiveInstance): void {
  live.memory?.run.dispose();
  live.memory = undefined;
  live.entity = undefined;
}
