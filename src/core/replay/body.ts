/**
 * Starts an orchestrator and goes on with it, whatever its kind: an async function, a generator, an async generator or a
 * plain function. The kind is seen from what the call returns, so wrapped and transpiled functions work too.
 */
import { describe } from './compound-tasks.ts';
import { driveAsyncGenerator } from './drive-async-generator.ts';
import { driveGenerator } from './drive-generator.ts';
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

/** Runs the body to its first wait. */
export function startBody(port: BodyPort, call: () => unknown): void {
  let returned: unknown;
  try {
    returned = call();
  } catch (error) {
    port.end({ kind: 'threw', error });
    return;
  }
  if (isAsyncGenerator(returned)) driveAsyncGenerator(port, returned);
  else if (isGenerator(returned)) driveGenerator(port, returned);
  else finishBody(port, returned);
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
      ? ' Was a call without a result yielded, or a return forgotten?'
      : isPromiseLike(value)
        ? ' Only async functions can wait for promises: use ctx.all and ctx.any, or an activity.'
        : '';
  const error = new TypeError(
    `The orchestrator yielded ${describe(value)}, a non-task: only tasks of its context can be yielded.${hint}`,
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

function isGenerator(value: unknown): value is Generator<unknown, unknown, unknown> {
  return hasNextAndThrow(value) && Symbol.iterator in value;
}

function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, unknown> {
  return hasNextAndThrow(value) && Symbol.asyncIterator in value;
}

function hasNextAndThrow(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    'next' in value &&
    typeof value.next === 'function' &&
    'throw' in value &&
    typeof value.throw === 'function'
  );
}
