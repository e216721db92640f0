/**
 * Starts an orchestrator and goes on with it, whatever its kind: an async function, a generator, an async generator or a
 * plain function. The kind is seen from what the call returns, so wrapped and transpiled functions work too.
 */
import { finishBody, type BodyPort } from './body-end.ts';
import { driveAsyncGenerator } from './drive-async-generator.ts';
import { driveGenerator } from './drive-generator.ts';

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
