/** The port through which a worker tells of turns whose instances belong to a trace. */
import type { ClosedTurn } from '../core/state/close-turn.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { OwnedInstance, TurnCommit } from '../model/work.ts';
import type { LiveInstance } from './live-instances.ts';

export interface TurnTracing {
  /** What a turn begins elsewhere goes on in the trace of its instance. */
  carryOn(instance: OwnedInstance, closed: ClosedTurn): ClosedTurn;
  /** A turn was committed. @param clock the database's */
  committed(live: LiveInstance, commit: TurnCommit, clock: { now(): number }): void;
}

/** Since when the timers of a history run, by their ids; `undefined`: none does. */
export function timersOf(history: readonly HistoryEvent[]): Map<number, number> | undefined {
  let timers: Map<number, number> | undefined;
  for (const event of history) {
    if (event.type === 'TimerCreated') (timers ??= new Map()).set(event.eventId, event.timestamp);
    else if (event.type === 'TimerFired') timers?.delete(event.timerId);
  }
  return timers;
}
