/**
 * The context that an orchestrator sees. Turns its calls into actions and tasks; what the calls mean to history is in
 * `scheduler.ts`, the time and the guard against code outside a turn in `turn-scope.ts`.
 */
import type { CallSubOrchestratorOptions, ContinueAsNewOptions } from '../../model/call-options.ts';
import { parseDuration } from '../../model/duration.ts';
import type {
  ActivityDefinition,
  CallableLog,
  CallArguments,
  Duration,
  OrchestrationContext,
  OrchestrationDefinition,
  ReplaySafeLog,
  Task,
  TimerTask,
  Winner,
} from '../../model/functions.ts';
import type { CallActivityOptions } from '../../model/call-options.ts';
import type { DurableOrchestrationContext } from '../../model/durable-functions.ts';
import { httpActivityName } from '../../model/durable-http.ts';
import type { CallHttpOptions, DurableHttpResponse, HttpActivityResponse } from '../../model/durable-http.ts';
import type { Failure } from '../../model/failure.ts';
import type { EventDefinition } from '../../model/events.ts';
import type { EventRaised, ExecutionStarted, Payload } from '../../model/history.ts';
import type { Schema } from '../../model/schema.ts';
import { compareVersions } from '../../model/versions.ts';
import { activityName, tagsOf } from './activity-name.ts';
import type { CheckedValues } from './checked-values.ts';
import { callChild, orchestrationName } from './child-call.ts';
import { AllTask, AnyTask, asTasks } from './compound-tasks.ts';
import { deterministicGuid } from './deterministic.ts';
import { DurableFunctionsContext } from './durable-functions-context.ts';
import { EntityCallsContext } from './entity-calls.ts';
import type { ExternalEvents, Waiter } from './external-events.ts';
import { callHttp } from './http-call.ts';
import { toNextExecution, type NextExecution } from './next-execution.ts';
import { fromPayload, toPayload } from './payload.ts';
import { receivePayload } from './receive.ts';
import { startCall } from './retried-call.ts';
import { checkRetry } from './retry.ts';
import type { Scheduler } from './scheduler.ts';
import { toSentEvent } from './sent-event.ts';
import { TaskFailedError } from './task-failed-error.ts';
import { timeoutError, timeoutOf } from './timeout-error.ts';
import { DurableTask, DurableTimer } from './task.ts';
import type { TurnScope } from './turn-scope.ts';
import { callableLog } from './user-log.ts';

export type LogLevel = keyof ReplaySafeLog;

/** Where lines of user code go. */
export type LogWriter = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** What a context is made of. */
export interface ContextParts {
  readonly instanceId: string;
  readonly started: ExecutionStarted;
  readonly scope: TurnScope;
  readonly scheduler: Scheduler;
  readonly events: ExternalEvents;
  readonly checks: CheckedValues;
  readonly log: LogWriter;
  readonly maxCustomStatusBytes: number;
  readonly httpPollIntervalMs: number;
  /** Of sub-orchestrations that are given none. */
  readonly defaultVersion: string | undefined;
  readonly continueAsNew: (next: NextExecution) => void;
}

type WaitOptions<D> = { readonly timeout?: Duration } | { readonly timeout: Duration; readonly defaultValue: D };

/** What the caller of an activity or a sub-orchestration gets when it has failed for good. */
export type ErrorMaker = (failure: Failure, call: { readonly name: string; readonly id: number }) => Error;

const taskFailed: ErrorMaker = (failure, call) => new TaskFailedError(call, failure);
const childFailed: ErrorMaker = (failure, call) =>
  new TaskFailedError(call, failure, `Sub-orchestration '${call.name}' (#${call.id}) failed: ${failure.message}`);

export class ReplayContext extends EntityCallsContext implements OrchestrationContext {
  readonly #parts: ContextParts;
  #log: CallableLog | undefined;
  #df: DurableOrchestrationContext | undefined;
  /** The orchestration's input, as its schema gives it. */
  input: unknown;
  #customStatus: Payload;
  #guids = 0;

  constructor(parts: ContextParts) {
    super(parts);
    this.#parts = parts;
    this.#customStatus = parts.started.customStatus;
  }

  get log(): CallableLog {
    const { scope, log } = this.#parts;
    return (this.#log ??= callableLog((level, message, fields) => {
      if (!scope.isReplaying) log(level, message, fields);
    }));
  }

  get df(): DurableOrchestrationContext {
    return (this.#df ??= new DurableFunctionsContext(this, this.#parts));
  }

  get instanceId(): string {
    return this.#parts.instanceId;
  }

  get parentInstanceId(): string | undefined {
    return this.#parts.started.parent?.instanceId;
  }

  get executionId(): string {
    return this.#parts.started.executionId;
  }

  get name(): string {
    return this.#parts.started.name;
  }

  get version(): string | undefined {
    return this.#parts.started.version;
  }

  compareVersionTo(version: string): number {
    return compareVersions(this.version, version);
  }

  get isReplaying(): boolean {
    return this.#parts.scope.isReplaying;
  }

  /** A fresh Date each time: code may change the one it got. */
  get currentUtcDateTime(): Date {
    return new Date(this.#parts.scope.now);
  }

  get customStatus(): unknown {
    return fromPayload(this.#customStatus, 'The custom status');
  }

  /** The custom status as it is stored. */
  get customStatusPayload(): Payload {
    return this.#customStatus;
  }

  callActivity<Input, Output>(activity: ActivityDefinition<Input, Output>, ...rest: CallArguments<Input>): Task<Output>;
  callActivity<Output = unknown>(name: string, input?: unknown, options?: CallActivityOptions): Task<Output>;
  callActivity<Output>(
    activity: ActivityDefinition<never, Output> | string,
    input?: unknown,
    options: CallActivityOptions = {},
  ): Task<Output> {
    this.#parts.scope.assertOpen('callActivity');
    const name = activityName(activity);
    const version = options.version ?? (typeof activity === 'string' ? undefined : activity.version);
    const versioned = version === undefined ? options : { ...options, version };
    return this.startActivity(name, toPayload(input, `the input of activity '${name}'`), versioned, taskFailed);
  }

  /** Schedules an activity whose failure reaches the caller as `toError` says. */
  startActivity<Output>(
    name: string,
    input: Payload,
    options: CallActivityOptions,
    toError: ErrorMaker,
  ): DurableTask<Output> {
    const { scope, scheduler, started } = this.#parts;
    const { retry, version, timeout } = options;
    const tags = tagsOf(name, started.tags, options.tags);
    const timeoutMs = timeout === undefined ? undefined : timeoutOf(timeout);
    if (retry !== undefined) checkRetry(retry);
    const task = new DurableTask<Output>(scope);
    startCall(
      { scope, scheduler, context: this },
      {
        what: `activity '${name}'`,
        task,
        retry,
        schedule: (listener, attempt, firstId) => {
          const timeoutAt = timeoutMs === undefined ? undefined : scope.now + timeoutMs;
          return scheduler.scheduleTask({ name, input, version, tags, attempt, firstId, timeoutAt }, listener);
        },
        toError: (failure, id) => toError(failure, { name, id }),
      },
    );
    return task;
  }

  callSubOrchestrator<Input, Output>(
    orchestration: OrchestrationDefinition<Input, Output>,
    ...rest: CallArguments<Input, CallSubOrchestratorOptions>
  ): Task<Output>;
  callSubOrchestrator<Output = unknown>(
    name: string,
    input?: unknown,
    options?: CallSubOrchestratorOptions,
  ): Task<Output>;
  callSubOrchestrator<Output>(
    orchestration: OrchestrationDefinition<never, Output> | string,
    input?: unknown,
    options: CallSubOrchestratorOptions = {},
  ): Task<Output> {
    this.#parts.scope.assertOpen('callSubOrchestrator');
    const name = orchestrationName(orchestration, 'callSubOrchestrator');
    const payload = toPayload(input, `the input of sub-orchestration '${name}'`);
    const version = options.version ?? (typeof orchestration === 'string' ? undefined : orchestration.version);
    const versioned = version === undefined ? options : { ...options, version };
    return this.startSubOrchestration(name, payload, versioned, childFailed);
  }

  /** Creates a child whose failure reaches the caller as `toError` says. */
  startSubOrchestration<Output>(
    name: string,
    input: Payload,
    options: CallSubOrchestratorOptions,
    toError: ErrorMaker,
  ): Task<Output> {
    this.assertNoSection('callSubOrchestrator');
    const { defaultVersion } = this.#parts;
    const versioned =
      options.version === undefined && defaultVersion !== undefined ? { ...options, version: defaultVersion } : options;
    return callChild(this, this.#parts, { name, input, options: versioned, toError });
  }

  continueAsNew(input?: unknown, options: ContinueAsNewOptions = {}): void {
    const { scope, started, continueAsNew } = this.#parts;
    scope.assertOpen('continueAsNew');
    continueAsNew(toNextExecution(started.name, input, options));
  }

  callHttp(options: CallHttpOptions): Task<DurableHttpResponse> {
    return this.startHttpCall(options, taskFailed);
  }

  /** The same, with failures as `toError` says. */
  startHttpCall(options: CallHttpOptions, toError: ErrorMaker): Task<DurableHttpResponse> {
    const { scope, scheduler, httpPollIntervalMs } = this.#parts;
    scope.assertOpen('callHttp');
    return callHttp(
      {
        scope,
        pollIntervalMs: httpPollIntervalMs,
        send: (request, retry) => {
          const input = toPayload(request, 'the HTTP request');
          return this.startActivity<HttpActivityResponse>(httpActivityName, input, retry, toError);
        },
        after: (delayMs, then) => scheduler.createTimer(scope.now + delayMs, then),
      },
      options,
    );
  }

  createTimer(when: Date | Duration): TimerTask {
    const { scope, scheduler } = this.#parts;
    scope.assertOpen('createTimer');
    const fireAt = this.#fireAt(when);
    // A timer knows how to forget itself, and it has its id only when it exists.
    const timer: DurableTimer = new DurableTimer(scope, () => scheduler.cancelTimer(id));
    const id = scheduler.createTimer(fireAt, () => timer.complete());
    return timer;
  }

  waitForExternalEvent<T = unknown>(
    event: EventDefinition<unknown, T> | string,
    options?: { readonly timeout?: Duration },
  ): Task<T>;
  waitForExternalEvent<T, D>(
    event: EventDefinition<unknown, T> | string,
    options: { readonly timeout: Duration; readonly defaultValue: D },
  ): Task<T | D>;
  waitForExternalEvent<T, D>(event: EventDefinition<unknown, T> | string, options: WaitOptions<D> = {}): Task<T | D> {
    const { name, schema } = typeof event === 'string' ? { name: event, schema: undefined } : event;
    const { scope, events } = this.#parts;
    scope.assertOpen('waitForExternalEvent');
    if (typeof name !== 'string' || name === '') {
      throw new TypeError('waitForExternalEvent(name): the name must be a text that is not empty.');
    }
    if (options.timeout === undefined && 'defaultValue' in options) {
      throw new TypeError(`waitForExternalEvent('${name}'): a defaultValue needs a timeout.`);
    }
    const fireAt = options.timeout === undefined ? undefined : this.#fireAt(options.timeout);
    const task = new DurableTask<T | D>(scope);
    const kept = events.take(name);
    // No timer for an event that is already here. What is kept follows from the order of the history, so every replay
    // finds the same and numbers the same.
    if (kept !== undefined) this.receiveEvent(task, kept, schema);
    else this.#waitForEvent(task, { name, schema, options, fireAt });
    return task;
  }

  sendEvent(instanceId: string, name: string, data?: unknown): void {
    const { scope, scheduler } = this.#parts;
    scope.assertOpen('sendEvent');
    scheduler.sendEvent(toSentEvent(instanceId, name, data));
  }

  setCustomStatus(status: unknown): void {
    const { scope, maxCustomStatusBytes } = this.#parts;
    scope.assertOpen('setCustomStatus');
    const payload = status === null ? undefined : toPayload(status, 'the custom status');
    // A UTF-16 unit is at most 3 bytes: most texts need no counting.
    if (payload !== undefined && payload.length * 3 > maxCustomStatusBytes) {
      const bytes = Buffer.byteLength(payload, 'utf8');
      if (bytes > maxCustomStatusBytes) {
        throw new RangeError(
          `The custom status has ${bytes} bytes of JSON; at most ${maxCustomStatusBytes} are allowed.`,
        );
      }
    }
    this.#customStatus = payload;
  }

  all<T extends readonly Task<unknown>[] | []>(
    tasks: T,
  ): Task<{ -readonly [K in keyof T]: T[K] extends Task<infer R> ? R : never }>;
  all(tasks: readonly Task<unknown>[]): Task<unknown> {
    const { scope } = this.#parts;
    scope.assertOpen('all');
    return new AllTask(scope, asTasks(scope, 'all', tasks));
  }

  any<T extends Task<unknown>>(tasks: readonly T[]): Task<Winner<T>>;
  any(tasks: readonly Task<unknown>[]): Task<unknown> {
    const { scope } = this.#parts;
    scope.assertOpen('any');
    const checked = asTasks(scope, 'any', tasks);
    if (checked.length === 0) throw new Error('any(tasks): the list is empty, so nothing could ever complete.');
    return new AnyTask(scope, checked);
  }

  newGuid(): string {
    return this.makeGuid(({ now, counter }) => deterministicGuid({ instanceId: this.instanceId, now, counter }));
  }

  /** A GUID from the time of the turn and the number of GUIDs made before. */
  makeGuid(make: (seed: { readonly now: number; readonly counter: number }) => string): string {
    const { scope } = this.#parts;
    scope.assertOpen('newGuid');
    const guid = make({ now: scope.now, counter: this.#guids });
    this.#guids += 1;
    return guid;
  }

  /** Completes a task with an event's payload, or fails it with why the schema refuses that. */
  receiveEvent<T>(task: DurableTask<T>, event: EventRaised, schema: Schema | undefined): void {
    const what = `The payload of the event '${event.name}'`;
    const { checks } = this.#parts;
    receivePayload<T>(task, event.input, what, (value) =>
      schema === undefined ? value : checks.check({ schema, value, what, error: 'InvalidEventError' }),
    );
  }

  #waitForEvent<T, D>(
    task: DurableTask<T | D>,
    wait: {
      readonly name: string;
      readonly schema: Schema | undefined;
      readonly options: WaitOptions<D>;
      readonly fireAt: number | undefined;
    },
  ): void {
    const { events, scheduler } = this.#parts;
    const { name, schema, options, fireAt } = wait;
    const waiter: Waiter = {
      receive: (event) => {
        if (timerId !== undefined) scheduler.cancelTimer(timerId);
        this.receiveEvent(task, event, schema);
      },
    };
    events.wait(name, waiter);
    const timerId =
      fireAt === undefined
        ? undefined
        : scheduler.createTimer(fireAt, () => {
            events.giveUp(name, waiter);
            // Given as undefined counts as given.
            if ('defaultValue' in options) task.complete(options.defaultValue);
            else task.fail(timeoutError(name, fireAt));
          });
  }

  #fireAt(when: Date | Duration): number {
    const fireAt = when instanceof Date ? when.getTime() : this.#parts.scope.now + parseDuration(when);
    // Also true for an invalid Date.
    if (!Number.isFinite(new Date(fireAt).getTime())) {
      throw new TypeError('The time of a timer must be a valid Date, or a duration that ends before the year 275760.');
    }
    return fireAt;
  }
}
