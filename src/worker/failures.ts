/** Why the engine ends an instance that cannot go on. */
import type { Failure } from '../model/failure.ts';

/** Workers that an instance may bring down before it is given up (decision 18). */
export const maxCrashes = 10;

export function poisoned(crashCount: number): Failure {
  const message = `${crashCount} workers have died while they ran this orchestration; it is not tried again.`;
  return { errorType: 'PoisonInstance', message };
}

export function refused(reason: string): Failure {
  const message = `The database cannot store what this turn produced (${reason}). Payloads must be valid text without U+0000 and of a size that Postgres can hold.`;
  return { errorType: 'TurnRefused', message };
}

export function unreadable(reason: string): Failure {
  const message = `The stored history or inbox of this instance cannot be read: ${reason}`;
  return { errorType: 'HistoryUnreadable', message };
}
