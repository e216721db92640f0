/**
 * `ctx.df`: the interface of `durable-functions` v3 as types. `core/replay/durable-functions-context.ts` implements it;
 * its semantics are v3's where the two differ (decision 36).
 */
import type { EntityAddress } from './entity-id.ts';
import type { CallHttpOptions, DurableHttpResponse } from './durable-http.ts';
import type { EventDefinition } from './events.ts';
import type { Failure } from './failure.ts';
import type { ActivityDefinition, OrchestrationDefinition, Task, TimerTask } from './functions.ts';
import type { RetryPolicy } from './call-options.ts';

/** Any task, as v3 types it. */
export interface AnyTask {
  readonly isCompleted: boolean;
  readonly isFaulted: boolean;
  /** The result once completed. */
  readonly result?: unknown;
}

/**
 * When a failed call is tried again, as in `durable-functions`: `new RetryOptions(first, max)`, then set what else is
 * wanted.
 */
export class RetryOptions implements RetryPolicy {
  readonly firstRetryIntervalInMilliseconds: number;
  readonly maxNumberOfAttempts: number;
  /** Factor from one delay to the next. Default 1. */
  declare backoffCoefficient?: number;
  /** Longest delay in milliseconds. Default six days, as in Durable Functions. */
  declare maxRetryIntervalInMilliseconds?: number;
  /** No attempt begins later than this after the first. Default: no limit. */
  declare retryTimeoutInMilliseconds?: number;

  /**
   * @param firstRetryIntervalInMilliseconds delay before the second attempt
   * @param maxNumberOfAttempts counts the first call too
   * @throws TypeError for what is no number, RangeError for an interval that is not above 0
   */
  constructor(firstRetryIntervalInMilliseconds: number, maxNumberOfAttempts: number) {
    requireNumber('firstRetryIntervalInMilliseconds', firstRetryIntervalInMilliseconds);
    requireNumber('maxNumberOfAttempts', maxNumberOfAttempts);
    if (firstRetryIntervalInMilliseconds <= 0) {
      throw new RangeError(
        `firstRetryIntervalInMilliseconds must be more than 0; it is ${firstRetryIntervalInMilliseconds}.`,
      );
    }
    this.firstRetryIntervalInMilliseconds = firstRetryIntervalInMilliseconds;
    this.maxNumberOfAttempts = maxNumberOfAttempts;
  }
}

function requireNumber(name: string, value: unknown): void {
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new TypeError(`${name} must be a number, not ${value === null ? 'null' : typeof value}.`);
  }
}

/** Why a call failed, in the words of v3 beside ours. */
export interface FailureDetails extends Failure {
  /** The same as `message`. */
  readonly errorMessage: string;
  readonly isNonRetriable: boolean;
  readonly innerFailure?: FailureDetails;
  /** Whether this failure or one that it came from has the type. */
  isCausedBy(errorType: string): boolean;
}

/** An activity by definition or by name. */
export type ActivityReference<Output> = ActivityDefinition<never, Output> | string;

/** An orchestration by definition or by name. */
export type OrchestrationReference<Output> = OrchestrationDefinition<never, Output> | string;

/** The members of `context.df`. */
export interface DurableOrchestrationContext {
  readonly instanceId: string;
  readonly parentInstanceId: string | undefined;
  readonly version: string | undefined;
  /** True while events are played that were committed before. */
  readonly isReplaying: boolean;
  /** The time at which this turn began; the same in every replay. */
  readonly currentUtcDateTime: Date;
  readonly customStatus: unknown;
  readonly Task: {
    /**
     * Completes when every task has, with the results in order; fails with the first failure while the others go on.
     * @throws Error for what is no list of tasks, or an empty one
     */
    all(tasks: readonly AnyTask[]): Task<unknown[]>;
    /**
     * Completes with the task that ended first, whether it completed or failed.
     * @throws Error for what is no list of tasks, or an empty one
     */
    any<T extends AnyTask>(tasks: readonly T[]): Task<T>;
  };

  /** The orchestration's input. */
  getInput<T = unknown>(): T;
  /** Schedules an activity. It runs even when its task is never yielded. */
  callActivity<Output = unknown>(activity: ActivityReference<Output>, input?: unknown): Task<Output>;
  /** @throws TypeError without retry options, and for those that are none */
  callActivityWithRetry<Output = unknown>(
    activity: ActivityReference<Output>,
    retryOptions: RetryPolicy,
    input?: unknown,
  ): Task<Output>;
  /**
   * Starts an orchestration and waits for its end.
   * @param instanceId default: one of its own for each call
   * @throws Error for the id of this orchestration or of its parent
   */
  callSubOrchestrator<Output = unknown>(
    orchestration: OrchestrationReference<Output>,
    input?: unknown,
    instanceId?: string,
  ): Task<Output>;
  /** @throws TypeError without retry options, and for those that are none */
  callSubOrchestratorWithRetry<Output = unknown>(
    orchestration: OrchestrationReference<Output>,
    retryOptions: RetryPolicy,
    input?: unknown,
    instanceId?: string,
  ): Task<Output>;
  /** Runs an operation of an entity and waits for its result. */
  callEntity<Output = unknown>(entityId: EntityAddress, operationName: string, operationInput?: unknown): Task<Output>;
  /** Sends an operation to an entity; there is nothing to wait for. */
  signalEntity(entityId: EntityAddress, operationName: string, operationInput?: unknown): void;
  /** Ends this execution; the instance goes on with a new one that gets this input, and the events that nobody took. */
  continueAsNew(input: unknown): void;
  /** @throws TypeError for what is no valid Date */
  /** As `callHttp` of the context. */
  callHttp(options: CallHttpOptions): Task<DurableHttpResponse>;
  createTimer(fireAt: Date): TimerTask;
  /** A UUID that is the same in every replay. @param seed any text, by custom the instance id */
  newGuid(seed: string): string;
  /** At most 16 KiB of JSON; `null` and `undefined` clear it. */
  setCustomStatus(status: unknown): void;
  /** Waits for an event (names are compared without case). The oldest event goes to the newest waiter. */
  waitForExternalEvent<T = unknown>(event: EventDefinition<unknown, T> | string): Task<T>;
}
