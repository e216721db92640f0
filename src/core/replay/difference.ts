/** Where history and code say different things, and how an instance is told so (P9, engine.md 4.5). */
import type { CompleteOrchestration, CreateTimer, ScheduleTask } from '../../model/actions.ts';
import type { Failure } from '../../model/failure.ts';
import type { HistoryEvent, TaskScheduled, TimerCreated } from '../../model/history.ts';

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

export function describeEvent(event: TaskScheduled | TimerCreated): string {
  return event.type === 'TimerCreated'
    ? `a previous execution created timer #${event.eventId}`
    : `a previous execution scheduled activity '${event.name}' (#${event.eventId})`;
}

export function describeAction(action: ScheduleTask | CreateTimer): string {
  return action.type === 'CreateTimer'
    ? `the code now creates timer #${action.id}`
    : `the code now schedules activity '${action.name}' (#${action.id})`;
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
