/** A start that finds a database which is there but cannot serve yet: ending would only make a loop of starts (F59). */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

const patienceMs = 60_000;
const maxBackOffMs = 5_000;

/** SQLSTATEs that pass by themselves: too many connections, starting up or recovering. */
const passing = new Set(['53300', '57P03']);

/** @throws whatever the start throws that does not pass, or has not passed within a minute */
export async function startPatiently(
  start: () => Promise<void>,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const begun = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await start();
      return;
    } catch (error) {
      if (!isPassing(error) || performance.now() - begun > patienceMs) throw error;
      logger.warn({ err: error, attempt }, 'the database cannot serve yet, trying again');
      await delay(Math.min(maxBackOffMs, 100 * 2 ** attempt) * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string' && passing.has(error.code)) return true;
  return error.cause !== undefined && isPassing(error.cause);
}
