/** Why the engine ends an instance that cannot go on. */
import { lastStrike } from '../model/culprit.ts';
import type { Failure } from '../model/failure.ts';
import type { OwnedInstance, QueuedActivity, Strike } from '../model/work.ts';

/** Workers that may die with an instance before it, or an activity, is given up, where nobody knows why they died (decision 18). */
const maxCrashes = 10;

/** Why the turns of an instance, or the operations of an entity, are not tried again; `undefined`: they are. */
export function poisonOf(
  { crashCount, strikes }: Pick<OwnedInstance, 'crashCount' | 'strikes'>,
  errorType: 'PoisonInstance' | 'PoisonOperation',
): Failure | undefined {
  const strike = lastStrike(strikes);
  if (strike !== undefined) return givenUp(strike, errorType);
  if (crashCount <= maxCrashes) return undefined;
  const what = errorType === 'PoisonInstance' ? 'orchestration' : 'operation';
  const message = `${crashCount} workers have died while they ran this ${what}; it is not tried again.`;
  return { errorType, message, ...(errorType === 'PoisonInstance' ? {} : { isNonRetriable: true }) };
}

/** Why an activity is not tried again; `undefined`: it is. */
export function poisonOfActivity(task: QueuedActivity): Failure | undefined {
  const { name, taskScheduledId, strikes, crashCount = 0 } = task;
  const strike = lastStrike(strikes, taskScheduledId);
  if (strike !== undefined) return givenUp(strike, 'PoisonActivity');
  if (crashCount <= maxCrashes) return undefined;
  const message = `${crashCount} workers have died while they ran activity '${name}'; it is not tried again.`;
  return { errorType: 'PoisonActivity', message, isNonRetriable: true };
}

/** What becomes of code that brought its worker down for the last time. */
export function givenUp(
  { count, failure }: Strike,
  errorType: 'PoisonInstance' | 'PoisonOperation' | 'PoisonActivity',
): Failure {
  const message = `${failure.message} This was the ${ordinal(count)} time; it is not tried again.`;
  return { ...failure, errorType, message, isNonRetriable: true };
}

function ordinal(count: number): string {
  return count === 3 ? 'third' : `${count}th`;
}

export function refused(reason: string): Failure {
  const message = `The database cannot store what this turn produced (${reason}). Payloads must be valid text without U+0000 and of a size that Postgres can hold.`;
  return { errorType: 'TurnRefused', message };
}

export function unreadable(reason: string): Failure {
  const message = `The stored history or inbox of this instance cannot be read: ${reason}`;
  return { errorType: 'HistoryUnreadable', message };
}
