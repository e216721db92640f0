/**
 * What the code has asked for: numbers its actions, keeps those that history has not recorded yet, and knows what is
 * open. Owns the comparison of code and history; what is done about a difference is in `replay.ts`.
 */
import type {
  Action,
  CreateSubOrchestration,
  CreateTimer,
  EndingAction,
  ScheduleTask,
  SendEvent,
} from '../../model/actions.ts';
import {
  requestIdOf,
  type CallEntity,
  type EntityAnswer,
  type EntityCallAction,
  type LockEntities,
} from '../../model/entity-calls.ts';
import type { Failure } from '../../model/failure.ts';
import {
  describeAction,
  describeEvent,
  isSame,
  type CreatingAction,
  type Difference,
  type RecordEvent,
} from './difference.ts';
import type { TurnScope } from './turn-scope.ts';

/** Latest instant that a Date can hold. */
const endOfTime = 8_640_000_000_000_000;

/** Gets the end of one attempt of an activity or a sub-orchestration. */
export interface AttemptListener {
  completed(result: string | undefined): void;
  failed(failure: Failure): void;
}

/** An activity to be scheduled; what is not given is `undefined`. */
export type TaskToSchedule = {
  readonly [Key in keyof Omit<Required<ScheduleTask>, 'type' | 'id' | 'name'>]: ScheduleTask[Key] | undefined;
} & { readonly name: string };

export class Scheduler {
  readonly #scope: TurnScope;
  readonly #tasks = new Map<number, AttemptListener>();
  // Made when they are needed: an instance that waits in memory has one map, not five.
  #timers: Map<number, () => void> | undefined;
  /** What entities have not answered yet, by request. */
  #requests: Map<string, AttemptListener> | undefined;
  /** Asked for since the last boundary between turns. */
  #pending: Action[] = [];
  /** How many of them history has recorded. */
  #recorded = 0;
  #nextId = 0;
  #skipped: Set<number> | undefined;
  #closed = false;

  constructor(scope: TurnScope) {
    this.#scope = scope;
  }

  /** Activities, sub-orchestrations, timers and requests to entities that have not ended. */
  get openCount(): number {
    return this.#tasks.size + (this.#timers?.size ?? 0) + (this.#requests?.size ?? 0);
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** @returns the action's id */
  scheduleTask(task: TaskToSchedule, listener: AttemptListener): number {
    const id = this.#take();
    if (this.#closed) return id;
    this.#pending.push(toAction(id, task));
    this.#tasks.set(id, listener);
    return id;
  }

  /**
   * @param instanceIdOf the child's id, given that of the action
   * @returns the action's id
   */
  createSubOrchestration(
    child: Omit<CreateSubOrchestration, 'type' | 'id' | 'instanceId'>,
    instanceIdOf: (id: number) => string,
    listener: AttemptListener,
  ): number {
    const id = this.#take();
    if (this.#closed) return id;
    this.#pending.push({ type: 'CreateSubOrchestration', id, instanceId: instanceIdOf(id), ...child });
    this.#tasks.set(id, listener);
    return id;
  }

  /** @returns the timer's id */
  createTimer(fireAt: number, fired: () => void, about: Pick<CreateTimer, 'retryOf'> = {}): number {
    const id = this.#take();
    if (this.#closed) return id;
    this.#pending.push({ type: 'CreateTimer', id, fireAt: Math.min(fireAt, endOfTime), ...about });
    (this.#timers ??= new Map()).set(id, fired);
    return id;
  }

  /** @returns the action's id */
  sendEvent(event: Omit<SendEvent, 'type' | 'id'>): number {
    const id = this.#take();
    if (!this.#closed) this.#pending.push({ type: 'SendEvent', id, ...event });
    return id;
  }

  /** Asks something of an entity. @param make makes the action, given its id */
  askEntity(make: (id: number) => EntityCallAction): void {
    const id = this.#take();
    if (!this.#closed) this.#pending.push(make(id));
  }

  /** The same for what will be answered. @returns the action's id */
  callEntity(make: (id: number) => CallEntity | LockEntities, listener: AttemptListener): number {
    const id = this.#take();
    if (this.#closed) return id;
    const action = make(id);
    this.#pending.push(action);
    (this.#requests ??= new Map()).set(requestIdOf(action), listener);
    return id;
  }

  answerRequest(answer: EntityAnswer): void {
    const requestId = requestIdOf(answer);
    const listener = this.#requests?.get(requestId);
    this.#requests?.delete(requestId);
    if (answer.type === 'EntityOperationFailed') listener?.failed(answer.failure);
    else listener?.completed('result' in answer ? answer.result : undefined);
  }

  cancelTimer(timerId: number): void {
    // Cancelling leaves no event, so in a replay it is neither compared nor asked for again.
    if (this.#timers?.delete(timerId) !== true || this.#closed || this.#scope.isReplaying) return;
    this.#pending.push({ type: 'CancelTimer', timerId });
  }

  completeTask(id: number, result: string | undefined): void {
    this.#endTask(id)?.completed(result);
  }

  failTask(id: number, failure: Failure): void {
    this.#endTask(id)?.failed(failure);
  }

  fireTimer(id: number): void {
    const fired = this.#timers?.get(id);
    this.#timers?.delete(id);
    fired?.();
  }

  /** The body has ended: what stray code still asks for is dropped, and its tasks never complete. */
  close(): void {
    this.#closed = true;
    this.#tasks.clear();
    this.#timers = undefined;
    this.#requests = undefined;
  }

  /** The actions of the turn, which are thereby handed over. */
  takeActions(): Action[] {
    const actions = this.#pending;
    this.#pending = [];
    return actions;
  }

  /**
   * Compares what history recorded next with what the code asked for next (engine.md 4.5).
   * @param idle says what the code does when it asks for nothing
   */
  record(event: RecordEvent, idle: string): Difference | undefined {
    const action = this.#nextUnrecorded();
    if (action !== undefined && isSame(event, action)) {
      this.#recorded += 1;
      return undefined;
    }
    const expected = describeEvent(event);
    return action === undefined ? { expected, found: idle } : { expected, ...this.#describe(action) };
  }

  /** A turn in history is over: everything that the code asked for in it must have been recorded. */
  endRecordedTurn(): Difference | undefined {
    const action = this.#nextUnrecorded();
    if (action !== undefined) {
      return { expected: 'a previous execution did nothing more in this turn', ...this.#describe(action) };
    }
    this.#pending = [];
    this.#recorded = 0;
    return undefined;
  }

  #describe(action: CreatingAction): Pick<Difference, 'found' | 'actionId' | 'site'> {
    const found = describeAction(action);
    const site = this.#scope.trace?.siteOf(action.id);
    return { found, actionId: action.id, ...(site === undefined ? {} : { site }) };
  }

  /** A turn that was rewound is over: what the code asks for in it and history does not know is new, and goes on. */
  endReopenedTurn(): void {
    this.#pending = this.#pending.slice(this.#recorded);
    this.#recorded = 0;
  }

  /** Ids of actions that were rewound: not given again, so that the ids of all others stay the same. */
  skip(ids: readonly number[]): void {
    for (const id of ids) (this.#skipped ??= new Set()).add(id);
  }

  #take(): number {
    while (this.#skipped?.has(this.#nextId) === true) this.#nextId += 1;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#scope.trace?.numbered(id);
    return id;
  }

  #endTask(id: number): AttemptListener | undefined {
    const listener = this.#tasks.get(id);
    this.#tasks.delete(id);
    return listener;
  }

  #nextUnrecorded(): CreatingAction | undefined {
    const action = this.#pending[this.#recorded];
    // While history is played nothing else is pending.
    return action === undefined || action.type === 'CancelTimer' || isEnding(action) ? undefined : action;
  }
}

function isEnding(action: Action): action is EndingAction {
  return action.type === 'ContinueAsNew' || action.type === 'CompleteOrchestration';
}

/** Field by field: spreads make objects that live for a moment, and this is done for every activity. */
function toAction(
  id: number,
  { name, input, version, attempt, firstId, timeoutAt, tags }: TaskToSchedule,
): ScheduleTask {
  const action: { -readonly [Key in keyof ScheduleTask]: ScheduleTask[Key] } = { type: 'ScheduleTask', id, name };
  if (input !== undefined) action.input = input;
  if (version !== undefined) action.version = version;
  // The first try needs no number.
  if (firstId !== undefined) {
    action.firstId = firstId;
    if (attempt !== undefined) action.attempt = attempt;
  }
  if (timeoutAt !== undefined) action.timeoutAt = timeoutAt;
  if (tags !== undefined) action.tags = tags;
  return action;
}
