import type { ContinueAsNew } from '../../model/actions.ts';
import type { ExecutionStarted, ExecutionSuspended, HistoryEvent, Untimed } from '../../model/history.ts';
import { tagsOf, type ParentTurn } from './sub-orchestrations.ts';

/**
 * The start of the execution that follows: what belongs to the instance stays (name, tags, parent, custom status), what
 * nobody has taken of the events comes with it. So does a suspension: it holds for the instance.
 */
export function nextExecution(
  { input, version, carriedEvents }: ContinueAsNew,
  turn: ParentTurn & { readonly customStatus: string | null; readonly suspended: boolean },
): Untimed<ExecutionStarted> {
  const { instance, customStatus } = turn;
  const suspension = turn.suspended ? lastSuspension(turn.opened.newEvents) : undefined;
  const carried = suspension === undefined ? carriedEvents : [...carriedEvents, suspension];
  const versioned = version ?? instance.version ?? undefined;
  const tags = tagsOf(turn);
  return {
    type: 'ExecutionStarted',
    name: instance.name,
    executionId: turn.newExecutionId(),
    ...(input === undefined ? {} : { input }),
    ...(versioned === undefined ? {} : { version: versioned }),
    ...(tags === undefined ? {} : { tags }),
    ...(instance.parent === null ? {} : { parent: instance.parent }),
    ...(customStatus === null ? {} : { customStatus }),
    ...(carried.length === 0 ? {} : { carriedEvents: carried }),
  };
}

/** The code runs only while nothing is suspended, so what suspends the next execution came in this turn. */
function lastSuspension(events: readonly HistoryEvent[]): ExecutionSuspended | undefined {
  return events.findLast((event) => event.type === 'ExecutionSuspended');
}
