/** How long callers wait who would rather be turned away: those over HTTP (F13, F50). */
import type { BatchPatience } from '../../flow/batcher.ts';
import { DurableError } from '../../model/errors.ts';

/** How long callers wait. */
export interface Patience {
  /** For being sent, in ms; after that nothing was. */
  readonly waitMs: number;
  /** For the outcome of what was sent, in ms. */
  readonly outcomeMs: number;
}

/** What waits in one queue at most, whatever it is. */
const maxWaiting = 20_000;

/** @param what tells whether a lost outcome is one that has to be looked up */
export function batchPatience(
  patience: Patience | undefined,
  what: 'writes' | 'reads',
): { readonly patience?: BatchPatience } {
  if (patience === undefined) return {};
  return {
    patience: {
      waitMs: patience.waitMs,
      maxWaiting,
      onWaited: () =>
        new DurableError('StoreUnavailable', 'The database cannot keep up right now. Try again in a moment.'),
      runMs: patience.outcomeMs,
      onRun: () =>
        what === 'reads'
          ? new DurableError('StoreUnavailable', 'The database does not answer right now. Try again in a moment.')
          : new DurableError(
              'OutcomeUnknown',
              'The database does not say what became of the call. It may or may not have been carried out: look before you repeat it.',
            ),
    },
  };
}
