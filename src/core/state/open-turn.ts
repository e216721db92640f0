/**
 * Messages and local results to the new events of a turn. Owns what is dropped (engine.md 4.4) and the order in which
 * an instance sees things; what the orchestrator makes of them is in `core/replay`, what is written in `close-turn.ts`.
 */
import { requestIdOf } from '../../model/entity-calls.ts';
import { assertNever } from '../../model/errors.ts';
import type {
  ExecutionStarted,
  ExecutionTerminated,
  HistoryEvent,
  InboxEvent,
  SubOrchestrationInstanceCompleted,
  SubOrchestrationInstanceFailed,
  TaskCompleted,
  TaskFailed,
  Untimed,
} from '../../model/history.ts';
import type { Message } from '../../model/work.ts';
import { sizeOfEvent } from './event-size.ts';
import type { ExecutionState } from './execution-state.ts';
import { inOrder } from './message-order.ts';

/**
 * The end of an activity that ran in the instance's own worker, the start of an instance that was born owned, or the end of
 * a sub-orchestration of which no message tells.
 */
export type LocalEvent =
  | Untimed<TaskCompleted>
  | Untimed<TaskFailed>
  | Untimed<ExecutionStarted>
  | Untimed<SubOrchestrationInstanceCompleted>
  | Untimed<SubOrchestrationInstanceFailed>;

/** What a turn may take in. */
export interface TurnInput {
  /** In the order of their ids. */
  readonly messages: readonly Message[];
  /** What happened in this worker and never was a message, of this execution. */
  readonly local: readonly LocalEvent[];
  /** Database time, milliseconds since 1970. */
  readonly now: number;
  /** About how much of the messages one turn takes, in UTF-16 units. Default: all. */
  readonly maxLength?: number;
  /** Local activities that were lost with their worker and must be queued: a turn is due even without news. */
  readonly lostTasks?: readonly number[] | undefined;
}

/** A turn that has begun. */
export interface OpenedTurn {
  /** OrchestratorStarted first. */
  readonly newEvents: readonly HistoryEvent[];
  /** Ids of the messages that the turn uses up, dropped ones included. */
  readonly consumed: readonly string[];
  /** The request that ends the execution in this turn, whatever the orchestrator decides. */
  readonly terminated?: ExecutionTerminated;
  /** False while nothing may run the orchestrator: it was ended before its start. */
  readonly runs: boolean;
}

/** Nothing to do: delete these messages (none: they wait for the start) and leave the instance as it is. */
export interface NothingToDo {
  readonly discard: readonly string[];
}

export function openTurn(state: ExecutionState, input: TurnInput): OpenedTurn | NothingToDo {
  const mine: Message[] = [];
  const consumed: string[] = [];
  for (const message of inOrder(input.messages, isTimer)) {
    if (isForExecution(message, state)) mine.push(message);
    else consumed.push(message.id); // for an execution that is over
  }
  if (state.ended) return { discard: [...consumed, ...mine.map((message) => message.id)] };

  const start = input.local.find((event) => event.type === 'ExecutionStarted');
  const startsNow =
    !state.started && (start !== undefined || mine.some((message) => message.event.type === 'ExecutionStarted'));
  const ending = mine.find((message) => message.event.type === 'ExecutionTerminated');
  if (!state.started && !startsNow && ending === undefined) return { discard: consumed };

  const timestamp = Math.max(state.lastTimestamp, input.now);
  const filter = new NewEvents(state, { startsNow, timestamp });
  if (start !== undefined) filter.offer(start);
  // What is too much for one turn waits for the next; one at least is taken.
  let room = input.maxLength ?? Number.POSITIVE_INFINITY;
  for (const message of startFirst(mine)) {
    if (room <= 0) break;
    room -= sizeOfEvent(message.event);
    consumed.push(message.id);
    filter.offer(message.event);
  }
  // After the inbox (decision 17).
  for (const event of input.local) if (event !== start) filter.offer(event);

  const newEvents = filter.events;
  if (newEvents.length === 1 && (input.lostTasks?.length ?? 0) === 0 && !filter.rewound) return { discard: consumed };
  // An instance that is ended before its first turn never runs.
  if (filter.terminated !== undefined) return { newEvents, consumed, runs: false, terminated: filter.terminated };
  return { newEvents, consumed, runs: state.started || startsNow };
}

/**
 * Sub-orchestrations that were on their way when their parent failed and was rewound report to the execution that called
 * them, under the id that it had then.
 */
function isForExecution({ executionId, event }: Message, { executionId: own, formerIds }: ExecutionState): boolean {
  if (executionId === null || executionId === own) return true;
  const isReport =
    event.type === 'SubOrchestrationInstanceCompleted' || event.type === 'SubOrchestrationInstanceFailed';
  return isReport && formerIds?.has(executionId) === true;
}

/** Decides event by event what is news to an execution. */
class NewEvents {
  /** OrchestratorStarted first. */
  readonly events: HistoryEvent[];
  terminated: ExecutionTerminated | undefined;
  /** Woken by a rewind: the code may have something to do though nothing has happened. */
  rewound = false;
  readonly #state: ExecutionState;
  readonly #timestamp: number;
  /** Tasks (their ids) and timers (theirs, below zero) that ended in this turn. Most turns have one end: no set for it. */
  #done: number | Set<number> | undefined;
  /** Requests to entities that were answered in this turn. */
  #answered: Set<string> | undefined;
  #started: boolean;
  #suspended: boolean;

  constructor(state: ExecutionState, turn: { readonly startsNow: boolean; readonly timestamp: number }) {
    this.#state = state;
    this.#timestamp = turn.timestamp;
    this.events = [{ type: 'OrchestratorStarted', timestamp: turn.timestamp }];
    // Ended before its start: the request itself is the news.
    this.#started = state.started || !turn.startsNow;
    this.#suspended = state.suspended;
  }

  offer(event: InboxEvent | LocalEvent): void {
    if (this.terminated !== undefined || !this.#isNews(event)) return;
    if (event.type === 'ExecutionStarted' && event.carriedEvents !== undefined) {
      const { carriedEvents, ...start } = event;
      this.events.push({ ...start, timestamp: this.#timestamp });
      // What the execution before left comes before all that has arrived since.
      for (const carried of carriedEvents) this.offer(carried);
      return;
    }
    const stamped = { ...event, timestamp: this.#timestamp };
    this.events.push(stamped);
    if (stamped.type === 'ExecutionTerminated') this.terminated = stamped;
  }

  #isNews(event: InboxEvent | LocalEvent): boolean {
    switch (event.type) {
      case 'ExecutionStarted':
        if (this.#started) return false;
        this.#started = true;
        return true;
      case 'TaskCompleted':
      case 'TaskFailed':
        return this.#state.openTasks.has(event.taskScheduledId) && this.#first(event.taskScheduledId);
      case 'TimerFired':
        return this.#state.openTimers?.has(event.timerId) === true && this.#first(-1 - event.timerId);
      case 'SubOrchestrationInstanceCompleted':
      case 'SubOrchestrationInstanceFailed':
        return this.#state.openChildren?.has(event.taskScheduledId) === true && this.#first(event.taskScheduledId);
      case 'ExecutionSuspended':
        if (this.#suspended) return false;
        this.#suspended = true;
        return true;
      case 'ExecutionResumed':
        if (!this.#suspended) return false;
        this.#suspended = false;
        return true;
      case 'EntityOperationCompleted':
      case 'EntityOperationFailed':
      case 'EntityLockGranted': {
        const requestId = requestIdOf(event);
        return this.#state.entityCalls?.open.has(requestId) === true && this.#firstAnswer(requestId);
      }
      case 'EventRaised':
      case 'ExecutionTerminated':
        return true;
      case 'ExecutionRewound':
        this.rewound = true; // it is in the history already
        return false;
      default:
        return assertNever(event);
    }
  }

  #firstAnswer(requestId: string): boolean {
    if (this.#answered?.has(requestId) === true) return false;
    (this.#answered ??= new Set()).add(requestId);
    return true;
  }

  #first(what: number): boolean {
    if (this.#done === undefined) {
      this.#done = what;
      return true;
    }
    if (typeof this.#done === 'number') this.#done = new Set([this.#done]);
    if (this.#done.has(what)) return false;
    this.#done.add(what);
    return true;
  }
}

/** ExecutionStarted is the first real event, though others may have been stored before it. */
function startFirst(messages: readonly Message[]): readonly Message[] {
  const at = messages.findIndex((message) => message.event.type === 'ExecutionStarted');
  const start = messages[at];
  return start === undefined || at === 0 ? messages : [start, ...messages.slice(0, at), ...messages.slice(at + 1)];
}

/** Whether a message was stored to become visible later: a timer, or the time-out of an activity. */
function isTimer({ event }: Message): boolean {
  return event.type === 'TimerFired' || (event.type === 'TaskFailed' && event.timedOut === true);
}
