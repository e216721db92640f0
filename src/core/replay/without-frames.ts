/**
 * Cuts the stack of an error that the engine makes for user code. Its frames would be those of the engine, of no use to a
 * reader, and not the same in a replay as in a live run.
 */
export function withoutFrames<E extends Error>(error: E): E {
  error.stack = `${error.name}: ${error.message}`;
  return error;
}
