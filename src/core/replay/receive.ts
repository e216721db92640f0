/** Stored values on their way to the tasks that wait for them. */
import type { Payload } from '../../model/history.ts';
import { fromPayload } from './payload.ts';
import type { DurableTask } from './task.ts';

/**
 * Completes a task with a stored value; text that is not JSON fails it.
 * @param check looks at the value, may give another one, and throws what the task then fails with. Default: nobody looks
 */
export function receivePayload<T>(
  task: DurableTask<T>,
  payload: Payload,
  what: string,
  check: (value: unknown) => unknown = (value) => value,
): void {
  let value: unknown;
  try {
    value = check(fromPayload(payload, what));
  } catch (error) {
    task.fail(error);
    return;
  }
  task.complete(value as T); // bytes that the caller says are of this type
}
