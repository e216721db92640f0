import type { Strike } from './work.ts';

/** Code of users that runs, or ran when its worker ended. */
export interface Culprit {
  readonly kind: 'turn' | 'operation' | 'activity';
  readonly instanceId: string;
  /** Absent for operations of entities, which have one execution. */
  readonly executionId?: string;
  /** Of the orchestration, the entity or the activity. */
  readonly name: string;
  /** The attempt of an activity. */
  readonly taskScheduledId?: number;
}

/** How often the same code may bring its worker down before it is given up (decision 18). */
export const maxStrikes = 3;

/** The strike that is the last one: of a turn, or of the activity with this id. */
export function lastStrike(strikes: readonly Strike[] | undefined, taskScheduledId?: number): Strike | undefined {
  return strikes?.find((strike) => strike.taskScheduledId === taskScheduledId && strike.count >= maxStrikes);
}

/**
 * What to do about suspects: work that dead workers left and that was there when one before died, too. Take everything,
 * leave them to others, or take nothing else. A store whose workers share a thread with everything knows no suspects.
 */
export type SuspectFilter = 'all' | 'none' | 'only';
