/** Goes on with a generator whenever the task that it yielded settles: at once, without promises or microtasks. */
import { finishBody, notATask, type BodyPort } from './body-end.ts';
import { DurableTask } from './task.ts';

type Body = Generator<unknown, unknown, unknown>;

export function driveGenerator(port: BodyPort, body: Body): void {
  run(port, body, undefined);
}

/** Runs until a yielded task is still open. A loop, not recursion: a body may yield thousands of settled tasks. */
function run(port: BodyPort, body: Body, awaited: DurableTask<unknown> | undefined): void {
  let task = awaited;
  for (;;) {
    let step: IteratorResult<unknown, unknown>;
    try {
      step = task?.state.kind === 'failed' ? body.throw(task.state.error) : body.next(task?.result);
    } catch (error) {
      port.end({ kind: 'threw', error });
      return;
    }
    if (step.done === true) {
      finishBody(port, step.value);
      return;
    }
    const { value } = step;
    if (!(value instanceof DurableTask) || !value.isOf(port.scope)) {
      port.end(notATask(value));
      return;
    }
    if (!value.isCompleted) {
      value.onSettled(() => run(port, body, value));
      return;
    }
    task = value;
  }
}
