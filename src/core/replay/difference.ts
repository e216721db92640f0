/** Where history and code say different things, and how an instance is told so (P9, engine.md 4.5). */
import type { Action, CancelTimer, CompleteOrchestration } from '../../model/actions.ts';
import { assertNever } from '../../model/errors.ts';
import type { Failure } from '../../model/failure.ts';
import type { EventSent, HistoryEvent, TaskScheduled, TimerCreated } from '../../model/history.ts';

/** The events that record an action. */
export type RecordEvent = TaskScheduled | TimerCreated | EventSent;

/** The actions that leave such an event. */
export type CreatingAction = Exclude<Action, CancelTimer | CompleteOrchestration>;

export interface Difference {
  /** What history says. */
  readonly expected: string;
  /** What the code did instead. */
  readonly found: string;
}

/** @param index of the history's event that differs; absent when the code did more than history has */
export function differenceFailure({ expected, found }: Difference, index: number | undefined): Failure {
  const position = index === undefined ? 'at the end of the history' : `at event ${index} of the history`;
  return {
    errorType: 'NonDeterminismError',
    message:
      `Code and history differ ${position}: ${expected}, but ${found}. The orchestrator's code was changed while ` +
      'instances were running, or it is not deterministic. Deploy the change as a new version or under a new name, or ' +
      'restore the code and rewind this instance.',
  };
}

/** Whether an event records this action. Inputs, times and versions are not compared (engine.md 4.5). */
export function isSame(event: RecordEvent, action: CreatingAction): boolean {
  if (event.eventId !== action.id) return false;
  switch (event.type) {
    case 'TaskScheduled':
      return action.type === 'ScheduleTask' && isSameName(action, event);
    case 'TimerCreated':
      return action.type === 'CreateTimer';
    case 'EventSent':
      return action.type === 'SendEvent' && isSameName(action, event) && action.instanceId === event.instanceId;
    default:
      return assertNever(event);
  }
}

function isSameName(a: { readonly name: string }, b: { readonly name: string }): boolean {
  return a.name === b.name || a.name.toLowerCase() === b.name.toLowerCase();
}

export function describeEvent(event: RecordEvent): string {
  switch (event.type) {
    case 'TaskScheduled':
      return `a previous execution scheduled activity '${event.name}' (#${event.eventId})`;
    case 'TimerCreated':
      return `a previous execution created timer #${event.eventId}`;
    case 'EventSent':
      return `a previous execution sent event '${event.name}' to '${event.instanceId}' (#${event.eventId})`;
    default:
      return assertNever(event);
  }
}

export function describeAction(action: CreatingAction): string {
  switch (action.type) {
    case 'ScheduleTask':
      return `the code now schedules activity '${action.name}' (#${action.id})`;
    case 'CreateTimer':
      return `the code now creates timer #${action.id}`;
    case 'SendEvent':
      return `the code now sends event '${action.name}' to '${action.instanceId}' (#${action.id})`;
    default:
      return assertNever(action);
  }
}

export function describeEnd(completion: CompleteOrchestration): string {
  if (completion.status === 'Completed') return 'the code now completes';
  const { errorType, message } = completion.failure;
  return `the code now fails with ${errorType}: ${message}`;
}

/** An id that nothing in the history has. */
export function idAfter(history: readonly HistoryEvent[]): number {
  let id = 0;
  for (const event of history) if ('eventId' in event) id = Math.max(id, event.eventId + 1);
  return id;
}
