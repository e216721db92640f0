/** The worker of a task hub put together: the functions, what the engine brings, and the loops that run them. */
import { getHeapStatistics } from 'node:v8';
import type { Logger } from 'pino';
import { defaultLimits, type ExecutionLimits } from './core/state/turn-limits.ts';
import type { TokenProviderDefinition } from './model/durable-http.ts';
import { DurableError } from './model/errors.ts';
import type { FunctionDefinition } from './model/functions.ts';
import type { Versioning } from './model/versions.ts';
import type { NewInstance, StartOffer } from './model/work.ts';
import type { WorkerStore } from './store/store.ts';
import type { SpanIds } from './tracing/span-ids.ts';
import { traceExecutor } from './tracing/traced-executor.ts';
import { WorkerSpans } from './tracing/worker-tracing.ts';
import { countExecutor, countStore } from './worker/counting.ts';
import { WorkerCounters, type WorkerSnapshot } from './worker/counters.ts';
import type { Executor } from './worker/executor.ts';
import { openDurableHttp, type DurableHttpSettings } from './worker/in-process/built-in/durable-http.ts';
import { InProcessExecutor } from './worker/in-process/in-process-executor.ts';
import { Worker } from './worker/worker.ts';
import type { WorkerOptions } from './worker/worker-options.ts';

/** What runs the functions of a hub. */
export interface HubWorker {
  /** @throws DurableError `StoreUnavailable` */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Whether it has not been able to work for long. Absent: it is. */
  readonly isDown?: boolean;
  /** What its workers have counted. */
  snapshots(): readonly WorkerSnapshot[] | Promise<readonly WorkerSnapshot[]>;
  /** Takes a new instance before it is stored, if there is room; see `Placement`. */
  offer(hubId: number, start: NewInstance): Promise<StartOffer | undefined>;
}

/** What is the same for every worker of a hub. The defaults are those of `TaskHubOptions`. */
export interface HubWorkerOptions {
  readonly taskHub: string;
  readonly functions?: readonly FunctionDefinition[];
  readonly tokenProviders?: readonly TokenProviderDefinition[];
  readonly durableHttp?: DurableHttpSettings;
  readonly versioning?: Versioning;
  readonly leaseMs?: number;
  readonly pollMs: number;
  readonly endOtherLeases?: boolean;
  readonly maxActivities?: number;
  readonly maxTurns?: number;
  readonly stopGraceMs?: number;
  readonly activityLimitMs?: number;
  readonly unregisteredActivityGraceMs?: number;
  readonly maxLiveInstances?: number;
  readonly maxPayloadLength: number;
  readonly maxTurnLength?: number;
  readonly maxHistoryLength?: number;
  readonly maxHistoryEvents?: number;
  readonly maxActionsPerTurn?: number;
  readonly maxCustomStatusBytes?: number;
  readonly spanIds?: SpanIds;
  readonly logger: Logger;
}

const defaults = {
  leaseMs: 30_000,
  maxActivities: 500,
  maxTurns: 1_000,
  stopGraceMs: 25_000,
  activityLimitMs: 3_600_000,
  unregisteredGraceMs: 30_000,
  // About 40 MB of live heap, which V8 lets grow fourfold before it collects: the process stays below 512 MB.
  maxLiveInstances: 5_000,
};

/**
 * How much waiting orchestrators may weigh, in UTF-16 units: of a small heap a sixteenth, as each is there as text, as the
 * value made of it, and in turns under way.
 */
function maxLiveWeight(): number {
  return Math.min(64 * 1_048_576, Math.floor(getHeapStatistics().heap_size_limit / 16));
}

/** Functions that were looked at, for workers to come. */
export interface PreparedWorker {
  /** @param more what is special about this one. A worker can be started once. */
  open(
    store: WorkerStore,
    more?: Pick<WorkerOptions, 'name' | 'suspects' | 'onRegistered' | 'isSetAside'> & {
      readonly around?: (executor: Executor) => Executor;
    },
  ): Worker;
  close(): Promise<void>;
}

/** @throws DurableError `InvalidArgument` for options that cannot be, and for two functions of one name and version */
export function prepareHubWorker(options: HubWorkerOptions): PreparedWorker {
  const { durableHttp = {}, functions = [], logger, pollMs, maxPayloadLength, versioning } = options;
  for (const name of ['pollIntervalMs', 'maxResponseBytes'] as const) {
    if (durableHttp[name] !== undefined) positive(`durableHttp.${name}`, durableHttp[name]);
  }
  const numbers = {
    leaseMs: positive('leaseMs', options.leaseMs ?? defaults.leaseMs),
    maxActivities: positive('maxActivities', options.maxActivities ?? defaults.maxActivities),
    maxTurns: positive('maxTurns', options.maxTurns ?? defaults.maxTurns),
    activityLimitMs: positive('activityLimitMs', options.activityLimitMs ?? defaults.activityLimitMs),
  };
  const limits = executionLimits(options);
  const http = openDurableHttp(durableHttp, options.tokenProviders ?? []);
  const executor = new InProcessExecutor({
    functions,
    builtIns: [http.activity],
    maxPayloadLength,
    ...(versioning === undefined ? {} : { versioning }),
    ...(options.maxCustomStatusBytes === undefined
      ? {}
      : { maxCustomStatusBytes: positive('maxCustomStatusBytes', options.maxCustomStatusBytes) }),
    ...(durableHttp.pollIntervalMs === undefined ? {} : { httpPollIntervalMs: durableHttp.pollIntervalMs }),
    log: (level, message, fields) => logger[level](fields, message),
  });
  const counters = new WorkerCounters(executor.functions);
  const spans = new WorkerSpans(options.spanIds);
  const traced = traceExecutor(executor, spans);
  return {
    open: (store, { around, ...more } = {}) =>
      new Worker({
        store: countStore(store, counters),
        executor: countExecutor(around === undefined ? traced : around(traced), counters),
        counters,
        tracing: spans,
        taskHub: options.taskHub,
        log: logger,
        pollMs,
        ...numbers,
        // One at a time.
        ...(more.suspects === 'only' ? { maxActivities: 1, maxTurns: 1 } : {}),
        stopGraceMs: options.stopGraceMs ?? defaults.stopGraceMs,
        endOtherLeases: options.endOtherLeases ?? false,
        unregisteredGraceMs: options.unregisteredActivityGraceMs ?? defaults.unregisteredGraceMs,
        live: {
          maxInstances: options.maxLiveInstances ?? defaults.maxLiveInstances,
          maxWeight: maxLiveWeight(),
        },
        limits,
        ...more,
      }),
    close: () => http.close(),
  };
}

function executionLimits(options: HubWorkerOptions): ExecutionLimits {
  const { maxActionsPerTurn, maxHistoryEvents, maxHistoryLength, maxTurnLength } = options;
  return {
    maxActionsPerTurn: positive('maxActionsPerTurn', maxActionsPerTurn ?? defaultLimits.maxActionsPerTurn),
    maxEvents: positive('maxHistoryEvents', maxHistoryEvents ?? defaultLimits.maxEvents),
    maxHistoryLength: positive('maxHistoryLength', maxHistoryLength ?? defaultLimits.maxHistoryLength),
    maxTurnLength: positive('maxTurnLength', maxTurnLength ?? defaultLimits.maxTurnLength),
  };
}

/** @throws DurableError `InvalidArgument` */
export function positive(name: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0) {
    throw new DurableError('InvalidArgument', `${name} must be a number above 0, not ${value}.`);
  }
  return value;
}
