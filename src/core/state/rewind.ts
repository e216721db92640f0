/**
 * What a rewind undoes (engine.md 3.8). Nothing stored changes: an event names, by position, what counts no longer. The
 * first try of a failed call is open again, so code and history go on agreeing; its retries and the waits between them
 * are ignored, and their ids are not given again. Which history counts is in `model/rewound-history.ts`.
 */
import { DurableError } from '../../model/errors.ts';
import type { ExecutionCompleted, ExecutionRewound, HistoryEvent } from '../../model/history.ts';
import { isEntityAnswer, requestIdOf } from '../../model/entity-calls.ts';
import { countingEvents, type CountingEvent } from '../../model/rewound-history.ts';
import type { NewActivityTask, NewTimer, RewindPlan } from '../../model/work.ts';
import { timeoutFailure, toTask } from './close-turn.ts';
import { stateOf } from './execution-state.ts';
import { callsOf } from './rewind-calls.ts';

/** Ends that are no doing of the failed calls before them: code and history differ, or the engine gave up. */
const endsOfTheEngine: ReadonlySet<string> = new Set([
  'NonDeterminismError',
  'NonDurableAwaitError',
  'TurnRefused',
  'TurnSizeExceeded',
  'PoisonInstance',
  'ActionLimitExceeded',
  'HistoryLimitExceeded',
]);

/**
 * @param request.stored the whole history of a failed execution
 * @throws DurableError `InvalidTransition` for one that failed in a critical section: it gave its locks back then, so its
 *   code must not go on as if it had them
 */
export function planRewind(request: {
  readonly stored: readonly HistoryEvent[];
  readonly executionId: string;
  readonly reason: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}): RewindPlan {
  const { stored, executionId, reason, now } = request;
  const counting = countingEvents(stored);
  const ignored = undone(counting);
  const left = counting.filter((one) => !ignored.has(one)).map(({ event }) => event);
  const { openTasks, openTimers, lastTimestamp, entityCalls } = stateOf(executionId, left);
  if (entityCalls !== undefined && entityCalls.sections.size > 0) {
    throw new DurableError(
      'InvalidTransition',
      'It failed while it held locks of entities, or waited for some, and gave them back: it cannot go on from there. Start it anew (restart).',
    );
  }
  const queuedTasks: NewActivityTask[] = [...openTasks.values()].map((task) => toTask(task, 0));
  const timers: NewTimer[] = left.flatMap((event) =>
    event.type === 'TimerCreated' && openTimers?.has(event.eventId) === true
      ? [{ timerId: event.eventId, fireAt: event.fireAt }]
      : [],
  );
  // A call that is open again has its whole time again.
  for (const task of openTasks.values()) {
    if (task.timeoutAt === undefined) continue;
    const fireAt = now + task.timeoutAt - task.timestamp;
    timers.push({ timerId: task.eventId, fireAt, timeout: timeoutFailure(task, task.timeoutAt) });
  }
  return {
    queuedTasks,
    timers,
    event: {
      type: 'ExecutionRewound',
      timestamp: Math.max(lastTimestamp, now),
      executionId,
      ...(reason === undefined ? {} : { reason }),
      ignores: [...ignored].map(({ position }) => position),
      ignoredIds: [...ignored].flatMap(({ event }) => (isAction(event) ? [event.eventId] : [])),
    },
  };
}

/**
 * Takes back an action that followed from a failure that was undone, with what became of it: a compensation, say.
 * @param request.played its position among the events that count
 * @returns `undefined` when it was there before anything that was undone: then the code is another one
 */
export function undoConsequence(request: {
  readonly stored: readonly HistoryEvent[];
  readonly executionId: string;
  readonly played: number;
}): ExecutionRewound | undefined {
  const { stored, executionId, played } = request;
  const undone = stored.flatMap((event) => (event.type === 'ExecutionRewound' ? event.ignores : []));
  const first = Math.min(...undone.filter((position) => isFailure(stored[position])));
  const counting = countingEvents(stored);
  const action = counting[played];
  if (action === undefined || !isAction(action.event) || action.position < first) return undefined;
  const { eventId } = action.event;
  const isOfIt = ({ event }: CountingEvent): boolean =>
    ('taskScheduledId' in event && event.taskScheduledId === eventId) ||
    (event.type === 'TimerFired' && event.timerId === eventId) ||
    (isEntityAnswer(event) && 'requestId' in action.event && requestIdOf(event) === action.event.requestId);
  return {
    type: 'ExecutionRewound',
    timestamp: stored.at(-1)?.timestamp ?? 0,
    executionId,
    ignores: [action, ...counting.filter(isOfIt)].map(({ position }) => position),
    ignoredIds: [eventId],
  };
}

function isFailure(event: HistoryEvent | undefined): boolean {
  return (
    event?.type === 'TaskFailed' ||
    event?.type === 'SubOrchestrationInstanceFailed' ||
    event?.type === 'EntityOperationFailed'
  );
}

function isAction(event: HistoryEvent): event is Extract<HistoryEvent, { readonly eventId: number }> {
  return 'eventId' in event && event.type !== 'ExecutionCompleted';
}

function undone(counting: readonly CountingEvent[]): ReadonlySet<CountingEvent> {
  const ignored = new Set<CountingEvent>();
  let end: ExecutionCompleted | undefined;
  for (const one of counting) {
    if (one.event.type !== 'ExecutionCompleted') continue;
    end = one.event;
    ignored.add(one);
  }
  if (end?.failure !== undefined && endsOfTheEngine.has(end.failure.errorType)) return ignored;
  const failed = callsOf(counting).filter((call) => call.failedAt !== undefined);
  // What the orchestrator had handled before the failure that ended it stays as it was.
  const causes = new Set(end?.failedTaskIds ?? []);
  const first = Math.min(...failed.filter((call) => causes.has(call.lastId)).map((call) => call.failedAt ?? Infinity));
  for (const call of failed) {
    if (Number.isFinite(first) && (call.failedAt ?? 0) < first) continue;
    for (const one of call.toIgnore) ignored.add(one);
  }
  return ignored;
}
