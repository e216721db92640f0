/**
 * A turn's decision to its commit: the events to append, the instance's new snapshot, the activities and timers. Pure:
 * the store writes what is here, the worker starts what is local after the commit.
 */
import type { Action, ContinueAsNew, CreateSubOrchestration, Decision, ScheduleTask } from '../../model/actions.ts';
import { assertNever } from '../../model/errors.ts';
import type { Failure } from '../../model/failure.ts';
import type { EntityOperationCalled } from '../../model/entity-calls.ts';
import type {
  ExecutionCompleted,
  HistoryEvent,
  SubOrchestrationInstanceCreated,
  TaskScheduled,
} from '../../model/history.ts';
import { reportEnd } from '../../model/sub-orchestration.ts';
import type { Version } from '../../model/versions.ts';
import type {
  MessageToEntity,
  NewActivityTask,
  NewChild,
  NewTimer,
  OutgoingMessage,
  OwnedInstance,
  TurnCommit,
} from '../../model/work.ts';
import { nextExecution } from './continue-as-new.ts';
import { callAgain, recordEntityCall, releaseAll, type Caller } from './entity-calls.ts';
import { terminateChildren, toChild, toChildAgain } from './sub-orchestrations.ts';
import { statusOf, type ExecutionState } from './execution-state.ts';
import type { OpenedTurn } from './open-turn.ts';
import { findOverCount, findOverSize, noLimits, type ExecutionLimits } from './turn-limits.ts';

/** Shared by all who have none. */
const none: readonly never[] = [];

/** What closing needs beside the decision. */
export interface CloseRequest {
  readonly instance: OwnedInstance;
  /** Before the turn's events. */
  readonly state: ExecutionState;
  readonly opened: OpenedTurn;
  /** Absent when the orchestrator did not run. */
  readonly decision?: Decision | undefined;
  /** Local activities lost with their worker: they go to the queue, never local again (decision 18). */
  readonly lostTasks?: readonly number[] | undefined;
  /** Whether this worker takes the activity itself, at once. Asked once for each that may run locally; absent: none. */
  readonly takeLocally?: (task: TaskScheduled) => boolean;
  /** Whether the worker keeps the instance even if this turn leaves nothing local: it has a next turn. */
  readonly hasMore: boolean;
  readonly limits: ExecutionLimits;
  /** Whether this worker takes such a sub-orchestration itself, from its birth; absent: none. */
  readonly takeChild?: ((name: string, version: Version) => boolean) | undefined;
  /** Whether the worker keeps the instance when it continues as new, in this version; absent: whoever claims it next. */
  readonly keepsNext?: ((version: Version) => boolean) | undefined;
  /** What a rewind makes this turn do again for others. */
  readonly renewed?: RenewedCalls | undefined;
  /** An id that no execution has: for those that this turn begins. */
  readonly newExecutionId: () => string;
}

/** Calls of a rewound execution that are open again, or whose answers are lost. */
export interface RenewedCalls {
  /** Sub-orchestrations that are gone, or were terminated: they begin anew. */
  readonly children: readonly SubOrchestrationInstanceCreated[];
  /** Requests to entities that are sent again. */
  readonly entityCalls: readonly EntityOperationCalled[];
}

/** A turn ready to be written. */
export interface ClosedTurn {
  readonly commit: TurnCommit;
  /** To be started here once the commit has returned. */
  readonly local: readonly TaskScheduled[];
}

export function closeTurn(request: CloseRequest): ClosedTurn {
  const { state, opened } = request;
  const timestamp = opened.newEvents[0]?.timestamp ?? state.lastTimestamp;
  const caller = { instanceId: request.instance.instanceId, executionId: state.executionId };
  const outcome = outcomeOf(request, timestamp, caller);

  const timedOut = endTimeouts(outcome, state, opened.newEvents);
  const after = suspendedAfter(state, opened.newEvents);
  const { completion, continuation } = outcome;
  const goesOn = completion === undefined && continuation === undefined;
  const queued: NewActivityTask[] = [];
  const local: TaskScheduled[] = [];
  for (const task of outcome.scheduled) {
    // An execution that ends keeps nobody: its last activities run from the queue. A suspended one opens no work here.
    if (goesOn && !after && request.takeLocally?.(task) === true) local.push(task);
    else queued.push(toTask(task, 0));
  }
  if (goesOn) {
    for (const id of request.lostTasks ?? []) {
      const task = state.openTasks.get(id);
      const done = opened.newEvents.some((event) => 'taskScheduledId' in event && event.taskScheduledId === id);
      if (task !== undefined && !done) queued.push(toTask(task, 1));
    }
  }
  const customStatus =
    request.decision === undefined ? request.instance.customStatus : (request.decision.customStatus ?? null);
  const next =
    continuation === undefined ? null : nextExecution(continuation, { ...request, customStatus, suspended: after });
  if (opened.terminated?.recursive === true) {
    for (const message of terminateChildren(state, opened.terminated.reason)) outcome.send(message);
  }
  if (completion !== undefined && request.instance.parent !== null) {
    outcome.send(reportEnd(request.instance.parent, completion));
  }
  const entityMessages = messagesToEntities(outcome, { state, caller, renewed: request.renewed, goesOn });
  return {
    local,
    commit: {
      key: request.instance.key,
      executionId: state.executionId,
      fence: request.instance.sequence,
      events:
        continuation === undefined ? [...recordRejected(opened.newEvents, request.decision), ...outcome.events] : [],
      status: statusOf(after, completion?.status),
      customStatus,
      output: completion?.result ?? null,
      failure: completion?.failure ?? null,
      consumedMessages: opened.consumed,
      queuedTasks: queued,
      timers: goesOn ? outcome.timers() : none,
      cancelledTimers: goesOn ? outcome.cancelled : none,
      ...(timedOut.length === 0 ? {} : { cancelledTasks: timedOut }),
      messages: outcome.messages,
      ...(entityMessages.length === 0 ? {} : { entityMessages }),
      children: childrenOf(outcome, request, goesOn),
      next,
      keepOwnership: goesOn
        ? local.length > 0 || request.hasMore
        : next !== null && request.keepsNext?.(next.version) === true,
    },
  };
}

function messagesToEntities(
  outcome: Outcome,
  turn: {
    readonly state: ExecutionState;
    readonly caller: Caller;
    readonly renewed: RenewedCalls | undefined;
    readonly goesOn: boolean;
  },
): readonly MessageToEntity[] {
  const { state, caller, renewed, goesOn } = turn;
  // What ends can release nothing any more.
  const released = goesOn ? none : releaseAll(state.entityCalls, outcome.events, caller);
  const again = goesOn && renewed !== undefined ? renewed.entityCalls.map((called) => callAgain(called, caller)) : none;
  if (released.length + again.length === 0) return outcome.entityMessages;
  return [...again, ...outcome.entityMessages, ...released];
}

function childrenOf(outcome: Outcome, request: CloseRequest, goesOn: boolean): readonly NewChild[] {
  const again = goesOn && request.renewed !== undefined ? request.renewed.children : none;
  if (again.length + outcome.children.length === 0) return none;
  return [
    ...again.map((created) => toChildAgain(created, request)),
    ...outcome.children.map((child) => toChild(child, request)),
  ];
}

/** What the turn comes to; one that is too large fails its execution instead. */
function outcomeOf(request: CloseRequest, timestamp: number, caller: Caller): Outcome {
  const outcome = new Outcome(timestamp, caller);
  // Also when the code continues as new in this very turn.
  if (request.opened.terminated !== undefined) {
    outcome.terminate(request.opened.terminated.reason);
    return outcome;
  }
  const overCount = findOverCount(request);
  if (overCount === undefined) for (const action of request.decision?.actions ?? []) outcome.add(action);
  const overLimit = overCount ?? findOverSize(request, outcome);
  if (overLimit === undefined) return outcome;
  const failed = new Outcome(timestamp, caller);
  failed.fail(overLimit);
  return failed;
}

/** A commit that ends an instance which cannot go on, e.g. because Postgres refuses its turn. */
export function failTurn(
  request: Omit<CloseRequest, 'decision' | 'takeLocally' | 'hasMore' | 'limits' | 'newExecutionId'>,
  failure: Failure,
): TurnCommit {
  const closed = closeTurn({
    ...request,
    decision: { actions: [{ type: 'CompleteOrchestration', id: -1, status: 'Failed', failure }] },
    hasMore: false,
    limits: noLimits,
    newExecutionId: noExecution,
  });
  return { ...closed.commit, customStatus: request.instance.customStatus };
}

function noExecution(): never {
  throw new Error('a turn that only ends begins no execution');
}

/** Collects what the actions of a turn come to. */
class Outcome {
  readonly events: HistoryEvent[] = [];
  readonly scheduled: TaskScheduled[] = [];
  // Most turns have none of these: nothing is made for them, timers included.
  #cancelled: number[] | undefined;
  #messages: OutgoingMessage[] | undefined;
  #entityMessages: MessageToEntity[] | undefined;
  #children: CreateSubOrchestration[] | undefined;
  completion: ExecutionCompleted | undefined;
  continuation: ContinueAsNew | undefined;
  #timers: Map<number, NewTimer> | undefined;
  readonly #timestamp: number;
  readonly #caller: Caller;

  constructor(timestamp: number, caller: Caller) {
    this.#timestamp = timestamp;
    this.#caller = caller;
  }

  add(action: Action): void {
    const timestamp = this.#timestamp;
    switch (action.type) {
      case 'ScheduleTask': {
        const { id } = action;
        const task = toTaskScheduled(action, timestamp);
        this.events.push(task);
        this.scheduled.push(task);
        if (task.timeoutAt !== undefined) {
          (this.#timers ??= new Map()).set(id, {
            timerId: id,
            fireAt: task.timeoutAt,
            timeout: timeoutFailure(task, task.timeoutAt),
          });
        }
        return;
      }
      case 'CreateTimer':
        this.events.push({
          type: 'TimerCreated',
          timestamp,
          eventId: action.id,
          fireAt: action.fireAt,
          ...(action.retryOf === undefined ? {} : { retryOf: action.retryOf }),
        });
        (this.#timers ??= new Map()).set(action.id, { timerId: action.id, fireAt: action.fireAt });
        return;
      case 'CancelTimer':
        // One that was created in this very turn never becomes a message.
        if (this.#timers?.delete(action.timerId) !== true) this.cancel(action.timerId);
        return;
      case 'CreateSubOrchestration': {
        const { id, type: _, ...rest } = action;
        this.events.push({ type: 'SubOrchestrationInstanceCreated', timestamp, eventId: id, ...rest });
        (this.#children ??= []).push(action);
        return;
      }
      case 'ContinueAsNew':
        this.continuation = action;
        return;
      case 'SendEvent': {
        const { id, type: _, instanceId, ...event } = action;
        this.events.push({ type: 'EventSent', timestamp, eventId: id, instanceId, ...event });
        this.send({ target: { kind: 'id', instanceId }, event: { type: 'EventRaised', ...event } });
        return;
      }
      case 'CallEntity':
      case 'SignalEntity':
      case 'LockEntities':
      case 'UnlockEntity': {
        const { event, message } = recordEntityCall(action, this.#caller, timestamp);
        this.events.push(event);
        (this.#entityMessages ??= []).push(message);
        return;
      }
      case 'CompleteOrchestration': {
        const { id, type: _, ...rest } = action;
        this.#complete({ type: 'ExecutionCompleted', timestamp, eventId: id, ...rest });
        return;
      }
      default:
        assertNever(action);
    }
  }

  cancel(timerId: number): void {
    (this.#cancelled ??= []).push(timerId);
  }

  send(message: OutgoingMessage): void {
    (this.#messages ??= []).push(message);
  }

  get cancelled(): readonly number[] {
    return this.#cancelled ?? none;
  }

  get messages(): readonly OutgoingMessage[] {
    return this.#messages ?? none;
  }

  get entityMessages(): readonly MessageToEntity[] {
    return this.#entityMessages ?? none;
  }

  get children(): readonly CreateSubOrchestration[] {
    return this.#children ?? none;
  }

  terminate(reason: string | undefined): void {
    this.#complete({
      type: 'ExecutionCompleted',
      timestamp: this.#timestamp,
      eventId: -1,
      status: 'Terminated',
      ...(reason === undefined ? {} : { result: reason }),
    });
  }

  fail(failure: Failure): void {
    this.#complete({ type: 'ExecutionCompleted', timestamp: this.#timestamp, eventId: -1, status: 'Failed', failure });
  }

  timers(): readonly NewTimer[] {
    return this.#timers === undefined ? none : [...this.#timers.values()];
  }

  #complete(event: ExecutionCompleted): void {
    this.completion = event;
    this.events.push(event);
  }
}

/** Field by field: spreads make objects that live for a moment, and this is done for every activity. */
function toTaskScheduled(action: ScheduleTask, timestamp: number): TaskScheduled {
  const { id: eventId, name, input, version, attempt, firstId, timeoutAt, tags } = action;
  const task: { -readonly [Key in keyof TaskScheduled]: TaskScheduled[Key] } = {
    type: 'TaskScheduled',
    timestamp,
    eventId,
    name,
  };
  if (input !== undefined) task.input = input;
  if (version !== undefined) task.version = version;
  if (attempt !== undefined) task.attempt = attempt;
  if (firstId !== undefined) task.firstId = firstId;
  if (timeoutAt !== undefined) task.timeoutAt = timeoutAt;
  if (tags !== undefined) task.tags = tags;
  return task;
}

/** What the orchestrator's schemas refused is part of how its turn began, so that a replay knows it in time. */
function recordRejected(events: readonly HistoryEvent[], decision: Decision | undefined): readonly HistoryEvent[] {
  const rejected = decision?.rejected;
  const [first, ...others] = events;
  if (rejected === undefined || first?.type !== 'OrchestratorStarted') return events;
  return [{ ...first, rejected }, ...others];
}

/** Forgets the time-outs of activities that have ended. @returns the activities whose time was up */
function endTimeouts(outcome: Outcome, state: ExecutionState, events: readonly HistoryEvent[]): readonly number[] {
  let timedOut: number[] | undefined;
  for (const event of events) {
    if (event.type !== 'TaskCompleted' && event.type !== 'TaskFailed') continue;
    const id = event.taskScheduledId;
    if (event.type === 'TaskFailed' && event.timedOut === true) (timedOut ??= []).push(id);
    else if (state.openTasks.get(id)?.timeoutAt !== undefined) outcome.cancel(id);
  }
  return timedOut ?? none;
}

export function timeoutFailure(task: TaskScheduled, timeoutAt: number): Failure {
  return {
    errorType: 'TimeoutError',
    message: `Activity '${task.name}' timed out: it had not ended ${timeoutAt - task.timestamp} ms after it was scheduled.`,
  };
}

export function toTask(task: TaskScheduled, redelivery: number): NewActivityTask {
  return {
    taskScheduledId: task.eventId,
    name: task.name,
    attempt: task.attempt ?? 1,
    firstScheduledId: task.firstId ?? task.eventId,
    redelivery,
    ...(task.version === undefined ? {} : { version: task.version }),
    ...(task.input === undefined ? {} : { input: task.input }),
    ...(task.tags === undefined ? {} : { tags: task.tags }),
  };
}

function suspendedAfter(state: ExecutionState, events: readonly HistoryEvent[]): boolean {
  let suspended = state.suspended;
  for (const event of events) {
    if (event.type === 'ExecutionSuspended') suspended = true;
    else if (event.type === 'ExecutionResumed') suspended = false;
  }
  return suspended;
}
