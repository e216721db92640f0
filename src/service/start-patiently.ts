/** A start that finds a database which is there but cannot serve yet: ending would only make a loop of starts (F59). */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

const patienceMs = 60_000;
const maxBackOffMs = 5_000;

/** What passes by itself: too many connections; starting up, recovering or shutting down; a crash under the start. */
const passing = new Set(['53300', '57P01', '57P02', '57P03', 'ECONNRESET', 'EPIPE']);

/** @throws whatever the start throws that does not pass, or has not passed within a minute */
export async function startPatiently(
  start: () => Promise<void>,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const begun = performance.now();
  let wasThere = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await start();
      return;
    } catch (error) {
      wasThere ||= isPassing(error);
      // Nobody listens: a wrong address, or one that is about to be back.
      const mayPass = isPassing(error) || (wasThere && hasCode(error, (code) => code === 'ECONNREFUSED'));
      if (!mayPass || performance.now() - begun > patienceMs) throw error;
      logger.warn({ err: error, attempt }, 'the database cannot serve yet, trying again');
      await delay(Math.min(maxBackOffMs, 100 * 2 ** attempt) * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

function isPassing(error: unknown): boolean {
  return hasCode(error, (code) => passing.has(code)) || wasLost(error);
}

/** node-postgres has no code for a connection that ended under a query. */
function wasLost(error: unknown): boolean {
  if (!hasCode(error, (code) => code === 'StoreUnavailable') || !(error instanceof Error)) return false;
  return error.cause instanceof Error && !('code' in error.cause);
}

/** Of the error or of what it was caused by. */
function hasCode(error: unknown, isWanted: (code: string) => boolean): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string' && isWanted(error.code)) return true;
  return error.cause !== undefined && hasCode(error.cause, isWanted);
}
