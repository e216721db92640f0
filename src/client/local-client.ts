/** The client verbs on a store in reach of this process. */
import { setTimeout as delay } from 'node:timers/promises';
import { isEntityInstanceId } from '../model/entity-id.ts';
import { DurableError } from '../model/errors.ts';
import type { EventDefinition } from '../model/events.ts';
import type { InstanceKey } from '../model/work.ts';
import { reportEnd } from '../model/sub-orchestration.ts';
import { parseDuration } from '../model/duration.ts';
import type { Duration } from '../model/functions.ts';
import {
  eventNameProblem,
  instanceIdProblem,
  isTerminal,
  tagsProblem,
  versionProblem,
  type InstanceFilter,
  type OrchestrationInstance,
  type RuntimeStatus,
} from '../model/instance.ts';
import { toOrchestrationHistory, type OrchestrationHistory } from '../model/orchestration-history.ts';
import type { ClientEvent } from '../store/store.ts';
import { actOnMany } from './bulk.ts';
import {
  checkReason,
  checkSize,
  isImpossible,
  newId,
  notFound,
  notRewindable,
  refuse,
  terminal,
  withAudit,
  withReason,
} from './arguments.ts';
import type {
  GetStatusOptions,
  CompletedHere,
  LocalOrchestrationClient,
  OrchestrationReference,
  StartOptions,
  TextStart,
  WaitOptions,
} from './client.ts';
import { traceOfExecution } from '../model/trace-context.ts';
import { withoutRewound } from '../model/rewound-history.ts';
import { endedBeforeStart } from './ended-before-start.ts';
import { policyOf } from './existing-policy.ts';
import { webhookOf } from './webhooks.ts';
import type { LocalClientParts } from './local-client-parts.ts';
import { RecentStarts } from './recent-starts.ts';
import type { BulkOperation, BulkOptions, BulkOutcome } from './listing-client.ts';
import { LocalExplainingClient } from './local-explaining-client.ts';
import { purge } from './purge.ts';
import { toTextEvent, toTextStart } from './to-text.ts';

const defaultWaitMs = 10_000;
/** What every reader of a time understands. */
const latestStart = Date.UTC(9999, 11, 31);

export class LocalClient extends LocalExplainingClient implements LocalOrchestrationClient {
  readonly #parts: LocalClientParts;
  readonly #recent = new RecentStarts();
  readonly #newId: () => string;

  constructor(taskHub: string, parts: LocalClientParts) {
    super(taskHub, parts);
    this.#parts = parts;
    this.#newId = parts.newId ?? newId;
  }

  async startNew<Input>(
    orchestration: OrchestrationReference<Input>,
    options: StartOptions<Input> = {},
  ): Promise<string> {
    return this.startNewText(toTextStart(orchestration, options));
  }

  startNewText(start: TextStart): Promise<string> {
    const version = start.version ?? this.#defaultVersion(start.name);
    return this.#begin(version === undefined ? start : { ...start, version });
  }

  #begin(start: TextStart): Promise<string> {
    return this.#parts.tracing?.start(start, (traced) => this.#start(traced)) ?? this.#start(start);
  }

  #defaultVersion(name: string): string | undefined {
    return this.#parts.defaultVersion ?? this.#parts.declared?.newestVersion(name);
  }

  async #start(start: TextStart): Promise<string> {
    const { name, version, input, tags, traceContext } = start;
    if (typeof name !== 'string' || name.length === 0) {
      throw new DurableError('InvalidArgument', 'The name of the orchestration must be a text that is not empty.');
    }
    // A blank id is no id (DurableClient.cs).
    const givenId = start.instanceId === undefined || start.instanceId.trim() === '' ? undefined : start.instanceId;
    const instanceId = givenId ?? this.#newId();
    refuse(instanceIdProblem(instanceId, this.#parts.maxInstanceIdLength));
    if (version !== undefined) refuse(versionProblem(version));
    if (tags !== undefined) refuse(tagsProblem(tags));
    const policy = start.onExisting === undefined ? undefined : policyOf(start.onExisting);
    checkSize(input, this.#parts.maxPayloadLength);
    this.#parts.declared?.checkInput({ name, version }, input);
    // What is refused leaves nothing behind, not even the name of a task hub.
    const webhook = webhookOf(start, this.#parts.webhooks);
    const startAt = start.startAt === undefined ? undefined : await this.#startTime(start.startAt);
    const { store, known, placement } = this.#parts;
    const hubId = await store.ensureHub(this.taskHub);
    const executionId = this.#newId();
    const event = {
      type: 'ExecutionStarted' as const,
      name,
      executionId,
      ...(input === undefined ? {} : { input }),
      ...(version === undefined ? {} : { version }),
      ...(tags === undefined ? {} : { tags }),
      ...(startAt === undefined ? {} : { scheduledStartAt: startAt.getTime() }),
    };
    const trace = traceContext === undefined ? {} : { trace: traceOfExecution(traceContext, executionId) };
    const instance = { instanceId, executionId, name, version: version ?? null, event, ...trace };
    const offer =
      startAt === undefined && start.completionWebhook === undefined
        ? await placement?.offer(hubId, { ...instance, isNewId: givenId === undefined })
        : undefined;
    if (offer === undefined) await known.checkOrchestrator(hubId, name);
    const mark = this.#parts.waiters.mark();
    const outcome = await store
      .startInstance({
        ...instance,
        ...webhook,
        hubId,
        input: input ?? null,
        ...(tags === undefined ? {} : { tags }),
        ...(policy === undefined ? {} : { replace: policy.replace }),
        scheduledStartAt: startAt ?? null,
        owner: offer?.owner ?? null,
        ...(offer?.firstTurn ? { firstTurn: offer.firstTurn } : {}),
      })
      .catch((error: unknown) => {
        offer?.withdraw();
        throw error;
      });
    if (outcome.kind === 'created' && outcome.replaced !== undefined) this.#parts.audit?.endedLive();
    if (outcome.kind === 'created' && outcome.owner !== null && outcome.owner === offer?.owner) {
      this.#recent.add(instanceId, { key: outcome.key, mark });
      offer.accept(outcome.key);
      return instanceId;
    }
    offer?.withdraw();
    if (outcome.kind === 'exists') {
      if (policy?.otherwise === 'return') return instanceId;
      throw new DurableError(
        'InstanceAlreadyExists',
        `An Orchestration instance with the status ${outcome.status} already exists.`,
      );
    }
    return instanceId;
  }

  async getStatus(instanceId: string, options?: GetStatusOptions): Promise<OrchestrationInstance | undefined> {
    const hubId = await this.#parts.store.findHub(this.taskHub);
    if (hubId === undefined || isImpossible(instanceId)) return undefined;
    const instance = await this.#parts.store.getInstance(hubId, instanceId, { history: options?.showHistory ?? false });
    if (instance?.history === undefined) return instance;
    return { ...instance, history: withoutRewound(instance.history) };
  }

  async getHistory(instanceId: string): Promise<OrchestrationHistory | undefined> {
    const instance = await this.getStatus(instanceId, { showHistory: true });
    return instance && toOrchestrationHistory(instance);
  }

  async raiseEvent(
    instanceId: string,
    event: EventDefinition<unknown, unknown> | string,
    data?: unknown,
  ): Promise<void> {
    const text = toTextEvent(event, data);
    return this.raiseEventText(instanceId, text.name, text.data);
  }

  async raiseEventText(instanceId: string, eventName: string, data: string | undefined): Promise<void> {
    const problem = eventNameProblem(eventName);
    if (problem !== null) throw new DurableError('InvalidArgument', problem);
    checkSize(data, this.#parts.maxPayloadLength);
    const { declared } = this.#parts;
    if (declared?.declaresEvent(eventName) === true) {
      // Whose event it is says the instance. That it ends meanwhile is found by the send.
      const { name, version } = await this.#require(instanceId);
      declared.checkEvent({ orchestration: name, version, event: eventName }, data);
    }
    const event = { type: 'EventRaised' as const, name: eventName, ...(data === undefined ? {} : { input: data }) };
    const send = (): Promise<void> => this.#send(instanceId, event);
    await (this.#parts.tracing?.raise({ name: eventName, instanceId }, send) ?? send());
  }

  async terminate(instanceId: string, reason?: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    const instance = await this.#require(instanceId);
    const text = checkReason(reason);
    if (instance.runtimeStatus === 'Pending') {
      // Nobody has begun it: it ends here, also when no worker lives and before its scheduled time.
      const { parent } = instance;
      const report =
        parent === null
          ? undefined
          : reportEnd(parent, { status: 'Terminated', ...(text === undefined ? {} : { result: text }) });
      const ended = await this.#parts.store.terminatePending({
        key: instance.key,
        output: text ?? null,
        eventsAt: (now) => endedBeforeStart(instance, text, now),
        ...withAudit(this.#parts.audit),
        ...(report === undefined ? {} : { report }),
      });
      if (ended !== undefined) {
        const hubId = await this.#parts.store.ensureHub(this.taskHub);
        this.#parts.store.notifications.publish({ kind: 'ended', hubId, keys: [instance.key] });
        if (parent !== null) this.#parts.store.notifications.publish({ kind: 'inbox', hubId, keys: [parent.key] });
        return;
      }
    }
    await this.#send(instanceId, {
      type: 'ExecutionTerminated',
      ...(text === undefined ? {} : { reason: text }),
      ...(options.recursive === true ? { recursive: true } : {}),
    });
  }

  async suspend(instanceId: string, reason?: string): Promise<void> {
    await this.#turn(instanceId, {
      verb: 'suspend',
      event: { type: 'ExecutionSuspended', ...withReason(reason) },
      suspends: true,
      reached: (status) => status === 'Suspended',
    });
  }

  async resume(instanceId: string, reason?: string): Promise<void> {
    await this.#turn(instanceId, {
      verb: 'resume',
      event: { type: 'ExecutionResumed', ...withReason(reason) },
      suspends: false,
      reached: (status) => status !== 'Suspended',
    });
  }

  async rewind(instanceId: string, reason?: string): Promise<void> {
    const text = checkReason(reason);
    const hubId = await this.#parts.store.findHub(this.taskHub);
    if (hubId === undefined || isImpossible(instanceId)) throw notRewindable(instanceId);
    const executionId = this.#newId();
    const outcome = await this.#parts.store.rewindInstance({
      hubId,
      instanceId,
      executionId,
      plan: (stored, now) => this.#parts.planRewind({ stored, executionId, reason: text, now }),
      ...withAudit(this.#parts.audit),
    });
    if (outcome.kind === 'not-found') throw notRewindable(instanceId);
    if (outcome.kind === 'not-failed') {
      throw new DurableError(
        'InstanceNotFailed',
        `This orchestration has status ${outcome.status}, but only orchestrations in the "Failed" state can be rewound.`,
      );
    }
  }

  async restart(instanceId: string, options: { readonly restartWithNewInstanceId?: boolean } = {}): Promise<string> {
    const instance = await this.getStatus(instanceId);
    if (instance === undefined) {
      throw new DurableError('InstanceNotFound', `An orchestration with the instanceId ${instanceId} was not found.`);
    }
    const fresh = options.restartWithNewInstanceId ?? true;
    const start = {
      name: instance.name,
      ...(fresh ? {} : { instanceId }),
      ...(instance.input === null ? {} : { input: instance.input }),
      ...(instance.tags === null ? {} : { tags: instance.tags }),
    };
    // None stays none, whatever the default is by now.
    return this.#begin(instance.version === null ? start : { ...start, version: instance.version });
  }

  async purgeInstanceHistory(
    instanceId: string,
    options: { readonly recursive?: boolean } = {},
  ): Promise<{ readonly instancesDeleted: number }> {
    const hubId = await this.#parts.store.findHub(this.taskHub);
    if (hubId === undefined || isImpossible(instanceId)) return { instancesDeleted: 0 };
    const recursive = options.recursive === true;
    return purge(this.#parts.store, { hubId, instanceId, recursive }, this.#parts.audit);
  }

  bulk(operation: BulkOperation, filter: InstanceFilter, options: BulkOptions = {}): Promise<BulkOutcome> {
    // What is recorded is the whole, and nobody waits for the effect on each.
    const { audit: _, ...parts } = this.#parts;
    const client = new LocalClient(this.taskHub, { ...parts, pollMs: 0 });
    return actOnMany({ client, find: (what, page) => this.find(what, page) }, operation, filter, options);
  }

  async waitForCompletion(instanceId: string, options: WaitOptions = {}): Promise<OrchestrationInstance | undefined> {
    const ended = await this.waitForOutput(instanceId, options);
    return ended === undefined || 'key' in ended ? ended : await this.getStatus(instanceId);
  }

  async waitForOutput(
    instanceId: string,
    options: WaitOptions = {},
  ): Promise<OrchestrationInstance | CompletedHere | undefined> {
    const end = performance.now() + (options.timeoutMs ?? defaultWaitMs);
    const { waiters } = this.#parts;
    const { signal } = options;
    const wait = (key: InstanceKey): Promise<CompletedHere | undefined> =>
      waiters.wait(key, { timeoutMs: end - performance.now(), ...(signal ? { signal } : {}) });
    const recent = this.#recent.take(instanceId);
    const mayWait = options.timeoutMs !== 0 && signal?.aborted !== true;
    if (recent !== undefined && mayWait && !waiters.mayHaveEndedSince(recent.key, recent.mark)) {
      const completed = await wait(recent.key);
      if (completed !== undefined) return completed;
    }
    for (;;) {
      // From before the look, so that no end falls between it and the wait.
      const mark = waiters.mark();
      const instance = await this.getStatus(instanceId);
      if (instance === undefined || isTerminal(instance.runtimeStatus)) return instance;
      if (end - performance.now() <= 0 || signal?.aborted === true) return instance;
      if (waiters.mayHaveEndedSince(instance.key, mark)) continue;
      const completed = await wait(instance.key);
      if (completed !== undefined) return completed;
    }
  }

  /** Sends a message that changes whether the instance goes on, and waits up to one poll until it has. */
  async #turn(
    instanceId: string,
    command: {
      readonly verb: 'suspend' | 'resume';
      readonly event: ClientEvent;
      readonly suspends: boolean;
      readonly reached: (status: RuntimeStatus) => boolean;
    },
  ): Promise<void> {
    const found = await this.#findSuspension(instanceId);
    if (found.suspended === command.suspends) {
      const state = found.suspended ? 'Suspended' : found.status === 'Suspended' ? 'Running' : found.status;
      throw new DurableError(
        'InvalidTransition',
        `Cannot ${command.verb} the orchestration instance ${instanceId} because instance is in the ${state} state.`,
      );
    }
    await this.#send(instanceId, command.event);
    const end = performance.now() + this.#parts.pollMs;
    for (let pause = 2; performance.now() < end; pause = Math.min(100, pause * 2)) {
      const now = await this.getStatus(instanceId);
      if (now === undefined || isTerminal(now.runtimeStatus) || command.reached(now.runtimeStatus)) return;
      await delay(pause);
    }
  }

  /** With what waits for it: a resume may follow a suspend that no worker has seen yet. */
  async #findSuspension(instanceId: string): Promise<{ readonly status: RuntimeStatus; readonly suspended: boolean }> {
    const { store } = this.#parts;
    const hubId = await store.findHub(this.taskHub);
    const isNone = hubId === undefined || isImpossible(instanceId) || isEntityInstanceId(instanceId);
    const found = isNone ? undefined : await store.findSuspension(hubId, instanceId);
    if (found === undefined) throw notFound(instanceId);
    if (isTerminal(found.status)) throw terminal(instanceId, found.status);
    return found;
  }

  async #require(instanceId: string): Promise<OrchestrationInstance> {
    const instance = await this.getStatus(instanceId);
    // An entity is no orchestration: what steers those does nothing to it.
    if (instance === undefined || isEntityInstanceId(instanceId)) throw notFound(instanceId);
    if (isTerminal(instance.runtimeStatus)) throw terminal(instanceId, instance.runtimeStatus);
    return instance;
  }

  async #send(instanceId: string, event: ClientEvent): Promise<void> {
    const hubId = await this.#parts.store.findHub(this.taskHub);
    if (hubId === undefined || isImpossible(instanceId) || isEntityInstanceId(instanceId)) throw notFound(instanceId);
    const outcome = await this.#parts.store.sendMessage({ hubId, instanceId, event, ...withAudit(this.#parts.audit) });
    if (outcome.kind === 'not-found') throw notFound(instanceId);
    if (outcome.kind === 'terminal') throw terminal(instanceId, outcome.status);
  }

  /** A duration counts from the store's time, which decides when it is over. */
  async #startTime(when: Date | Duration): Promise<Date> {
    try {
      const at = when instanceof Date ? when : new Date((await this.#parts.store.now()) + parseDuration(when));
      // All that is long past means now.
      if (at.getTime() <= latestStart) return new Date(Math.max(0, at.getTime()));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new DurableError('InvalidArgument', `startAt: ${error.message}`, { cause: error });
    }
    throw new DurableError('InvalidArgument', 'startAt must be a valid date before the year 10000, or a duration.');
  }
}
