/** Stored values on their way to the tasks that wait for them. */
import type { EventRaised, Payload } from '../../model/history.ts';
import { fromPayload } from './payload.ts';
import type { DurableTask } from './task.ts';

/** Completes a task with a stored value; text that is not JSON fails it. */
export function receivePayload<T>(task: DurableTask<T>, payload: Payload, what: string): void {
  let value: T;
  try {
    value = fromPayload<T>(payload, what);
  } catch (error) {
    task.fail(error);
    return;
  }
  task.complete(value);
}

/** Completes a task with an event's payload. */
export function receiveEvent<T>(task: DurableTask<T>, event: EventRaised): void {
  receivePayload(task, event.input, `The payload of the event '${event.name}'`);
}
