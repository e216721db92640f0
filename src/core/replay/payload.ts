/**
 * Values of user code to stored JSON text and back (A7). Owns what may not be stored: better a clear error where the
 * value is made than a `null` or nothing where it is read.
 */
import type { Payload } from '../../model/history.ts';

/**
 * JSON text of a value; `undefined` stays `undefined`, which is "nothing was sent".
 * @param what names the value in errors, e.g. `the input of activity 'A'`
 * @throws TypeError for what JSON cannot hold (functions, symbols, BigInt, cycles, NaN), or a `toJSON` that throws
 */
export function toPayload(value: unknown, what: string): Payload {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && !Number.isFinite(value)) throw refuse(what, `JSON has no ${value}`);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    // V8 explains a cycle over several lines; the first says it.
    const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
    throw refuse(what, reason, error);
  }
  // A top-level function or symbol, or a toJSON that returned nothing.
  if (text === undefined) throw refuse(what, `JSON cannot hold a value of type ${typeof value}`);
  return text;
}

/**
 * The value of stored text. Here bytes become the type that the caller says they have.
 * @throws SyntaxError when the text is not JSON
 */
export function fromPayload<T = unknown>(payload: Payload, what: string): T {
  try {
    return (payload === undefined ? undefined : JSON.parse(payload)) as T;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SyntaxError(`${what} is not JSON: ${reason}`, { cause: error });
  }
}

function refuse(what: string, reason: string, cause?: unknown): TypeError {
  const message = `${what} cannot be stored as JSON: ${reason}.`;
  return new TypeError(message.charAt(0).toUpperCase() + message.slice(1), cause === undefined ? {} : { cause });
}
