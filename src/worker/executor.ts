/**
 * The port through which a worker runs user code: in this process (`in-process/`), in a thread, or later in a remote
 * SDK over gRPC. History and new events in, a decision out.
 */
import type { Decision } from '../model/actions.ts';
import type { ActivityLimits } from '../model/activity-limits.ts';
import type { EntityBatch, EntityBatchOutcome } from '../model/entity-work.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { InstanceTrace } from '../model/trace-context.ts';
import type { Version } from '../model/versions.ts';
import type { ActivityOutcome, ActivityWork, FunctionNames } from '../model/work.ts';

/** Which instance a run is of. */
export interface RunTarget {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly version?: string | null;
  readonly trace?: InstanceTrace | undefined;
}

/** One turn's input. */
export interface TurnEvents {
  /** What was committed before and this run has not seen; not empty only in a run's first turn (a replay). */
  readonly history: readonly HistoryEvent[];
  /** OrchestratorStarted first. */
  readonly newEvents: readonly HistoryEvent[];
}

/** A suspended orchestrator in memory. One call of `advance` at a time. */
export interface OrchestrationRun {
  /**
   * Replays the history, then goes on with the new events. An error of user code, or a history that the code no longer
   * agrees with, is a decision to fail: this rejects only for a bug of ours.
   */
  advance(turn: TurnEvents): Promise<Decision>;
  /** Frees it: user code that is still waiting never goes on. */
  dispose(): void;
}

/** How an activity is told to stop. */
export interface ActivityCancellation {
  /** Aborts on timeout, termination and shutdown. */
  readonly signal: AbortSignal;
  /** Whether an error is the answer to a shutdown. Absent: none is. */
  isWithdrawal?(error: unknown): boolean;
}

/** Runs the functions that somebody registered. */
export interface Executor {
  readonly functions: FunctionNames;
  openRun(target: RunTarget): OrchestrationRun;
  /**
   * Whether instances of this version of an orchestration are run here, be it only to fail; the others are left to other
   * workers.
   */
  servesOrchestration(name: string, version: Version): boolean;
  /** Whether there may be instances of names that it knows which it does not serve. */
  readonly isSelective: boolean;
  hasActivity(name: string, version: Version): boolean;
  /** Activities that must not run as often as there are slots, by name in lower case; most have no limit. */
  readonly limits: ReadonlyMap<string, ActivityLimits>;
  /** Runs operations of an entity one after the other. One whose entity is not registered here fails each of them. */
  runEntityBatch(batch: EntityBatch): Promise<EntityBatchOutcome>;
  /**
   * Never rejects.
   * @returns `undefined` when it was withdrawn and ended because of that: it is to be run again
   */
  runActivity(work: ActivityWork, cancellation: ActivityCancellation): Promise<ActivityOutcome | undefined>;
}
