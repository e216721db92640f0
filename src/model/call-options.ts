/** Options of what an orchestration asks for: activities, its own kind, and when a failed call is tried again. */
import type { Failure } from './failure.ts';
import type { Duration, OrchestrationContext } from './functions.ts';
import type { Tags } from './instance.ts';

/** When a failed call is tried again; the fields of `RetryOptions` of Durable Functions. */
export interface RetryPolicy {
  /** Delay before the second attempt, in milliseconds; more than 0. */
  readonly firstRetryIntervalInMilliseconds: number;
  /** Counts the first call too: 1 means no retry. */
  readonly maxNumberOfAttempts: number;
  /** Factor from one delay to the next; at least 1. Default 1. */
  readonly backoffCoefficient?: number;
  /** Longest delay in milliseconds. Default 3,600,000; -1 means no limit. */
  readonly maxRetryIntervalInMilliseconds?: number;
  /** No attempt begins later than this after the first, in milliseconds. Default -1: no limit. */
  readonly retryTimeoutInMilliseconds?: number;
  /** Whether to try again after this failure; throwing means no. Must be deterministic. Default: always. */
  readonly handleFailure?: (failure: Failure) => boolean;
}

/** What a {@link RetryHandler} decides upon. */
export interface RetryContext {
  readonly orchestrationContext: OrchestrationContext;
  /** 1 when the first try failed. */
  readonly lastAttemptNumber: number;
  readonly lastFailure: Failure;
  /** Milliseconds from the first try to now, by the time of the orchestration. */
  readonly totalRetryTimeInMilliseconds: number;
}

/** `true`, or 0: at once; a number above 0: after so many milliseconds; anything else: no more tries. */
export type RetryDecision = boolean | number | null | undefined;

/**
 * Decides after each failure whether to try again. Runs as part of the orchestrator, so it must be deterministic, and may
 * await tasks of the context only. Throwing means no. Not asked for failures that are marked as non-retriable.
 */
export type RetryHandler = (context: RetryContext) => RetryDecision | Promise<RetryDecision>;

/** Options of {@link OrchestrationContext.callActivity}. */
export interface CallActivityOptions {
  readonly retry?: RetryPolicy | RetryHandler;
  /**
   * How long a try may take from when it is scheduled, the time in the queue included. Then it fails with a failure of
   * type `TimeoutError`, which a retry policy may answer, and its `ctx.signal` aborts. Default: for ever.
   */
  readonly timeout?: Duration;
  /** Which version of the activity is to run. Default: that of the definition that is called, else none. */
  readonly version?: string;
  /** Added to those of the orchestration, which they overrule; the activity sees them. */
  readonly tags?: Tags;
}

/** Options of `callSubOrchestrator`. */
export interface CallSubOrchestratorOptions {
  /**
   * Default: an id of its own for each call and each try. An ended instance of this id is replaced; while a live one has
   * it, the call fails.
   */
  readonly instanceId?: string;
  readonly retry?: RetryPolicy | RetryHandler;
  /** Default: that of the definition that is called, else the default version of the worker, else none. `''` is none too. */
  readonly version?: string;
  /** Added to those of this orchestration, which every sub-orchestration inherits; the same name takes this value. */
  readonly tags?: Tags;
}

/** Options of `continueAsNew`. */
export interface ContinueAsNewOptions {
  /** Whether events that were raised and that nobody has taken go on to the next execution. Default `true`. */
  readonly preserveUnprocessedEvents?: boolean;
  /** The version of the next execution, which goes on with the code for it. Default: the version of this one. */
  readonly version?: string;
}
