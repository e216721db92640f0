/**
 * What an execution's history adds up to, as far as the engine must know it: what is open, whether it is suspended or
 * has ended. Kept up event by event, so that a turn of a live instance costs what the turn holds, not what the history
 * holds. Owns A5 and A6 together with `open-turn.ts`; the orchestrator's own state is in `core/replay`.
 */
import { sizeOfEvent } from './event-size.ts';
import { assertNever } from '../../model/errors.ts';
import { applyEntityCall, noCalls, type EntityCalls } from './entity-calls.ts';
import type { HistoryEvent, TaskScheduled } from '../../model/history.ts';
import type { RuntimeStatus, Tags } from '../../model/instance.ts';

/** Changes only through {@link applyEvent}. */
export interface ExecutionState {
  readonly executionId: string;
  /** The ids that the execution had before it was rewound; `undefined`: it never was. */
  formerIds: Set<string> | undefined;
  started: boolean;
  suspended: boolean;
  ended: boolean;
  /** Scheduled and not completed. */
  readonly openTasks: Map<number, TaskScheduled>;
  /** Created and not fired; `undefined`: none so far, as in most executions that wait in memory. */
  openTimers: Set<number> | undefined;
  /** Instance ids of sub-orchestrations that have not ended, by the ids of their creation; `undefined`: none so far. */
  openChildren: Map<number, string> | undefined;
  tags: Tags | undefined;
  /** No event is older than the one before it (decision 21). */
  lastTimestamp: number;
  eventCount: number;
  /** Rough, in UTF-16 units. */
  size: number;
  /** `undefined`: none so far. */
  entityCalls: EntityCalls | undefined;
}

/** The state before an execution's first event. */
export function emptyState(executionId: string): ExecutionState {
  return {
    executionId,
    formerIds: undefined,
    started: false,
    suspended: false,
    ended: false,
    openTasks: new Map(),
    openTimers: undefined,
    openChildren: undefined,
    tags: undefined,
    lastTimestamp: 0,
    eventCount: 0,
    size: 0,
    entityCalls: undefined,
  };
}

/** The state after a whole history. */
export function stateOf(executionId: string, history: readonly HistoryEvent[]): ExecutionState {
  const state = emptyState(executionId);
  for (const event of history) applyEvent(state, event);
  return state;
}

export function applyEvent(state: ExecutionState, event: HistoryEvent): void {
  state.eventCount += 1;
  state.size += sizeOfEvent(event);
  if (event.timestamp > state.lastTimestamp) state.lastTimestamp = event.timestamp;
  switch (event.type) {
    case 'ExecutionStarted':
      state.started = true;
      state.tags = event.tags;
      noteId(state, event.executionId);
      return;
    case 'TaskScheduled':
      state.openTasks.set(event.eventId, event);
      return;
    case 'TaskCompleted':
    case 'TaskFailed':
      state.openTasks.delete(event.taskScheduledId);
      return;
    case 'TimerCreated':
      (state.openTimers ??= new Set()).add(event.eventId);
      return;
    case 'TimerFired':
      state.openTimers?.delete(event.timerId);
      return;
    case 'SubOrchestrationInstanceCreated':
      (state.openChildren ??= new Map()).set(event.eventId, event.instanceId);
      return;
    case 'SubOrchestrationInstanceCompleted':
    case 'SubOrchestrationInstanceFailed':
      state.openChildren?.delete(event.taskScheduledId);
      return;
    case 'ExecutionSuspended':
      state.suspended = true;
      return;
    case 'ExecutionResumed':
      state.suspended = false;
      return;
    case 'ExecutionCompleted':
      state.ended = true;
      return;
    case 'EntityOperationCalled':
    case 'EntityOperationSignaled':
    case 'EntityLockRequested':
    case 'EntityUnlockSent':
    case 'EntityOperationCompleted':
    case 'EntityOperationFailed':
    case 'EntityLockGranted':
      applyEntityCall((state.entityCalls ??= noCalls()), event);
      return;
    case 'OrchestratorStarted':
    case 'EventSent':
    case 'EventRaised':
    case 'ExecutionTerminated':
      return;
    case 'ExecutionRewound':
      noteId(state, event.executionId);
      return;
    default:
      assertNever(event);
  }
}

function noteId(state: ExecutionState, executionId: string): void {
  if (executionId !== state.executionId) (state.formerIds ??= new Set()).add(executionId);
}

/** The status that readers see for a state with a history. */
export function statusOf(suspended: boolean, ended: RuntimeStatus | undefined): RuntimeStatus {
  if (ended !== undefined) return ended;
  return suspended ? 'Suspended' : 'Running';
}
