/**
 * Eternal orchestrations: work that is done again and again, without a history that grows. Here old files are removed
 * every hour, until somebody says stop.
 */
import { activity, orchestration } from 'perdure';

interface Cleanup {
  /** How long to sleep between two rounds. Default `'1h'`. */
  readonly every?: string;
  /** Rounds so far: what one execution hands to the next. Default 0. */
  readonly rounds?: number;
}

export const cleanup = orchestration('Cleanup', async (ctx, { every = '1h', rounds = 0 }: Cleanup) => {
  const removed = await ctx.callActivity(removeOldFiles);
  ctx.setCustomStatus({ rounds: rounds + 1, removed });

  // Sleeps, but not deaf.
  const stoppedBy = await ctx.waitForExternalEvent<string>('Stop', { timeout: every, defaultValue: null });
  if (stoppedBy !== null) return { stoppedBy };

  // Ends this execution; the next begins from the top, with this input and an empty history.
  ctx.continueAsNew({ every, rounds: rounds + 1 } satisfies Cleanup);
  return undefined;
});

export const removeOldFiles = activity('RemoveOldFiles', async () => 3); // a stand-in: how many were removed
