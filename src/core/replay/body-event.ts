import { assertNever } from '../../model/errors.ts';
import type { EntityAnswer } from '../../model/entity-calls.ts';
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

export { isEntityAnswer } from '../../model/entity-calls.ts';

/** What reaches the code. */
export type BodyEvent =
  | ExecutionStarted
  | TaskCompleted
  | TaskFailed
  | TimerFired
  | SubOrchestrationInstanceCompleted
  | SubOrchestrationInstanceFailed
  | EventRaised
  | EntityAnswer;

export function isBodyEvent(event: HistoryEvent): event is BodyEvent {
  switch (event.type) {
    case 'ExecutionStarted':
    case 'TaskCompleted':
    case 'TaskFailed':
    case 'TimerFired':
    case 'SubOrchestrationInstanceCompleted':
    case 'SubOrchestrationInstanceFailed':
    case 'EventRaised':
    case 'EntityOperationCompleted':
    case 'EntityOperationFailed':
    case 'EntityLockGranted':
      return true;
    case 'OrchestratorStarted':
    case 'TaskScheduled':
    case 'TimerCreated':
    case 'SubOrchestrationInstanceCreated':
    case 'EventSent':
    case 'EntityOperationCalled':
    case 'EntityOperationSignaled':
    case 'EntityLockRequested':
    case 'EntityUnlockSent':
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
