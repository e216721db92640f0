/** Where history and code say different things, and how an instance is told so (P9, engine.md 4.5). */
import type { Action, CancelTimer, EndingAction } from '../../model/actions.ts';
import type { EntityCallRecord } from '../../model/entity-calls.ts';
import { assertNever } from '../../model/errors.ts';
import type {
  EventSent,
  HistoryEvent,
  SubOrchestrationInstanceCreated,
  TaskScheduled,
  TimerCreated,
} from '../../model/history.ts';

/** The events that record an action. */
export type RecordEvent = TaskScheduled | TimerCreated | SubOrchestrationInstanceCreated | EventSent | EntityCallRecord;

export function isRecord(event: HistoryEvent): event is RecordEvent {
  return 'eventId' in event && event.type !== 'ExecutionCompleted';
}

/** The actions that leave such an event. */
export type CreatingAction = Exclude<Action, CancelTimer | EndingAction>;

export interface Difference {
  /** What history says. */
  readonly expected: string;
  /** What the code did instead. */
  readonly found: string;
  /** The action by which it did so, if it was one. */
  readonly actionId?: number;
  /** Where it did so, when that is known: `file:line:column`. */
  readonly site?: string;
}

/** A difference, and where in the history it is. */
export interface PlacedDifference extends Difference {
  /** The history's event that differs, from 0; absent when the code did more than history has. */
  readonly index: number | undefined;
  /** When that event was, milliseconds since 1970. */
  readonly at: number | undefined;
}

/** What a second look has brought. */
export interface Explanation {
  /** The same turn, played again. */
  readonly again: PlacedDifference | undefined;
  /** A sentence on what was seen meanwhile. */
  readonly findings: string;
}

/** The message of a NonDeterminismError. */
export function differenceMessage(difference: PlacedDifference, explanation?: Explanation): string {
  const { expected, found, index, at } = difference;
  const when = at === undefined ? '' : `, of ${new Date(at).toISOString()}`;
  const position = index === undefined ? 'at the end of the history' : `at event ${index} of the history${when}`;
  const isSteady = explanation === undefined || isRepeated(difference, explanation.again);
  const site = isSteady ? explanation?.again?.site : undefined;
  const cause = isSteady
    ? "The orchestrator's code was changed while instances were running, or it is not deterministic. "
    : 'The code is not deterministic: played twice, the same history led to different decisions. ';
  const remedy = isSteady
    ? 'Deploy the change as a new version or under a new name, or restore the code and rewind this instance; ' +
      'assertReplays of perdure/testing finds such changes before they are deployed.'
    : 'Decide on inputs, results of tasks, ctx.currentUtcDateTime and ctx.newGuid() alone.';
  return (
    `Code and history differ ${position}: ${expected}, but ${found}${site === undefined ? '' : `, at ${site}`}. ` +
    `${cause}${explanation?.findings ?? ''}${remedy}`
  );
}

function isRepeated(one: PlacedDifference, other: PlacedDifference | undefined): boolean {
  return other !== undefined && one.index === other.index && one.found === other.found;
}

/** Whether an event records this action. Inputs, times and versions are not compared (engine.md 4.5). */
export function isSame(event: RecordEvent, action: CreatingAction): boolean {
  if (event.eventId !== action.id) return false;
  switch (event.type) {
    case 'TaskScheduled':
      return action.type === 'ScheduleTask' && isSameName(action, event);
    case 'TimerCreated':
      return action.type === 'CreateTimer';
    case 'SubOrchestrationInstanceCreated':
      return action.type === 'CreateSubOrchestration' && isSameName(action, event);
    case 'EventSent':
      return action.type === 'SendEvent' && isSameName(action, event) && action.instanceId === event.instanceId;
    case 'EntityOperationCalled':
      return action.type === 'CallEntity' && isSameOperation(action, event);
    case 'EntityOperationSignaled':
      return action.type === 'SignalEntity' && isSameOperation(action, event);
    case 'EntityLockRequested':
      return action.type === 'LockEntities' && action.lockSet.join(' ') === event.lockSet.join(' ');
    case 'EntityUnlockSent':
      return action.type === 'UnlockEntity' && action.instanceId === event.instanceId;
    default:
      return assertNever(event);
  }
}

interface OperationOf {
  readonly instanceId: string;
  readonly operation: string;
}

function isSameOperation(a: OperationOf, b: OperationOf): boolean {
  return a.instanceId === b.instanceId && a.operation === b.operation;
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
    case 'SubOrchestrationInstanceCreated':
      return `a previous execution called sub-orchestration '${event.name}' (#${event.eventId})`;
    case 'EventSent':
      return `a previous execution sent event '${event.name}' to '${event.instanceId}' (#${event.eventId})`;
    case 'EntityOperationCalled':
      return `a previous execution called operation '${event.operation}' of '${event.instanceId}' (#${event.eventId})`;
    case 'EntityOperationSignaled':
      return `a previous execution signalled operation '${event.operation}' to '${event.instanceId}' (#${event.eventId})`;
    case 'EntityLockRequested':
      return `a previous execution locked ${event.lockSet.join(', ')} (#${event.eventId})`;
    case 'EntityUnlockSent':
      return `a previous execution released '${event.instanceId}' (#${event.eventId})`;
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
    case 'CreateSubOrchestration':
      return `the code now calls sub-orchestration '${action.name}' (#${action.id})`;
    case 'SendEvent':
      return `the code now sends event '${action.name}' to '${action.instanceId}' (#${action.id})`;
    case 'CallEntity':
      return `the code now calls operation '${action.operation}' of '${action.instanceId}' (#${action.id})`;
    case 'SignalEntity':
      return `the code now signals operation '${action.operation}' to '${action.instanceId}' (#${action.id})`;
    case 'LockEntities':
      return `the code now locks ${action.lockSet.join(', ')} (#${action.id})`;
    case 'UnlockEntity':
      return `the code now releases '${action.instanceId}' (#${action.id})`;
    default:
      return assertNever(action);
  }
}

export function describeEnd(completion: EndingAction): string {
  if (completion.type === 'ContinueAsNew') return 'the code now continues as new';
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
