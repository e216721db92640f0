import type { Logger } from 'pino';
import type { ExecutionLimits } from '../core/state/turn-limits.ts';
import type { Clock } from '../flow/clock.ts';
import type { WorkerCounters } from './counters.ts';
import type { SuspectFilter } from '../model/culprit.ts';
import type { WorkerId } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import type { Executor } from './executor.ts';
import type { LiveLimits } from './live-instances.ts';
import type { TurnTracing } from './turn-tracing.ts';

/** What a worker is made of. */
export interface WorkerOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly taskHub: string;
  readonly log: Logger;
  /** How long the worker may be silent before others take over, in ms. */
  readonly leaseMs: number;
  /** The longest time between two looks for work, in ms. */
  readonly pollMs: number;
  /** Activities at the same time. */
  readonly maxActivities: number;
  /** Turns at the same time. */
  readonly maxTurns: number;
  /** How long activities may go on after a stop began, in ms. */
  readonly stopGraceMs: number;
  /** After how long an activity that nobody registers fails, in ms. */
  readonly unregisteredGraceMs: number;
  /** Whether workers that seem to live are known to be dead: their work is taken over at once. Default `false`. */
  readonly endOtherLeases?: boolean;
  readonly live?: LiveLimits;
  /** Where it counts what it does. Default: where nobody looks. */
  readonly counters?: WorkerCounters;
  /** Told of turns whose instances belong to a trace. Default: nobody. */
  readonly tracing?: TurnTracing;
  readonly limits?: ExecutionLimits;
  /** Default: that of the process. */
  readonly clock?: Clock;
  /** Makes the ids of executions that turns begin. Default: 32 random hex digits. */
  readonly newExecutionId?: () => string;
  /** For people who look at the list of workers. Default: host and process. */
  readonly name?: string;
  /** `'only'`: one suspect at a time and nothing else. Default `'all'`. */
  readonly suspects?: SuspectFilter;
  /** Longer runs of an activity fail, in ms. Default: no limit. */
  readonly activityLimitMs?: number;
  /** Called with each id that it registers under. */
  readonly onRegistered?: (workerId: WorkerId) => void;
  /** Whether others have taken over what it owns while it stood still: then it begins nothing more. */
  readonly isSetAside?: () => boolean;
}
