/**
 * Definitions of user functions: plain values that a module exports. The constructors validate and brand them; nothing
 * registers itself. The types of the contexts that user code sees are here too; `core/replay` implements them.
 */
import { checkLimits, type ActivityLimits } from './activity-limits.ts';
import type { CallActivityOptions, CallSubOrchestratorOptions, ContinueAsNewOptions } from './call-options.ts';
import type { AnyTask, DurableOrchestrationContext } from './durable-functions.ts';
import type { CallHttpOptions, DurableHttpResponse } from './durable-http.ts';
import type { EntityFunction, SignalArguments } from './entity-functions.ts';
import type { EntityAddress, EntityId, EntityOperations } from './entity-id.ts';
import { isEventDefinition, type EventDefinition } from './events.ts';
import { versionProblem, type Tags } from './instance.ts';
import { checkFunctionName } from './function-name.ts';
import { requireSchema, type Schema } from './schema.ts';

/** Marks definitions, also across copies of this package. */
export const brand: unique symbol = Symbol.for('perdure.definition');

/** Milliseconds, or text such as `'250ms'`, `'30s'`, `'15m'`, `'24h'`, `'7d'`, or ISO 8601 such as `'PT24H'`. */
export type Duration = number | string;

/** A durable operation on its way. Await it, `yield` it in a generator, or `yield*` it to keep the type. */
export interface Task<T> extends PromiseLike<T> {
  readonly isCompleted: boolean;
  readonly isFaulted: boolean;
  /** The result once completed; `undefined` before and when it failed. */
  readonly result: T | undefined;
  [Symbol.iterator](): Generator<Task<T>, T, unknown>;
}

/**
 * The task that won in {@link OrchestrationContext.any}: one of the tasks that were given, to be compared with `===`.
 * Without `then` for the compiler, which would take the result of awaiting a task for the result of the task itself.
 * Do not return it from an async helper of yours: JavaScript would wait for its result instead.
 */
export type Winner<T> = T extends unknown ? Omit<T, 'then'> : never;

/** A durable timer. */
export interface TimerTask extends Task<void> {
  readonly isCanceled: boolean;
  /** Forgets the timer: it never fires. @throws Error when it has fired already */
  cancel(): void;
}

/** A log that is silent while history is replayed, so that every line appears once. */
export interface ReplaySafeLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The same, and itself a function, `log(…)`, which writes at level info as `context.log` of Azure Functions does. */
export interface CallableLog extends ReplaySafeLog {
  (...values: readonly unknown[]): void;
}

/** A critical section. */
export interface HeldLock {
  /** Ends it: other orchestrations are let in. The second time it does nothing. */
  release(): void;
}

/** What an orchestrator may use. Everything else (clock, randomness, I/O) belongs into activities. */
export interface OrchestrationContext {
  readonly instanceId: string;
  readonly parentInstanceId: string | undefined;
  readonly executionId: string;
  readonly name: string;
  /** The one it was started with, or went on with; `undefined`: none. */
  readonly version: string | undefined;
  /** True while events are played that were committed before. */
  readonly isReplaying: boolean;
  /** The time at which this turn began; the same in every replay, never goes back. */
  readonly currentUtcDateTime: Date;
  readonly customStatus: unknown;

  /** Schedules an activity. It runs even when nobody awaits the task. */
  callActivity<Input, Output>(activity: ActivityDefinition<Input, Output>, ...rest: CallArguments<Input>): Task<Output>;
  callActivity<Output = unknown>(name: string, input?: unknown, options?: CallActivityOptions): Task<Output>;

  /**
   * Sends an HTTP request from an activity of the engine's own, and follows an answer 202 with a `Location` until there
   * is another answer. Every answer is a response, whatever its status; no answer at all is a `TaskFailedError`.
   * Addresses that only this network can reach are refused unless they are allowed (`--http-allow`).
   * @throws TypeError, RangeError for options that cannot be
   */
  callHttp(options: CallHttpOptions): Task<DurableHttpResponse>;

  /**
   * A timer that fires at a time, or after a duration from `currentUtcDateTime`. A time in the past fires at once.
   * @throws TypeError for anything that is neither
   */
  createTimer(when: Date | Duration): TimerTask;

  /**
   * Waits for an event, by its definition or its name (names are compared without case). Events are kept until somebody waits: the oldest event goes to
   * the oldest waiter.
   * @param options.timeout how long to wait; then the task fails with a `TimeoutError`
   * @param options.defaultValue with a timeout: the value to go on with instead of failing
   */
  waitForExternalEvent<T = unknown>(
    event: EventDefinition<unknown, T> | string,
    options?: { readonly timeout?: Duration },
  ): Task<T>;
  waitForExternalEvent<T = unknown, D = T | null>(
    event: EventDefinition<unknown, T> | string,
    options: { readonly timeout: Duration; readonly defaultValue: D },
  ): Task<T | D>;

  /**
   * Starts another orchestration and waits for its end; it goes on by itself, also when nobody awaits the task. A failure
   * is a `TaskFailedError`, also when it was terminated.
   * @throws Error for the instance id of this orchestration or of its parent
   */
  callSubOrchestrator<Input, Output>(
    orchestration: OrchestrationDefinition<Input, Output>,
    ...rest: CallArguments<Input, CallSubOrchestratorOptions>
  ): Task<Output>;
  callSubOrchestrator<Output = unknown>(
    name: string,
    input?: unknown,
    options?: CallSubOrchestratorOptions,
  ): Task<Output>;

  /**
   * Ends this execution, with everything that it still waits for; the instance goes on with a new one, from the beginning,
   * with this input and an empty history. What the code asks for after the call is not done: return after it.
   */
  continueAsNew(input?: unknown, options?: ContinueAsNewOptions): void;

  /**
   * Sends an event to another instance of the task hub, with what this turn does. Nobody learns whether it arrived: for an
   * instance that does not exist or has ended it is dropped.
   * @throws TypeError for an instance id or name that none can have, or data that JSON cannot hold
   */
  sendEvent(instanceId: string, name: string, data?: unknown): void;

  /**
   * Runs an operation of an entity and waits for its result. If it fails the task fails with an
   * `EntityOperationFailedError`, and the entity is as if it had not been called.
   * @throws Error in a critical section, for an entity that is not locked or that has a call under way
   */
  callEntity<Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...input: Parameters<Operations[Name]>
  ): Task<Awaited<ReturnType<Operations[Name]>>>;

  /**
   * Sends an operation to an entity, with what this turn does; nobody learns what came of it.
   * @throws Error for an entity that this orchestration has locked
   */
  signalEntity<Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...rest: SignalArguments<Operations[Name]>
  ): void;

  /**
   * Waits until this orchestration has the locks of all these entities: a critical section begins, in which only this
   * orchestration is let in. Locks are also released when it ends or continues as new. In a critical section only the
   * locked entities may be called, and they must not be signalled; no sub-orchestrations, no other locks.
   * @throws Error while it holds locks or waits for some, TypeError for an empty list
   */
  lock(entities: readonly EntityAddress[]): Task<HeldLock>;

  /**
   * Whether the version of this instance is older (below 0), the same (0) or newer (above 0) than another: for code that
   * changes for new instances only. Dotted numbers are compared number by number; none is the oldest.
   */
  compareVersionTo(version: string): number;

  /** Replaces the custom status shown by status queries; `null` and `undefined` clear it. At most 16 KiB of JSON. */
  setCustomStatus(status: unknown): void;

  /** Completes when every task has; then throws an AggregateError if any failed. Results in the order given. */
  all<T extends readonly Task<unknown>[] | []>(
    tasks: T,
  ): Task<{ -readonly [K in keyof T]: T[K] extends Task<infer R> ? R : never }>;
  /** Completes with the first task to complete or fail, which is the result. @throws Error for an empty list */
  any<T extends Task<unknown>>(tasks: readonly T[]): Task<Winner<T>>;

  /** A UUID (version 5) that is the same in every replay. */
  newGuid(): string;
  readonly log: CallableLog;
  /** The interface of `durable-functions` v3, with its semantics: what is written for it runs as it is. */
  readonly df: DurableOrchestrationContext;
}

/** `(input, options?)`; input may be left out when its type allows `undefined` or is unknown. */
export type CallArguments<Input, Options = CallActivityOptions> = undefined extends Input
  ? [input?: Input, options?: Options]
  : [input: Input, options?: Options];

/** What an activity gets beside its input. */
export interface ActivityContext {
  readonly instanceId: string;
  readonly activityName: string;
  /** Those of the orchestration and of the call. */
  readonly tags: Tags;
  /** The same over retries and crashes of this call: an idempotency key for outside effects. */
  readonly taskId: string;
  /** 1 for the first run, counted up by the retry policy. */
  readonly attempt: number;
  /** How often a run of this attempt was lost in a crash. */
  readonly redelivery: number;
  /** Aborts on timeout, termination and shutdown. */
  readonly signal: AbortSignal;
  readonly log: CallableLog;
}

/** What a plain `yield` gives back: as loosely typed as parsed JSON. `yield*` keeps the task's type. */
type Yielded = ReturnType<typeof JSON.parse>;
/** JavaScript awaits what an async generator yields, so there the compiler sees the result instead of the task. */
type Generated<Output> = Generator<AnyTask, Output, Yielded> | AsyncGenerator<unknown, Output, Yielded>;

/** The body of an orchestration: an async function, a generator or an async generator. Must be deterministic. */
export type Orchestrator<Input, Output> = (
  context: OrchestrationContext,
  input: Input,
) => Promise<Output> | Output | Generated<Output>;

export type ActivityHandler<Input, Output> = (input: Input, context: ActivityContext) => Promise<Output> | Output;

/**
 * Schemas of a function's input and output, of any library that speaks Standard Schema.
 * @typeParam Value what the function gets, after the schema's defaults and transformations of `Input`
 * @typeParam Result what is stored, after those of `Output`, which is what the function returns
 */
export interface FunctionSchemas<Input, Value, Output, Result> {
  readonly input?: Schema<Input, Value>;
  readonly output?: Schema<Output, Result>;
}

/** Options of {@link orchestration}. Its schemas must be synchronous. */
export interface OrchestrationOptions<
  Input = unknown,
  Value = Input,
  Output = unknown,
  Result = Output,
> extends FunctionSchemas<Input, Value, Output, Result> {
  /** The events that it waits for: payloads that do not fit are refused where they are raised. */
  readonly events?: readonly EventDefinition<unknown, unknown>[];
  /**
   * The version of instances that this code serves, such as `'2.0'`: a worker may have several versions of one name. Default:
   * every version that has no code of its own.
   */
  readonly version?: string;
}

/** Options of {@link activity}. */
export interface ActivityOptions<Input = unknown, Value = Input, Output = unknown, Result = Output>
  extends ActivityLimits, FunctionSchemas<Input, Value, Output, Result> {
  /** The version of calls that this code serves. Default: every version that has no code of its own. */
  readonly version?: string;
}

/** The schemas of a definition, as the engine knows them. */
export interface DefinedSchemas {
  readonly input?: Schema;
  readonly output?: Schema;
}

export interface OrchestrationDefinition<Input, Output> {
  readonly [brand]: 'orchestration';
  readonly name: string;
  /** `undefined`: every version that has no code of its own. */
  readonly version?: string | undefined;
  readonly schemas: DefinedSchemas;
  readonly events: readonly EventDefinition<unknown, unknown>[];
  // Method syntax: definitions with any input type fit into one registry.
  run(context: OrchestrationContext, input: Input): ReturnType<Orchestrator<Input, Output>>;
}

export interface ActivityDefinition<Input, Output> {
  readonly [brand]: 'activity';
  readonly name: string;
  /** `undefined`: every version that has no code of its own. */
  readonly version?: string | undefined;
  readonly limits: ActivityLimits;
  readonly schemas: DefinedSchemas;
  run(input: Input, context: ActivityContext): Promise<Output> | Output;
}

export type FunctionDefinition =
  OrchestrationDefinition<never, unknown> | ActivityDefinition<never, unknown> | EntityFunction;

/**
 * Defines an orchestration.
 * @param name what starts refer to; compared without case. 1 to 256 characters, none of `/ \\ # ?` or control characters
 * @throws TypeError for a bad name, a body that is no function, or options that cannot be
 */
export function orchestration<Value, Output, Input = Value, Result = Output>(
  name: string,
  options: OrchestrationOptions<Input, Value, Output, Result>,
  orchestrator: Orchestrator<Value, Output>,
): OrchestrationDefinition<Input, Result>;
export function orchestration<Input = unknown, Output = unknown>(
  name: string,
  orchestrator: Orchestrator<Input, Output>,
): OrchestrationDefinition<Input, Output>;
export function orchestration(
  name: string,
  ...rest: readonly [Orchestrator<never, unknown>] | readonly [OrchestrationOptions, Orchestrator<never, unknown>]
): OrchestrationDefinition<never, unknown> {
  const [options, orchestrator] = rest.length === 1 ? [{}, rest[0]] : rest;
  check('orchestration', name, orchestrator);
  return {
    [brand]: 'orchestration',
    name,
    version: versionOf('orchestration', name, options),
    schemas: schemasOf('orchestration', name, options),
    events: eventsOf(name, options),
    run: orchestrator,
  };
}

/**
 * Defines an activity: ordinary code, run at least once for each call.
 * @param name what calls refer to; compared without case. Rules as for {@link orchestration}
 * @throws TypeError for a bad name, a handler that is no function, or options that cannot be
 */
export function activity<Value, Output, Input = Value, Result = Output>(
  name: string,
  options: ActivityOptions<Input, Value, Output, Result>,
  handler: ActivityHandler<Value, Output>,
): ActivityDefinition<Input, Result>;
export function activity<Input = unknown, Output = unknown>(
  name: string,
  handler: ActivityHandler<Input, Output>,
): ActivityDefinition<Input, Output>;
export function activity(
  name: string,
  ...rest: readonly [ActivityHandler<never, unknown>] | readonly [ActivityOptions, ActivityHandler<never, unknown>]
): ActivityDefinition<never, unknown> {
  const [options, handler] = rest.length === 1 ? [{}, rest[0]] : rest;
  check('activity', name, handler);
  const schemas = schemasOf('activity', name, options);
  const version = versionOf('activity', name, options);
  return { [brand]: 'activity', name, version, limits: checkLimits(name, options), schemas, run: handler };
}

function versionOf(kind: string, name: string, options: unknown): string | undefined {
  const version = typeof options === 'object' && options !== null && 'version' in options ? options.version : undefined;
  if (version === undefined) return undefined;
  const problem = versionProblem(version as string);
  if (problem !== null) throw new TypeError(`${kind}('${name}', …): ${problem}`);
  return version as string;
}

function schemasOf(kind: string, name: string, options: unknown): DefinedSchemas {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${kind}('${name}', options, …): the second argument must be an object with options.`);
  }
  const { input, output }: DefinedSchemas = options;
  requireSchema(`${kind}('${name}', …): input`, input);
  requireSchema(`${kind}('${name}', …): output`, output);
  return { ...(input === undefined ? {} : { input }), ...(output === undefined ? {} : { output }) };
}

function eventsOf(name: string, { events = [] }: OrchestrationOptions): readonly EventDefinition<unknown, unknown>[] {
  if (Array.isArray(events) && events.every(isEventDefinition)) return [...events];
  throw new TypeError(`orchestration('${name}', …): events must be a list of events made by defineEvent(…).`);
}

/** Whether a module's export is a definition, also one made by another copy of this package. */
export function isFunctionDefinition(value: unknown): value is FunctionDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    brand in value &&
    (value[brand] === 'orchestration' || value[brand] === 'activity' || value[brand] === 'entity')
  );
}

/** Whether it is a definition of an orchestration. */
export function isOrchestration(value: unknown): value is OrchestrationDefinition<never, unknown> {
  return isFunctionDefinition(value) && value[brand] === 'orchestration';
}

/** Whether it is a definition of an activity. */
export function isActivity(value: unknown): value is ActivityDefinition<never, unknown> {
  return isFunctionDefinition(value) && value[brand] === 'activity';
}

/** Whether it is a definition of an entity. */
export function isEntity(value: unknown): value is EntityFunction {
  return isFunctionDefinition(value) && value[brand] === 'entity';
}

function check(kind: string, name: string, body: unknown): void {
  checkFunctionName(kind, name);
  if (name.startsWith('@')) {
    throw new TypeError(`${kind}('${name}', …): names that begin with '@' are reserved for entities.`);
  }
  if (typeof body !== 'function') {
    throw new TypeError(`${kind}('${name}', …): the second argument must be the function to run.`);
  }
}
