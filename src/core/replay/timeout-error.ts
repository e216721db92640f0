import { parseDuration } from '../../model/duration.ts';
import type { Duration } from '../../model/functions.ts';
import { withoutFrames } from './without-frames.ts';

/** A wait for an event is over. */
export function timeoutError(name: string, fireAt: number): Error {
  const until = new Date(fireAt).toISOString();
  const error = new Error(`Timed out waiting for the event '${name}': it was not raised until ${until}.`);
  error.name = 'TimeoutError';
  return withoutFrames(error);
}

/** @throws TypeError for what is no duration, RangeError for none at all */
export function timeoutOf(timeout: Duration): number {
  const ms = parseDuration(timeout);
  if (ms === 0) throw new RangeError('The timeout of an activity must be more than 0.');
  return ms;
}
