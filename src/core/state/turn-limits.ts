/** How much one turn may do and one execution may grow to (decision 14), and what is said when it is more. */
import type { ContinueAsNew, Decision } from '../../model/actions.ts';
import type { Failure } from '../../model/failure.ts';
import type { HistoryEvent } from '../../model/history.ts';
import { sizeOfEvents } from './event-size.ts';
import type { ExecutionState } from './execution-state.ts';
import type { OpenedTurn } from './open-turn.ts';

/** Bounds of what one instance may grow to (decision 14). */
export interface ExecutionLimits {
  readonly maxActionsPerTurn: number;
  readonly maxEvents: number;
  /** What one turn may write, roughly, in UTF-16 units of JSON. */
  readonly maxTurnLength: number;
  /** What the history of an execution may grow to, the same. */
  readonly maxHistoryLength: number;
}

const mebi = 1_048_576;

export const defaultLimits: ExecutionLimits = {
  maxActionsPerTurn: 100_000,
  maxEvents: 1_000_000,
  maxTurnLength: 64 * mebi,
  maxHistoryLength: 256 * mebi,
};

export const noLimits: ExecutionLimits = {
  maxActionsPerTurn: Number.POSITIVE_INFINITY,
  maxEvents: Number.POSITIVE_INFINITY,
  maxTurnLength: Number.POSITIVE_INFINITY,
  maxHistoryLength: Number.POSITIVE_INFINITY,
};

/** What came of it. */
interface ProducedByTurn {
  readonly events: readonly HistoryEvent[];
  /** What the next execution gets is written with the turn, and its history is not. */
  readonly continuation: ContinueAsNew | undefined;
}

/** What is looked at of a turn that is about to be closed. */
interface MeasuredTurn {
  readonly state: ExecutionState;
  readonly opened: OpenedTurn;
  readonly decision?: Decision | undefined;
  readonly limits: ExecutionLimits;
}

export function findOverCount({ state, opened, decision, limits }: MeasuredTurn): Failure | undefined {
  const actions = decision?.actions.length ?? 0;
  if (actions > limits.maxActionsPerTurn) {
    return {
      errorType: 'ActionLimitExceeded',
      message: `The orchestrator asked for ${actions} actions in one turn; at most ${limits.maxActionsPerTurn} are allowed. Split the work over several turns.`,
    };
  }
  const events = state.eventCount + opened.newEvents.length + actions;
  if (events > limits.maxEvents) {
    return {
      errorType: 'HistoryLimitExceeded',
      message: `The history would grow to ${events} events; at most ${limits.maxEvents} are allowed. Split the work over several orchestrations.`,
    };
  }
  return undefined;
}

export function findOverSize({ state, opened, limits }: MeasuredTurn, produced: ProducedByTurn): Failure | undefined {
  const { events, continuation } = produced;
  const written = sizeOfEvents(events);
  const turn =
    continuation === undefined
      ? written + sizeOfEvents(opened.newEvents)
      : written + sizeOfEvents(continuation.carriedEvents) + (continuation.input?.length ?? 0);
  if (turn > limits.maxTurnLength) {
    return {
      errorType: 'TurnSizeExceeded',
      message: `One turn would write ${turn} characters; at most ${limits.maxTurnLength} are allowed (max-turn-length). Store large data elsewhere and pass references, or split the work over several turns.`,
    };
  }
  // What continues as new leaves its history behind.
  if (continuation === undefined && state.size + turn > limits.maxHistoryLength) {
    return {
      errorType: 'HistoryLimitExceeded',
      message: `The history would grow to ${state.size + turn} characters; at most ${limits.maxHistoryLength} are allowed (max-history-length). Store large data elsewhere and pass references, or split the work over several orchestrations.`,
    };
  }
  return undefined;
}
