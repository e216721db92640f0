import type { EntityAnswer, EntityCallRecord } from './entity-calls.ts';
import type { Failure } from './failure.ts';
import type { SchemaIssue } from './schema.ts';
import type { Tags } from './instance.ts';

/**
 * JSON text exactly as it was sent, or `undefined` when nothing was sent: `undefined`, `'null'`, `'""'`, `'0'` and
 * `'false'` are five different payloads (A7).
 */
export type Payload = string | undefined;

/** What a parent leaves in its child, so that the child can report its end. */
export interface ParentInstance {
  readonly key: string;
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly taskScheduledId: number;
}

interface EventBase {
  /** Milliseconds since 1970 by the database's clock (A4). */
  readonly timestamp: number;
}

/** First event of every turn; its timestamp is the turn's `currentUtcDateTime`. */
export interface OrchestratorStarted extends EventBase {
  readonly type: 'OrchestratorStarted';
  /** Values that the orchestrator's schemas refused in this turn. Absent: none. */
  readonly rejected?: readonly RejectedValue[];
}

/** A value that was not as its schema says. */
export interface RejectedValue {
  /** Counts the values of an execution that have a schema, from 0. */
  readonly number: number;
  readonly issues: readonly SchemaIssue[];
}

export interface ExecutionStarted extends EventBase {
  readonly type: 'ExecutionStarted';
  readonly name: string;
  readonly executionId: string;
  readonly input?: string;
  readonly version?: string;
  readonly tags?: Tags;
  readonly parent?: ParentInstance;
  readonly scheduledStartAt?: number;
  /** JSON text: the custom status that the execution before left. */
  readonly customStatus?: string;
  /** Only in a message: what the execution before left to this one. In a history these are events of their own. */
  readonly carriedEvents?: readonly (EventRaised | ExecutionSuspended)[];
}

export interface TaskScheduled extends EventBase {
  readonly type: 'TaskScheduled';
  /** The id of the action that made it. */
  readonly eventId: number;
  readonly name: string;
  readonly input?: string;
  readonly version?: string;
  /** Which try of a retry policy this is; absent for the first. */
  readonly attempt?: number;
  /** For a retry: the eventId of the call's first try. */
  readonly firstId?: number;
  /** When it fails with a time-out if it has not ended, milliseconds since 1970. */
  readonly timeoutAt?: number;
  readonly tags?: Tags;
}

export interface TaskCompleted extends EventBase {
  readonly type: 'TaskCompleted';
  readonly taskScheduledId: number;
  readonly result?: string;
}

export interface TaskFailed extends EventBase {
  readonly type: 'TaskFailed';
  readonly taskScheduledId: number;
  readonly failure: Failure;
  /** Its time was up; the run of it, if there is one, is told to stop. */
  readonly timedOut?: true;
}

export interface TimerCreated extends EventBase {
  readonly type: 'TimerCreated';
  readonly eventId: number;
  /** Milliseconds since 1970. */
  readonly fireAt: number;
  /** For the wait before a retry: the eventId of the call's first try. */
  readonly retryOf?: number;
}

export interface TimerFired extends EventBase {
  readonly type: 'TimerFired';
  readonly timerId: number;
  readonly fireAt: number;
}

export interface SubOrchestrationInstanceCreated extends EventBase {
  readonly type: 'SubOrchestrationInstanceCreated';
  readonly eventId: number;
  readonly name: string;
  readonly instanceId: string;
  readonly input?: string;
  readonly version?: string;
  /** Its own, without those that it inherits. */
  readonly tags?: Tags;
  /** For a retry: the eventId of the call's first try. */
  readonly firstId?: number;
}

export interface SubOrchestrationInstanceCompleted extends EventBase {
  readonly type: 'SubOrchestrationInstanceCompleted';
  /** The eventId of its SubOrchestrationInstanceCreated. */
  readonly taskScheduledId: number;
  readonly result?: string;
}

/** Also for one that was terminated, or whose instance id was taken. */
export interface SubOrchestrationInstanceFailed extends EventBase {
  readonly type: 'SubOrchestrationInstanceFailed';
  readonly taskScheduledId: number;
  readonly failure: Failure;
}

export interface EventSent extends EventBase {
  readonly type: 'EventSent';
  readonly eventId: number;
  /** Of the instance that it was sent to. */
  readonly instanceId: string;
  readonly name: string;
  readonly input?: string;
}

export interface EventRaised extends EventBase {
  readonly type: 'EventRaised';
  readonly name: string;
  readonly input?: string;
}

export interface ExecutionSuspended extends EventBase {
  readonly type: 'ExecutionSuspended';
  readonly reason?: string;
}

export interface ExecutionResumed extends EventBase {
  readonly type: 'ExecutionResumed';
  readonly reason?: string;
}

export interface ExecutionTerminated extends EventBase {
  readonly type: 'ExecutionTerminated';
  /** The reason as it was given: JSON text or plain text. */
  readonly reason?: string;
  /** Whether the live sub-orchestrations of this execution end too, and theirs. */
  readonly recursive?: boolean;
}

export interface ExecutionCompleted extends EventBase {
  readonly type: 'ExecutionCompleted';
  readonly eventId: number;
  readonly status: 'Completed' | 'Failed' | 'Terminated';
  readonly result?: string;
  readonly failure?: Failure;
  /** The eventIds of the calls whose failures ended it. */
  readonly failedTaskIds?: readonly number[];
}

/** A failed execution goes on under a new execution id: what failed counts no longer. Nothing stored is changed. */
export interface ExecutionRewound extends EventBase {
  readonly type: 'ExecutionRewound';
  readonly reason?: string;
  readonly executionId: string;
  /** Positions in the stored history, from 0, of the events that count no longer. */
  readonly ignores: readonly number[];
  /** Ids of the actions among them, which are not given again. */
  readonly ignoredIds: readonly number[];
}

/** One entry of an execution's history, in the words of Durable Task. */
export type HistoryEvent =
  | OrchestratorStarted
  | ExecutionStarted
  | TaskScheduled
  | TaskCompleted
  | TaskFailed
  | TimerCreated
  | TimerFired
  | SubOrchestrationInstanceCreated
  | SubOrchestrationInstanceCompleted
  | SubOrchestrationInstanceFailed
  | EventSent
  | EventRaised
  | EntityCallRecord
  | EntityAnswer
  | ExecutionSuspended
  | ExecutionResumed
  | ExecutionTerminated
  | ExecutionCompleted
  | ExecutionRewound;

/** The events that can travel to an instance as a message. */
export type InboxEvent =
  | ExecutionStarted
  | TaskCompleted
  | TaskFailed
  | TimerFired
  | SubOrchestrationInstanceCompleted
  | SubOrchestrationInstanceFailed
  | EventRaised
  | EntityAnswer
  | ExecutionSuspended
  | ExecutionResumed
  | ExecutionTerminated
  /** Wakes a rewound execution; what it says is in the history. */
  | ExecutionRewound;

/** An event that has not been stored yet: the store gives it its time. */
export type Untimed<Event extends HistoryEvent> = Event extends HistoryEvent ? Omit<Event, 'timestamp'> : never;
