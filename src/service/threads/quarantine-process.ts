/** The process in which suspects run (`quarantine.ts`): begun and ended by that of the service, whose log and signals it shares. */
import { calmLog } from '../../calm-log.ts';
import { createLogger } from '../../logger.ts';
import { isOutage } from '../../store/postgres/errors.ts';
import { openPostgresStore, type PostgresStore } from '../../store/postgres/index.ts';
import type { FromQuarantine, QuarantineData, ToQuarantine } from './protocol.ts';
import { ThreadedWorkers } from './threaded-workers.ts';

interface Running {
  readonly store: PostgresStore;
  readonly workers: ThreadedWorkers;
}

let running: Running | undefined;

function post(message: FromQuarantine): void {
  // Whoever does not hear it any more has ended.
  process.send?.(message, undefined, undefined, () => undefined);
}

async function begin({ thread, stopGraceMs }: QuarantineData): Promise<void> {
  const { config, databaseUrl } = thread;
  const writeLog = (line: string): void => post({ kind: 'log', line });
  const log = calmLog(createLogger(config.log, { write: writeLog }), isOutage);
  process.on('uncaughtException', (error) => log.error({ err: error }, 'uncaught exception beside suspects'));
  const store = openPostgresStore({
    connectionString: databaseUrl,
    schema: config.schema,
    clientConnections: 2,
    workerConnections: 1,
    ...(config.directDatabaseUrl === undefined ? {} : { directConnectionString: config.directDatabaseUrl }),
    ...(config.preparedStatements === undefined ? {} : { preparedStatements: config.preparedStatements }),
    log: (text, error) => log.warn({ err: error }, text),
  });
  const workers = new ThreadedWorkers({
    ...config.isolation,
    kind: 'quarantine',
    store,
    taskHub: config.taskHub,
    leaseMs: config.leaseMs,
    pollMs: config.pollMs,
    stopGraceMs,
    thread,
    log,
    writeLog,
    onRegistered: (workerId) => post({ kind: 'registered', workerId }),
  });
  running = { store, workers };
  await workers.start().catch((error: unknown) => {
    // The service begins another one.
    log.warn({ err: error }, 'the process of suspects could not start');
    process.disconnect();
  });
}

async function stop(): Promise<void> {
  await running?.workers.stop();
  await running?.store.close();
  process.exit(0);
}

process.on('message', (message: ToQuarantine) => {
  switch (message.kind) {
    case 'begin':
      return void begin(message.data);
    case 'count':
      return void (async () => {
        post({ kind: 'counted', id: message.id, snapshots: (await running?.workers.snapshots()) ?? [] });
      })();
    case 'stop':
      return void stop();
  }
});
// Its leases end, as those of the service do.
process.on('disconnect', () => process.exit(1));
// A terminal tells all of its processes; the service says what is to be done.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
