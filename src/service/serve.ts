/** Runs the service: wires its parts, waits for the end, stops them in order. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { StartRequest } from '../cli/commands/start.ts';
import { calmLog } from '../calm-log.ts';
import { readConfig, type Config, type HttpConfig } from '../config.ts';
import type { MonitorConfig } from '../listen-config.ts';
import { createMonitor } from '../http/monitor.ts';
import { createServer } from '../http/server.ts';
import type { LogDestination } from '../log-output.ts';
import { createLogger, openLog } from '../logger.ts';
import { isOutage } from '../store/postgres/errors.ts';
import { openTaskHub, type TaskHub } from '../task-hub.ts';
import { loadFunctions, type LoadedFunctions } from '../worker/in-process/load-functions.ts';
import { announce } from './announcement.ts';
import { databaseError, listenError, moduleError, triggerError } from './explain.ts';
import { requireFreePort } from './free-port.ts';
import { chooseModules } from './modules.ts';
import { startTelemetry, type Telemetry } from './telemetry.ts';
import { startPatiently } from './start-patiently.ts';
import { listenForShutdown, RunningParts } from './shutdown.ts';
import { hubSettings } from './threads/hub-settings.ts';
import { ThreadedWorkers } from './threads/threaded-workers.ts';

/** How long requests that were accepted may take after a signal. */
const httpGraceMs = 10_000;
/** How long a start may take to notice a signal. */
const startGraceMs = 2_000;
/** How long activities may take after a signal. */
const activityGraceMs = 25_000;

/**
 * Runs until a signal, then ends the process with 0.
 * @throws ConfigError, StartupError, EmbeddedPostgresError, DurableError when it cannot start
 */
export async function serve(request: StartRequest): Promise<void> {
  const config = readConfig({ flags: request.flags });
  const modules = chooseModules({
    given: request.modules,
    workingDirectory: process.cwd(),
    worker: config.workers > 0,
  });
  const logDestination = openLog(config.log);
  const logger = createLogger(config.log, logDestination, { traced: config.traces !== undefined });
  const shutdown = listenForShutdown(logger);
  const parts = new RunningParts(logger);
  try {
    const started = start({ config, modules, logger, logDestination, parts, signal: shutdown.signal });
    // The database may never answer; what comes of it after that is of no interest either.
    const interrupted = shutdown.requested.then(() => delay(startGraceMs));
    await Promise.race([started, interrupted]);
    started.catch(() => undefined);
    await shutdown.requested;
  } catch (error) {
    // What a start says after it was interrupted is of no interest.
    if (!shutdown.signal.aborted) throw error;
  } finally {
    await parts.stop();
  }
  logger.info('stopped');
  // User code may still hold the event loop, with a timer or a connection of its own.
  process.exit(0);
}

interface StartParts {
  readonly config: Config;
  readonly modules: readonly string[];
  readonly logger: Logger;
  readonly logDestination: LogDestination;
  readonly parts: RunningParts;
  readonly signal: AbortSignal;
}

async function start({ config, modules, logger, logDestination, parts, signal }: StartParts): Promise<void> {
  // Before user code is loaded, which may look for it; ended after everything that makes spans.
  const telemetry = config.traces && (await startTelemetry(config.traces, logger));
  if (telemetry !== undefined) parts.add('traces', () => telemetry.stop());
  const loaded = await loadFunctions(modules).catch((error: unknown) => {
    logger.debug({ err: error }, 'modules could not be loaded');
    throw moduleError(error);
  });
  const databaseUrl = config.databaseUrl ?? (await startEmbedded({ config, logger, parts }));
  signal.throwIfAborted();
  // After the embedded database, which knows better why a second start beside the first one will not do.
  if (config.monitor !== undefined) await requireFreePort(config.monitor, '--monitor-port');
  if (config.http !== undefined) await requireFreePort(config.http);
  signal.throwIfAborted();
  const hub = await startHub({
    config,
    databaseUrl,
    modules,
    loaded,
    telemetry,
    logger,
    logDestination,
    parts,
    signal,
  });
  signal.throwIfAborted();
  if (config.monitor !== undefined) await monitor({ ...config.monitor, hub, logger, parts, signal });
  signal.throwIfAborted();
  const url = config.http && (await listen({ http: config.http, hub, loaded, logger, parts, signal }));
  announce({ config, modules, triggers: loaded.triggers, url, logger });
}

async function startEmbedded({ config, logger, parts }: Pick<StartParts, 'config' | 'logger' | 'parts'>) {
  // Nothing of it is loaded when a database is given.
  const { startEmbeddedPostgres } = await import('../store/embedded/embedded-postgres.ts');
  const server = await startEmbeddedPostgres({ dataDir: config.dataDir, log: (text) => logger.info(text) });
  parts.add('embedded Postgres', () => server.stop());
  logger.info({ folder: join(config.dataDir, 'postgres') }, 'embedded Postgres runs');
  return server.url;
}

async function startHub(
  options: Pick<StartParts, 'config' | 'modules' | 'logger' | 'logDestination' | 'parts' | 'signal'> & {
    readonly databaseUrl: string;
    readonly loaded: LoadedFunctions;
    readonly telemetry: Telemetry | undefined;
  },
): Promise<TaskHub> {
  const { config, databaseUrl, modules, loaded, telemetry, logger, logDestination, parts, signal } = options;
  const calm = calmLog(logger, isOutage);
  const hub = openTaskHub(
    {
      ...hubSettings(config),
      databaseUrl,
      ...(config.directDatabaseUrl === undefined ? {} : { directDatabaseUrl: config.directDatabaseUrl }),
      ...(config.preparedStatements === undefined ? {} : { preparedStatements: config.preparedStatements }),
      functions: loaded.functions,
      tokenProviders: loaded.tokenProviders,
      migrate: config.migrate,
      worker: false,
      auditRetentionMs: config.auditRetentionMs,
      retention: config.retention,
      ...(config.webhookSecret === undefined ? {} : { webhookSecret: config.webhookSecret }),
      ...(telemetry === undefined ? {} : { spanIds: telemetry.spanIds }),
      logger: calm,
    },
    config.workers === 0
      ? undefined
      : (store) =>
          new ThreadedWorkers({
            kind: 'service',
            store,
            ...config.isolation,
            workers: config.workers,
            taskHub: config.taskHub,
            leaseMs: config.leaseMs,
            pollMs: config.pollMs,
            stopGraceMs: activityGraceMs,
            // The embedded database belongs to this process: whoever worked on it before is gone.
            endOtherLeases: config.databaseUrl === undefined,
            thread: { config, databaseUrl, modules },
            log: calm,
            writeLog: (line) => void logDestination.write(line),
          }),
  );
  parts.add('task hub', () => hub.stop());
  try {
    await startPatiently(() => hub.start(), { logger, signal });
  } catch (error) {
    throw databaseError(error, config.directDatabaseUrl ?? databaseUrl);
  }
  return hub;
}

/** Serves health and metrics by themselves. */
async function monitor(
  options: MonitorConfig & Pick<StartParts, 'logger' | 'parts' | 'signal'> & { readonly hub: TaskHub },
): Promise<void> {
  const { hub, logger, parts, signal, host, port, systemKey, requireKeys } = options;
  const server = createMonitor(hub, { systemKey, requireKeys, logger, isStopping: () => signal.aborted });
  parts.add('monitoring', () => closeServer(server));
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw listenError(error, { host, port }, '--monitor-port');
  }
  logger.info({ url: urlOf(server, host) }, 'health and metrics');
}

/** @returns the URL under which HTTP answers */
async function listen(options: {
  readonly http: HttpConfig;
  readonly hub: TaskHub;
  readonly loaded: LoadedFunctions;
  readonly logger: Logger;
  readonly parts: RunningParts;
  readonly signal: AbortSignal;
}): Promise<string> {
  const { http, hub, loaded, logger, parts, signal } = options;
  const server = await createServer(hub, {
    triggers: loaded.triggers,
    publicUrl: http.publicUrl,
    systemKey: http.systemKey,
    requireKeys: http.requireKeys,
    signedLinks: http.signedLinks,
    linkTtlMs: http.linkTtlMs,
    rateLimit: http.rateLimit,
    trustProxy: http.trustProxy,
    corsOrigins: http.corsOrigins,
    limits: http.limits,
    maxBodyBytes: http.maxBodyBytes,
    logger,
    isStopping: () => signal.aborted,
  }).catch((error: unknown) => {
    throw triggerError(error);
  });
  parts.add('HTTP', () => closeServer(server));
  try {
    await server.listen({ host: http.host, port: http.port });
  } catch (error) {
    throw listenError(error, http);
  }
  return urlOf(server, http.host);
}

/** Lets accepted requests finish; connections that take longer are cut. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => server.server.closeAllConnections(), httpGraceMs);
  // Fastify closes the connections that are idle now. One that still had an answer to come would be kept alive after it.
  const sweep = setInterval(() => server.server.closeIdleConnections(), 50);
  try {
    await server.close();
  } finally {
    clearTimeout(cut);
    clearInterval(sweep);
  }
}

function urlOf(server: FastifyInstance, host: string): string {
  const address = server.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  // Nobody can call "every address", but this machine can call itself.
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
