/**
 * A thread that runs functions: loads the modules, and works when it is told to. It can stand still or end at any moment;
 * whoever watches over it (`threaded-workers.ts`) is in the main thread.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { Culprit } from '../../model/culprit.ts';
import type { StartOffer } from '../../model/work.ts';
import { isOutage } from '../../store/postgres/errors.ts';
import { openPostgresStore } from '../../store/postgres/index.ts';
import { prepareHubWorker } from '../../hub-worker.ts';
import { calmLog } from '../../calm-log.ts';
import { createLogger } from '../../logger.ts';
import { loadFunctions } from '../../worker/in-process/load-functions.ts';
import type { Worker } from '../../worker/worker.ts';
import { startTelemetry } from '../telemetry.ts';
import { hubSettings } from './hub-settings.ts';
import { Outbox } from './outbox.ts';
import {
  probeName,
  SharedState,
  type FromThread,
  type ProbeAnswer,
  type Role,
  type ThreadData,
  type ToThread,
} from './protocol.ts';
import { ThreadBus } from './thread-bus.ts';
import { running, WatchedExecutor } from './watched-executor.ts';

const port = parentPort;
if (port === null) throw new Error('this module is the beginning of a worker thread');
const data = workerData as ThreadData;
const shared = new SharedState(data.shared);
const contexts = new AsyncLocalStorage<Culprit>();
const outbox = new Outbox<FromThread>((messages) => port.postMessage(messages));
const post = (message: FromThread): void => outbox.post(message);
/** How long one of them alone is quiet about an outage that it has told of, in ms. */
const quietMs = 5_000;
const logger = calmLog(
  createLogger(
    data.config.log,
    { write: (line) => post({ kind: 'log', line }) },
    { traced: data.config.traces !== undefined },
  ),
  isOutage,
  quietMs * Math.max(1, data.config.workers),
);

setInterval(() => shared.beat(), data.beatMs);
Object.defineProperty(globalThis, Symbol.for(probeName), {
  value: () => {
    const bufferBytes = process.memoryUsage().arrayBuffers;
    return JSON.stringify({ ...running(contexts), threadId, bufferBytes } satisfies ProbeAnswer);
  },
});

// F24, F42: what user code forgot. Its orchestration or activity has its own outcome, and others are not harmed.
process.on('unhandledRejection', (reason) => {
  logger.error({ err: reason, ...whose() }, 'unhandled rejection in user code');
});
process.on('uncaughtException', (error) => {
  logger.error({ err: error, ...whose() }, 'uncaught exception in user code');
});
process.on('exit', (code) => {
  post({ kind: 'exiting', code, running: running(contexts) });
  outbox.flush();
});

function whose(): object {
  const culprit = contexts.getStore();
  return culprit === undefined ? {} : { instanceId: culprit.instanceId, [culprit.kind]: culprit.name };
}

// Before user code is loaded, which may look for it.
const telemetry = data.config.traces && (await startTelemetry(data.config.traces, logger));
const loaded = await loadFunctions(data.modules).catch((error: unknown) => {
  post({ kind: 'unloadable', message: error instanceof Error ? error.message : String(error) });
  throw error;
});
const prepared = prepareHubWorker({
  ...hubSettings(data.config),
  functions: loaded.functions,
  tokenProviders: loaded.tokenProviders,
  ...(telemetry === undefined ? {} : { spanIds: telemetry.spanIds }),
  logger,
});
const bus = new ThreadBus((notification) => post({ kind: 'told', notification }));
const store = openPostgresStore({
  connectionString: data.databaseUrl,
  schema: data.config.schema,
  clientConnections: 2,
  notifications: bus,
  ...(data.config.directDatabaseUrl === undefined ? {} : { directConnectionString: data.config.directDatabaseUrl }),
  ...(data.config.preparedStatements === undefined ? {} : { preparedStatements: data.config.preparedStatements }),
  log: (text, error) => logger.warn({ err: error }, text),
});
/** Made, or being made. */
const offers = new Map<number, StartOffer | Promise<StartOffer | undefined>>();
let current: { readonly worker: Worker; readonly executor: WatchedExecutor } | undefined;
let isStopping = false;

async function activate(role: Role, name: string): Promise<void> {
  let executor: WatchedExecutor | undefined;
  const worker = prepared.open(store, {
    name,
    suspects: role === 'quarantine' ? 'only' : 'none',
    onRegistered: (workerId) => post({ kind: 'registered', workerId }),
    isSetAside: () => shared.isSetAside,
    around: (inner) => (executor = new WatchedExecutor(inner, shared, contexts)),
  });
  if (executor === undefined) throw new Error('the executor was not asked for');
  current = { worker, executor };
  for (let failures = 0; !isStopping; failures += 1) {
    try {
      await worker.start();
      post({ kind: 'active' });
      return;
    } catch (error) {
      logger.warn({ err: error }, 'the worker could not start, trying again');
      await delay(Math.min(5_000, 100 * 2 ** failures));
    }
  }
}

async function retire(kept: Culprit | undefined, graceMs: number): Promise<void> {
  const before = current;
  if (before === undefined) return;
  await before.worker.retire({ kept, isQuiet: () => !before.executor.runs(kept), graceMs });
  if (current !== before || isStopping) return;
  current = undefined;
  shared.isSetAside = false;
  post({ kind: 'ready' });
}

async function stop(): Promise<void> {
  isStopping = true;
  await current?.worker.stop();
  await store.close();
  await prepared.close();
  await telemetry?.stop();
  post({ kind: 'stopped' });
}

async function answerOffer({ id, hubId, start }: Extract<ToThread, { kind: 'offer' }>): Promise<void> {
  const offering = current?.worker.offer(hubId, start).catch((error: unknown) => {
    logger.error({ err: error, instanceId: start.instanceId }, 'a first turn was abandoned');
    return undefined;
  });
  // The main thread may know what it wants before this one has an answer.
  if (offering !== undefined) offers.set(id, offering);
  const offer = await offering;
  if (offer === undefined) {
    offers.delete(id);
    return post({ kind: 'offered', id });
  }
  if (offers.has(id)) offers.set(id, offer);
  post({ kind: 'offered', id, offer: { owner: offer.owner, firstTurn: offer.firstTurn } });
}

/** At once where it can be: what is told next may be about this instance. */
function takeOffer(id: number, take: (offer: StartOffer) => void): void {
  const offer = offers.get(id);
  offers.delete(id);
  if (offer instanceof Promise) void offer.then((made) => made && take(made));
  else if (offer !== undefined) take(offer);
}

function take(message: ToThread): void {
  switch (message.kind) {
    case 'heard':
      return bus.deliver(message.notification);
    case 'offer':
      return void answerOffer(message);
    case 'accept':
      return takeOffer(message.id, (offer) => offer.accept(message.key, message.hasTurn));
    case 'withdraw':
      return takeOffer(message.id, (offer) => offer.withdraw());
    case 'activate':
      return void activate(message.role, message.name);
    case 'retire':
      return void retire(message.kept, message.graceMs);
    case 'count':
      return post({ kind: 'counted', id: message.id, snapshots: current?.worker.snapshots() ?? [] });
    case 'stop':
      return void stop();
  }
}

port.on('message', (messages: readonly ToThread[]) => messages.forEach(take));
post({ kind: 'ready' });
