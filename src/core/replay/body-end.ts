/** How an orchestrator's body ends, and what a driver of one has to know for it. */
import type { CompleteOrchestration } from '../../model/actions.ts';
import { toFailure } from '../../model/failure.ts';
import { describe } from './compound-tasks.ts';
import { toPayload } from './payload.ts';
import { failedTasksOf } from './task-failed-error.ts';
import { DurableTask } from './task.ts';
import type { TurnScope } from './turn-scope.ts';
import { withoutFrames } from './without-frames.ts';

/** How a body ended. */
export type BodyEnd =
  { readonly kind: 'returned'; readonly value: unknown } | { readonly kind: 'threw'; readonly error: unknown };

/** What a driver needs. */
export interface BodyPort {
  readonly scope: TurnScope;
  /** Called once. */
  readonly end: (end: BodyEnd) => void;
}

/** A body's value; a task or promise that was returned without waiting for it is waited for. */
export function finishBody(port: BodyPort, value: unknown): void {
  if (value instanceof DurableTask && value.isOf(port.scope)) finishWithTask(port, value);
  else if (isPromiseLike(value)) {
    port.scope.promiseSettled();
    Promise.resolve(value).then(
      // Never a promise again; a task when it is the winner of `any`.
      (result: unknown) => finishBody(port, result),
      (error: unknown) => port.end({ kind: 'threw', error }),
    );
  } else port.end({ kind: 'returned', value });
}

/** A generator may only yield tasks; anything else is a mistake that would wait for ever. */
export function notATask(value: unknown): BodyEnd {
  const hint =
    value === undefined
      ? ' Was a call yielded that gives no task, such as signalEntity, continueAsNew or setCustomStatus?'
      : isPromiseLike(value)
        ? ' Only async functions can wait for promises: use ctx.all and ctx.any, or an activity.'
        : '';
  const error = new TypeError(
    `Programming constraint violation: the orchestrator yielded ${describe(value)}, a non-Task: only tasks of its ` +
      `context can be yielded.${hint}`,
  );
  return { kind: 'threw', error: withoutFrames(error) };
}

function finishWithTask(port: BodyPort, task: DurableTask<unknown>): void {
  const finish = (): void => {
    const { state } = task;
    if (state.kind === 'failed') port.end({ kind: 'threw', error: state.error });
    else if (state.kind === 'completed') finishBody(port, state.value);
  };
  if (task.isCompleted) finish();
  else task.onSettled(finish);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** The last action of an execution whose body has ended. */
export function toCompletion(
  end: BodyEnd,
  given: { readonly id: number; readonly name: string; readonly check: (value: unknown) => unknown },
): CompleteOrchestration {
  const { id, name, check } = given;
  const type = 'CompleteOrchestration';
  if (end.kind === 'threw') {
    const failedTaskIds = failedTasksOf(end.error);
    const failure = toFailure(end.error);
    return { type, id, status: 'Failed', failure, ...(failedTaskIds.length === 0 ? {} : { failedTaskIds }) };
  }
  try {
    const result = toPayload(check(end.value), `the result of orchestration '${name}'`);
    return { type, id, status: 'Completed', ...(result === undefined ? {} : { result }) };
  } catch (error) {
    return { type, id, status: 'Failed', failure: toFailure(error) };
  }
}
