/** A call with its retries: each try has an action id of its own, and the wait before it is an ordinary timer. */
import type { Failure } from '../../model/failure.ts';
import type { OrchestrationContext } from '../../model/functions.ts';
import type { RetryDecision, RetryHandler } from '../../model/call-options.ts';
import { receivePayload } from './receive.ts';
import { decidedDelay, retryDelay, type Retry } from './retry.ts';
import type { AttemptListener, Scheduler } from './scheduler.ts';
import type { DurableTask } from './task.ts';
import type { TurnScope } from './turn-scope.ts';

/** What the tries of a call need. */
export interface CallParts {
  readonly scope: TurnScope;
  readonly scheduler: Scheduler;
  /** What retry handlers see, and where what they throw is logged. */
  readonly context: OrchestrationContext;
}

/** What is called. */
export interface Call<Output> {
  /** In words, for messages: `activity 'A'`. */
  readonly what: string;
  readonly task: DurableTask<Output>;
  readonly retry: Retry | undefined;
  /** Asks for one try. @param firstId of the first try, for every other @returns the id of the action */
  schedule(listener: AttemptListener, attempt: number, firstId: number | undefined): number;
  /** What the caller gets when the last try has failed. */
  toError(failure: Failure, id: number): Error;
}

/** Begins with the first try. */
export function startCall<Output>(parts: CallParts, call: Call<Output>): void {
  schedule(parts, { call, firstAt: parts.scope.now }, 1, undefined);
}

interface Begun<Output> {
  readonly call: Call<Output>;
  /** When the first try was asked for, milliseconds since 1970. */
  readonly firstAt: number;
}

function schedule<Output>(parts: CallParts, begun: Begun<Output>, attempt: number, firstId: number | undefined): void {
  const { call, firstAt } = begun;
  const { scope, scheduler } = parts;
  const id = call.schedule(
    {
      completed: (result) => receivePayload(call.task, result, `The result of ${call.what} (#${id})`),
      failed: (failure) => {
        const goOn = (delay: number | undefined): void => {
          const again = (): void => schedule(parts, begun, attempt + 1, firstId ?? id);
          if (delay === undefined) call.task.fail(call.toError(failure, id));
          else if (delay === 0) again();
          else scheduler.createTimer(scope.now + delay, again, { retryOf: firstId ?? id });
        };
        const { retry } = call;
        if (retry === undefined) goOn(undefined);
        else if (typeof retry === 'function') ask(parts, { call, retry, attempt, failure, firstAt, goOn });
        else goOn(retryDelay(retry, { attempt, failure, firstAt, now: scope.now }));
      },
    },
    attempt,
    firstId,
  );
}

/** Asks a handler. One that throws, or answers with nonsense, means no: it is logged, and the call fails as it did. */
function ask<Output>(
  { scope, context }: CallParts,
  question: {
    readonly call: Call<Output>;
    readonly retry: RetryHandler;
    readonly attempt: number;
    readonly failure: Failure;
    readonly firstAt: number;
    readonly goOn: (delay: number | undefined) => void;
  },
): void {
  const { call, retry, attempt, failure, firstAt, goOn } = question;
  const answered = (decision: RetryDecision): void => {
    let delay: number | undefined;
    try {
      delay = decidedDelay(decision);
    } catch (error) {
      threw(error);
      return;
    }
    goOn(delay);
  };
  const threw = (error: unknown): void => {
    context.log.warn(`The retry handler of ${call.what} failed; the call is not tried again.`, { err: error });
    goOn(undefined);
  };
  if (failure.isNonRetriable === true) {
    goOn(undefined);
    return;
  }
  let decision: RetryDecision | PromiseLike<RetryDecision>;
  try {
    decision = retry({
      orchestrationContext: context,
      lastAttemptNumber: attempt,
      lastFailure: failure,
      totalRetryTimeInMilliseconds: scope.now - firstAt,
    });
  } catch (error) {
    threw(error);
    return;
  }
  if (typeof decision !== 'object' || decision === null) {
    answered(decision);
    return;
  }
  // Its microtasks belong to this event; what it waits for must be a task, whose event wakes it.
  scope.promiseSettled();
  const inTurn =
    <T>(then: (value: T) => void) =>
    (value: T): void => {
      if (scope.isOpen) then(value);
      else scope.violate(`The retry handler of ${call.what} answered outside a turn.`);
    };
  Promise.resolve(decision).then(inTurn(answered), inTurn(threw));
}
