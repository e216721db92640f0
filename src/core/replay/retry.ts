/** When a failed call is tried again (engine.md 2.5). Time is the time of the turn, so every replay agrees. */
import type { Failure } from '../../model/failure.ts';
import type { RetryDecision, RetryHandler, RetryPolicy } from '../../model/call-options.ts';

const defaultMaxIntervalMs = 3_600_000;
/** In intervals and time-outs: no limit. */
const unlimited = -1;

/** A failed attempt. */
export interface FailedAttempt {
  /** From 1. */
  readonly attempt: number;
  readonly failure: Failure;
  /** When the first attempt was scheduled, milliseconds since 1970. */
  readonly firstAt: number;
  readonly now: number;
}

/** How a call is tried again. */
export type Retry = RetryPolicy | RetryHandler;

/** Milliseconds until the next attempt, or `undefined` when there is none. */
export function retryDelay(policy: RetryPolicy, { attempt, failure, firstAt, now }: FailedAttempt): number | undefined {
  if (failure.isNonRetriable === true || attempt >= policy.maxNumberOfAttempts) return undefined;
  const timeout = policy.retryTimeoutInMilliseconds ?? unlimited;
  if (timeout !== unlimited && now >= firstAt + timeout) return undefined;
  if (!isHandled(policy, failure)) return undefined;

  const coefficient = policy.backoffCoefficient ?? 1;
  const cap = policy.maxRetryIntervalInMilliseconds ?? defaultMaxIntervalMs;
  const uncapped = policy.firstRetryIntervalInMilliseconds * coefficient ** (attempt - 1);
  const delay = Math.round(cap === unlimited ? uncapped : Math.min(uncapped, cap));
  if (timeout !== unlimited && now + delay > firstAt + timeout) return undefined;
  return delay;
}

function isHandled(policy: RetryPolicy, failure: Failure): boolean {
  if (policy.handleFailure === undefined) return true;
  try {
    return policy.handleFailure(failure) === true;
  } catch {
    return false;
  }
}

/**
 * Milliseconds until the next attempt, as a handler decided.
 * @throws TypeError for an answer that is none
 */
export function decidedDelay(decision: RetryDecision): number | undefined {
  if (decision === true) return 0;
  if (decision === false || decision === null || decision === undefined) return undefined;
  if (typeof decision === 'number' && Number.isFinite(decision) && decision >= 0) return Math.round(decision);
  throw new TypeError(
    `A retry handler must answer true, false or a number of milliseconds, not ${typeof decision === 'number' ? decision : typeof decision}.`,
  );
}

/** Checks what was given as `retry`. @throws TypeError, RangeError as {@link checkRetryPolicy} */
export function checkRetry(retry: Retry): void {
  if (typeof retry !== 'function') checkRetryPolicy(retry);
}

/**
 * Checks a policy where it is given, not when something fails weeks later.
 * @throws TypeError for what is not a number (or function), RangeError for numbers out of range
 */
export function checkRetryPolicy(policy: RetryPolicy): RetryPolicy {
  if (typeof policy !== 'object' || policy === null)
    throw new TypeError('retry must be an object with a retry policy.');
  atLeast(policy, 'firstRetryIntervalInMilliseconds', { above: 0 });
  atLeast(policy, 'maxNumberOfAttempts', { above: 0 });
  if (policy.backoffCoefficient !== undefined) atLeast(policy, 'backoffCoefficient', { from: 1 });
  for (const name of ['maxRetryIntervalInMilliseconds', 'retryTimeoutInMilliseconds'] as const) {
    if (policy[name] !== undefined && policy[name] !== unlimited) atLeast(policy, name, { above: 0 });
  }
  if (policy.handleFailure !== undefined && typeof policy.handleFailure !== 'function') {
    throw new TypeError('retry.handleFailure must be a function.');
  }
  return policy;
}

type NumberField = Exclude<keyof RetryPolicy, 'handleFailure'>;

function atLeast(policy: RetryPolicy, name: NumberField, limit: { above: number } | { from: number }): void {
  const value: unknown = policy[name];
  if (typeof value !== 'number' || Number.isNaN(value)) throw new TypeError(`retry.${name} must be a number.`);
  if ('above' in limit ? value <= limit.above : value < limit.from) {
    const range = 'above' in limit ? `more than ${limit.above}` : `at least ${limit.from}`;
    throw new RangeError(`retry.${name} must be ${range}; it is ${value}.`);
  }
}
