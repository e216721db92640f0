import { assertNever } from '../../model/errors.ts';
import type {
  EventRaised,
  ExecutionStarted,
  HistoryEvent,
  SubOrchestrationInstanceCompleted,
  SubOrchestrationInstanceFailed,
  TaskCompleted,
  TaskFailed,
  TimerFired,
} from '../../model/history.ts';

/** What reaches the code. */
export type BodyEvent =
  | ExecutionStarted
  | TaskCompleted
  | TaskFailed
  | TimerFired
  | SubOrchestrationInstanceCompleted
  | SubOrchestrationInstanceFailed
  | EventRaised;

export function isBodyEvent(event: HistoryEvent): event is BodyEvent {
  switch (event.type) {
    case 'ExecutionStarted':
    case 'TaskCompleted':
    case 'TaskFailed':
    case 'TimerFired':
    case 'SubOrchestrationInstanceCompleted':
    case 'SubOrchestrationInstanceFailed':
    case 'EventRaised':
      return true;
    case 'OrchestratorStarted':
    case 'TaskScheduled':
    case 'TimerCreated':
    case 'SubOrchestrationInstanceCreated':
    case 'EventSent':
    case 'ExecutionSuspended':
    case 'ExecutionResumed':
    case 'ExecutionTerminated':
    case 'ExecutionCompleted':
    case 'ExecutionRewound':
      return false;
    default:
      return assertNever(event);
  }
}
