import type { Logger } from 'pino';
import type { ExecutionLimits } from '../core/state/turn-limits.ts';
import type { WorkerId } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { WorkerCounters } from './counters.ts';
import type { DatabaseClock } from './database-clock.ts';
import type { Executor } from './executor.ts';
import type { LiveInstances } from './live-instances.ts';
import type { TurnTracing } from './turn-tracing.ts';

/** What the processor of turns is made of. */
export interface ProcessorOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly workerId: WorkerId;
  readonly hubId: number;
  readonly live: LiveInstances;
  readonly slots: ActivitySlots;
  readonly clock: DatabaseClock;
  readonly limits: ExecutionLimits;
  readonly counters: WorkerCounters;
  readonly tracing: TurnTracing | undefined;
  readonly newExecutionId: () => string;
  readonly log: Logger;
  /** Instances may be claimable, or there is room for more. */
  readonly onRoom: () => void;
  /** A timer was stored that fires then, milliseconds since 1970. */
  readonly onTimer: (fireAt: number) => void;
}
