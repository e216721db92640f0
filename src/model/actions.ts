import type { EntityCallAction } from './entity-calls.ts';
import type { Failure } from './failure.ts';
import type { EventRaised, RejectedValue } from './history.ts';
import type { Tags } from './instance.ts';

/** Run an activity. Ids number an execution's actions 0, 1, 2, … in the order of the calls. */
export interface ScheduleTask {
  readonly type: 'ScheduleTask';
  readonly id: number;
  readonly name: string;
  readonly input?: string;
  readonly version?: string;
  /** 1 for the first try (absent), counted up by a retry policy. */
  readonly attempt?: number;
  /** For a retry: the id of the call's first try. */
  readonly firstId?: number;
  /** When it fails with a time-out if it has not ended, milliseconds since 1970. Absent: never. */
  readonly timeoutAt?: number;
  /** Those of the orchestration and of the call. Absent: none. */
  readonly tags?: Tags;
}

export interface CreateTimer {
  readonly type: 'CreateTimer';
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly fireAt: number;
  /** For the wait before a retry: the id of the call's first try. */
  readonly retryOf?: number;
}

/** Start an orchestration whose end this one is told. */
export interface CreateSubOrchestration {
  readonly type: 'CreateSubOrchestration';
  readonly id: number;
  readonly name: string;
  /** As the user gave it, or `childInstanceId`. */
  readonly instanceId: string;
  readonly input?: string;
  readonly version?: string;
  /** Its own; those of the parent are added. */
  readonly tags?: Tags;
  /** For a retry: the id of the call's first try. */
  readonly firstId?: number;
}

/** Leave an event with another instance. It is not known whether it arrived: a missing or ended target is silent. */
export interface SendEvent {
  readonly type: 'SendEvent';
  readonly id: number;
  /** Of the instance that gets it. */
  readonly instanceId: string;
  readonly name: string;
  readonly input?: string;
}

/** Forget a timer that has not fired. Leaves no event; a firing that is already on its way is tolerated. */
export interface CancelTimer {
  readonly type: 'CancelTimer';
  readonly timerId: number;
}

/** This execution is over, and another of the same instance begins; always the last action. */
export interface ContinueAsNew {
  readonly type: 'ContinueAsNew';
  readonly id: number;
  readonly input?: string;
  /** Absent: the one it has. */
  readonly version?: string;
  /** Events that nobody has taken, in order: the next execution gets them first. */
  readonly carriedEvents: readonly EventRaised[];
}

/** The orchestrator returned or threw; always the last action. */
export type CompleteOrchestration =
  | {
      readonly type: 'CompleteOrchestration';
      readonly id: number;
      readonly status: 'Completed';
      readonly result?: string;
    }
  | {
      readonly type: 'CompleteOrchestration';
      readonly id: number;
      readonly status: 'Failed';
      readonly failure: Failure;
      /** Ids of the tries whose failures the orchestrator did not handle. */
      readonly failedTaskIds?: readonly number[];
    };

/** What an orchestrator asked for in one turn. */
export type Action =
  | ScheduleTask
  | CreateTimer
  | CancelTimer
  | CreateSubOrchestration
  | SendEvent
  | EntityCallAction
  | ContinueAsNew
  | CompleteOrchestration;

/** The actions that end an execution. */
export type EndingAction = ContinueAsNew | CompleteOrchestration;

/** The outcome of running an orchestrator for one turn. */
export interface Decision {
  /** In ascending id, a completion last. */
  readonly actions: readonly Action[];
  /** The complete current custom status as JSON text; absent means none. */
  readonly customStatus?: string;
  /** Values that schemas of the orchestrator refused in this turn; absent: none. */
  readonly rejected?: readonly RejectedValue[];
  /**
   * The position, in the history that was played, of an action that the code does not ask for any more. Only just after a
   * rewind, where it may be a consequence of what was undone; then `actions` fail the execution.
   */
  readonly superfluous?: number;
}
