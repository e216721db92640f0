/**
 * Goes on with an async generator. JavaScript itself awaits what an async generator yields: a task has settled when the
 * yield arrives here, a failed one has been thrown into the body, and what arrives is the task's result.
 *
 * A non-task that was yielded can therefore only be known by its value: a yield is good if it is the result of a task
 * that the body awaited since it was last resumed. `await`ing a task and then yielding an equal value passes; the body
 * goes on with the same value in every replay, so nothing is lost but the error.
 */
import { notATask, type BodyPort } from './body-end.ts';

type Body = AsyncGenerator<unknown, unknown, unknown>;

export function driveAsyncGenerator(port: BodyPort, body: Body): void {
  port.scope.promiseSettled();
  resume(port, body, undefined);
}

function resume(port: BodyPort, body: Body, value: unknown): void {
  port.scope.trackAwaited();
  body.next(value).then(
    (step) => {
      if (step.done === true) port.end({ kind: 'returned', value: step.value });
      else if (port.scope.isResultOfAwaited(step.value)) resume(port, body, step.value);
      else port.end(notATask(step.value));
    },
    (error: unknown) => port.end({ kind: 'threw', error }),
  );
}
