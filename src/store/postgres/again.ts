/** Calls, mostly of clients, that lost a deadlock or their connection. Turns have their own way (`turn-commits.ts`). */
import { setTimeout as delay } from 'node:timers/promises';
import { DurableError } from '../../model/errors.ts';
import { isConnectionError, isReadOnly, isResourceError, isRetryable, isUnavailable } from './errors.ts';

const maxTries = 5;
/** How long a call waits for a database that went away under it. */
const maxRepeatMs = 5_000;

/**
 * Repeats a statement that lost a deadlock or, where that is safe, its connection: then for some seconds (F09).
 * @throws DurableError `OutcomeUnknown` when it may have been executed and the database does not come back
 */
export async function again<Result>(
  run: () => Promise<Result>,
  options: { readonly repeatAfterConnectionLoss: boolean },
): Promise<Result> {
  const begun = performance.now();
  let unsure = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      const isRefused = isReadOnly(error);
      const lost = isConnectionError(error) && !isRefused;
      unsure ||= lost;
      const isAway = unsure && (lost || isUnavailable(error));
      const mayRepeat = options.repeatAfterConnectionLoss || !unsure;
      const hasTime = performance.now() - begun < maxRepeatMs;
      const mayPass = isRetryable(error) || isRefused;
      if (!mayRepeat || !hasTime || !(isAway || (mayPass && attempt < maxTries))) {
        // What is said of a later try proves nothing about an earlier one.
        if (!unsure || !(isAway || mayPass || isResourceError(error))) throw error;
        throw new DurableError(
          'OutcomeUnknown',
          'The connection to the database was lost while the call was carried out. It may or may not have been: look before you repeat it.',
          { cause: error },
        );
      }
      await delay(Math.min(500, 20 * 2 ** attempt) * (0.5 + Math.random() / 2));
    }
  }
}
