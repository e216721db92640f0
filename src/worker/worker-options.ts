import type { Logger } from 'pino';
import type { ExecutionLimits } from '../core/state/turn-limits.ts';
import type { Clock } from '../flow/clock.ts';
import type { WorkerStore } from '../store/store.ts';
import type { WorkerCounters } from './counters.ts';
import type { Executor } from './executor.ts';
import type { LiveLimits } from './live-instances.ts';

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
  readonly limits?: ExecutionLimits;
  /** Default: that of the process. */
  readonly clock?: Clock;
  /** Makes the ids of executions that turns begin. Default: 32 random hex digits. */
  readonly newExecutionId?: () => string;
}
