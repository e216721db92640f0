/** How user code is kept apart from everything else, as flags and variables say it. */
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { type Environment, integer, setting, type Setting } from './settings.ts';

/** Limits on what user code may do to the thread that it runs in. */
export interface IsolationConfig {
  /** How long a turn of an orchestrator, or an operation of an entity, may take. */
  readonly turnLimitMs: number;
  /** How long an activity may keep its thread busy without a pause. */
  readonly blockLimitMs: number;
  /** How long an activity may take in all. */
  readonly activityLimitMs: number;
  /** After how long others take over the rest of what a thread does that stands still. */
  readonly stallMs: number;
  /** Of each thread. */
  readonly maxHeapMb: number;
  /** Of the whole process, with its buffers. */
  readonly maxMemoryMb: number;
}

/** Flags by their names in camel case. */
export interface IsolationFlags {
  readonly workers?: string;
  readonly turnLimitMs?: string;
  readonly blockLimitMs?: string;
  readonly activityLimitMs?: string;
  readonly stallMs?: string;
  readonly maxWorkerHeapMb?: string;
  readonly maxMemoryMb?: string;
}

const hour = 3_600_000;
const mebi = 1_048_576;

/** @throws ConfigError */
export function isolationConfig(flags: IsolationFlags, env: Environment): IsolationConfig {
  return {
    turnLimitMs: integer(setting(env, '--turn-limit-ms', flags.turnLimitMs, 'PERDURE_TURN_LIMIT_MS'), {
      from: 100,
      to: hour,
      default: 10_000,
    }),
    blockLimitMs: integer(setting(env, '--block-limit-ms', flags.blockLimitMs, 'PERDURE_BLOCK_LIMIT_MS'), {
      from: 100,
      to: 24 * hour,
      default: 60_000,
    }),
    activityLimitMs: integer(setting(env, '--activity-limit-ms', flags.activityLimitMs, 'PERDURE_ACTIVITY_LIMIT_MS'), {
      from: 100,
      to: 365 * 24 * hour,
      default: hour,
    }),
    stallMs: integer(setting(env, '--stall-ms', flags.stallMs, 'PERDURE_STALL_MS'), {
      from: 100,
      to: 600_000,
      default: 500,
    }),
    // What V8 gives itself, which is a part of the memory of the machine or container, or what Node was told.
    maxHeapMb: integer(setting(env, '--max-worker-heap-mb', flags.maxWorkerHeapMb, 'PERDURE_MAX_WORKER_HEAP_MB'), {
      from: 32,
      to: 1_048_576,
      default: Math.floor(getHeapStatistics().heap_size_limit / mebi),
    }),
    maxMemoryMb: integer(setting(env, '--max-memory-mb', flags.maxMemoryMb, 'PERDURE_MAX_MEMORY_MB'), {
      from: 64,
      to: 16_777_216,
      default: Math.floor((Math.min(process.constrainedMemory() || totalmem(), totalmem()) * 0.9) / mebi),
    }),
  };
}

/** How many threads work. */
export function workers(given: Setting): number {
  return integer(given, { from: 0, to: 64, default: 1 });
}
