/** The parts put together: a store and functions become a client and a worker. Knows no HTTP. */
import type pg from 'pg';
import { pino, type Logger } from 'pino';
import type { Access } from './client/access.ts';
import type { ClientSource, OrchestrationClient } from './client/client.ts';
import { CompletionWaiters } from './client/completion-waiters.ts';
import { DeclaredValues } from './client/declared-values.ts';
import { KnownFunctions } from './client/known-functions.ts';
import { LocalAccess } from './client/local-access.ts';
import { LocalClient } from './client/local-client.ts';
import { LocalStatusEvents } from './client/local-status-events.ts';
import { openOnce } from './client/once.ts';
import type { Explainer } from './client/explainer.ts';
import { whoAsked } from './client/who-asked.ts';
import { Pruning } from './client/pruning.ts';
import type { TokenProviderDefinition } from './model/durable-http.ts';
import { explainInstance } from './core/state/explain-instance.ts';
import { planRewind } from './core/state/rewind.ts';
import type { FunctionDefinition } from './model/functions.ts';
import type { Versioning } from './model/versions.ts';
import { DurableError } from './model/errors.ts';
import { versionProblem } from './model/instance.ts';
import type { RetentionOptions } from './model/retention.ts';
import { openRetention } from './retention/open-retention.ts';
import type { RetentionView } from './retention/retention.ts';
import type { ClientStore } from './store/store.ts';
import { openPostgresStore, type PostgresStore } from './store/postgres/index.ts';
import { isOutage } from './store/postgres/errors.ts';
import { migrate, requireMigrated } from './store/postgres/migrate.ts';
import { ownMigrations } from './store/postgres/migrations.ts';
import { checkSchema } from './store/postgres/schema-state.ts';
import { SchemaWatch } from './schema-watch.ts';
import { calmLog, HeldLog } from './calm-log.ts';
import { positive, prepareHubWorker, type HubWorker } from './hub-worker.ts';
import type { DurableHttpSettings } from './worker/in-process/built-in/durable-http.ts';
import { AddressGuard } from './worker/in-process/built-in/address-guard.ts';
import { awaitedEvents, orchestrationsOf } from './worker/in-process/awaited-events.ts';
import { WebhookSender } from './worker/in-process/built-in/webhook-sender.ts';
import { WebhookDelivery } from './worker/webhook-delivery.ts';
import type { WebhookRules } from './client/webhooks.ts';
import { ClientSpans } from './tracing/client-tracing.ts';
import type { SpanIds } from './tracing/span-ids.ts';
import { HubMetrics } from './metrics/hub-metrics.ts';
import { packageVersion } from './package-root.ts';

/** Options of {@link createTaskHub}. */
export interface TaskHubOptions {
  /** Any Postgres 14 or newer. Either this or `pool`. */
  readonly databaseUrl?: string;
  /** A pool of the caller's: used for everything, never ended. Migrations then need `databaseUrl` too, or have been applied. */
  readonly pool?: pg.Pool;
  /** For LISTEN and migrations when `databaseUrl` is a transaction pooler's. Default: `databaseUrl`. */
  readonly directDatabaseUrl?: string;
  /** Whether statements are prepared. Default: unless a transaction pooler is found between here and Postgres. */
  readonly preparedStatements?: boolean;
  /** Orchestrations and activities that this process runs. */
  readonly functions?: readonly FunctionDefinition[];
  /** Where the tokens of `callHttp({ tokenSource })` come from. */
  readonly tokenProviders?: readonly TokenProviderDefinition[];
  /** What `callHttp` may reach, and how it polls. */
  readonly durableHttp?: DurableHttpSettings;
  /** Default `'default'`. */
  readonly taskHub?: string;
  /** Postgres schema of the tables. Default `'perdure'`. */
  readonly schema?: string;
  /** After how long a silent worker's instances are taken over, in ms. Default 30,000. */
  readonly leaseMs?: number;
  /** The longest idle poll, in ms. Default 1,000. */
  readonly pollMs?: number;
  /**
   * The caller knows that no other worker of this hub lives, e.g. because the database is its own: what they left is
   * taken over at once instead of when their leases end. A worker that lives after all drops what it has. Default `false`.
   */
  readonly endOtherLeases?: boolean;
  /** `false`: the tables are not touched; a start fails as `SchemaMismatch` while they are behind. Default `true`. */
  readonly migrate?: boolean;
  /** `false`: only the client, no worker. Default `true`. */
  readonly worker?: boolean;
  /** Activities that run at the same time. Default 500. */
  readonly maxActivities?: number;
  /** Turns under way at the same time. Default 1,000. */
  readonly maxTurns?: number;
  /** How long activities may go on when the hub stops, in ms. Default 25,000. */
  readonly stopGraceMs?: number;
  /** After how long a call of an activity fails that no live worker has registered, in ms. Default 30,000. */
  readonly unregisteredActivityGraceMs?: number;
  /** Longer runs of an activity fail as `TimeoutError`, in ms; a retry policy applies. Default 3,600,000: one hour. */
  readonly activityLimitMs?: number;
  /** Suspended orchestrators kept in memory. 0 replays every turn from history. Default 5,000. */
  readonly maxLiveInstances?: number;
  /** Largest input, event, result or output in characters of JSON. Default 16,777,216. */
  readonly maxPayloadLength?: number;
  /** What one turn may write, in characters of JSON; more fails its instance. Default 67,108,864. */
  readonly maxTurnLength?: number;
  /** What the history of an execution may grow to, in characters of JSON. Default 268,435,456. */
  readonly maxHistoryLength?: number;
  /** The same in events. Default 1,000,000. */
  readonly maxHistoryEvents?: number;
  /** What an orchestrator may ask for between two waits. Default 100,000. */
  readonly maxActionsPerTurn?: number;
  /** Largest custom status in bytes of UTF-8. Default 16,384. */
  readonly maxCustomStatusBytes?: number;
  /** Longest instance id of a start, in UTF-16 units; at most 256, the default. */
  readonly maxInstanceIdLength?: number;
  /** How this process deals with the versions of orchestrations. Default: every version is served. */
  readonly versioning?: Versioning;
  /**
   * Signs completion webhooks: a text, or `whsec_` and base64. They may reach what `durableHttp` allows. Default: none, and
   * then they are refused.
   */
  readonly webhookSecret?: string;
  /** How long records of the audit log are kept, in ms; 0 keeps them for ever. Default 7,776,000,000: 90 days. */
  readonly auditRetentionMs?: number;
  /**
   * For how long what has ended is kept; `false`: for ever. Default: 90 days after the end it is removed with its history, by
   * one of the hub's workers.
   */
  readonly retention?: RetentionOptions | false;
  /**
   * What the tracer provider of your OpenTelemetry SDK has as `idGenerator`: then the spans of activities are children of that
   * of their orchestration. Default: they are children of whoever started it.
   */
  readonly spanIds?: SpanIds;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** A running (or not yet started) task hub. */
export interface TaskHub {
  /** The verbs on this hub's orchestrations. */
  readonly client: OrchestrationClient;
  /** Clients of any hub of the store. */
  readonly clients: ClientSource;
  /** Named keys of the HTTP API, the secrets of signed links, and the audit log. */
  readonly access: Access;
  /** Counts of this process and the state of the hub, for Prometheus. Nothing is measured until somebody looks. */
  readonly metrics: HubMetrics;
  /** What becomes of what has ended. */
  readonly retention: RetentionView;
  /** What this process runs, and knows the schemas of. */
  readonly functions: readonly FunctionDefinition[];
  /**
   * Migrates the schema and begins to work.
   * @throws DurableError `StoreUnavailable`; `SchemaMismatch` when a newer version has the tables, or they are behind and
   *   may not be touched
   */
  start(): Promise<void>;
  /** Finishes or hands over what runs, then lets go of the database. Can be called more than once. */
  stop(): Promise<void>;
}

const defaults = {
  pollMs: 1_000,
  maxPayloadLength: 16_777_216,
  maxInstanceIdLength: 256,
  auditRetentionMs: 90 * 86_400_000,
};

/**
 * Makes a task hub on a Postgres database, inside the caller's process.
 * @throws DurableError `InvalidArgument` for options that cannot be
 */
export function createTaskHub(options: TaskHubOptions): TaskHub {
  return openTaskHub(options);
}

/**
 * The same with another worker.
 * @param openWorker makes it. Default: one in this thread, unless the options say that there is none
 */
export function openTaskHub(options: TaskHubOptions, openWorker?: (store: PostgresStore) => HubWorker): TaskHub {
  if (!options.databaseUrl && options.pool === undefined) {
    throw new DurableError('InvalidArgument', 'createTaskHub needs databaseUrl or pool.');
  }
  const taskHub = options.taskHub ?? 'default';
  const schema = options.schema ?? 'perdure';
  // Everybody who needs the database says so when it is away.
  const logger = calmLog(options.logger ?? pino({ level: 'silent' }), isOutage);
  const pollMs = positive('pollMs', options.pollMs ?? defaults.pollMs);
  const maxPayloadLength = positive('maxPayloadLength', options.maxPayloadLength ?? defaults.maxPayloadLength);
  const maxInstanceIdLength = Math.min(
    defaults.maxInstanceIdLength,
    positive('maxInstanceIdLength', options.maxInstanceIdLength ?? defaults.maxInstanceIdLength),
  );
  const { functions = [], durableHttp = {} } = options;
  const versioning = checkVersioning(options.versioning ?? {});
  const prepareWorker = prepareHubWorker({ ...options, taskHub, logger, maxPayloadLength, versioning, pollMs });
  // A start that fails for want of a database says so once, and no part of the store beside it.
  const early = new HeldLog();
  // It connects: what can be refused has been looked at before.
  const store = openPostgresStore({
    schema,
    ...(options.databaseUrl === undefined ? {} : { connectionString: options.databaseUrl }),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
    ...(options.directDatabaseUrl === undefined ? {} : { directConnectionString: options.directDatabaseUrl }),
    ...(options.preparedStatements === undefined ? {} : { preparedStatements: options.preparedStatements }),
    log: (text, error) => early.say(() => logger.warn({ err: error }, text)),
  });
  const retention = openRetention({ store, taskHub, retention: options.retention, log: logger });
  const metrics = new HubMetrics({
    ...{ taskHub, store: store.metrics, version: packageVersion() },
    retention: () => retention.counters,
  });
  const worker: HubWorker | undefined =
    openWorker?.(store) ?? (options.worker === false ? undefined : prepareWorker.open(store));
  if (worker !== undefined) metrics.addWorkers(() => worker.snapshots());
  const webhookSender = new WebhookSender(new AddressGuard(durableHttp.allow ?? []));
  const webhooks =
    options.webhookSecret === undefined
      ? undefined
      : new WebhookDelivery({
          store: store.webhooks,
          notifications: store.notifications,
          send: (request, signal) => webhookSender.send(request, signal),
          secret: options.webhookSecret,
          pollMs,
          log: logger,
        });
  const clients = openClients(store, {
    ...(webhooks === undefined
      ? {}
      : {
          webhooks: {
            problem: (url) => webhookSender.problem(url),
            registered: () => webhooks.registered(),
          },
        }),
    taskHub,
    pollMs,
    maxPayloadLength,
    maxInstanceIdLength,
    functions,
    declared: new DeclaredValues(functions),
    ...(versioning.defaultVersion === undefined ? {} : { defaultVersion: versioning.defaultVersion }),
    ...(worker ? { worker } : {}),
  });
  const auditRetentionMs = options.auditRetentionMs ?? defaults.auditRetentionMs;
  const pruning = new Pruning(async () => {
    const warn = (error: unknown): void => logger.warn({ err: error }, 'old records could not be removed');
    if (auditRetentionMs > 0) await store.access.pruneAudit(auditRetentionMs).catch(warn);
    await store.once.prune().catch(warn);
    await look();
  });
  const look = async (): Promise<void> => {
    // What cannot be asked is no reason to say anything: the database is away, which others notice.
    for (const text of await store.checks.findWarnings().catch(() => [])) logger.warn(text);
  };
  const endWork = onceOnly(async () => {
    pruning.stop();
    await retention.stop();
    await webhooks?.stop();
    await webhookSender.close();
    await worker?.stop();
    await prepareWorker.close();
  });
  const schemaWatch = new SchemaWatch({
    fits: (maxAgeMs) => store.fitsSchema(maxAgeMs),
    onSuperseded: endWork,
    pollMs,
    log: logger,
  });
  return {
    client: clients.open(taskHub),
    clients: clients.hasty,
    access: new LocalAccess(store.access),
    metrics,
    retention,
    functions,
    start: async () => {
      const connectionString = options.directDatabaseUrl ?? options.databaseUrl;
      if (connectionString === undefined) {
        if (options.pool !== undefined) await checkSchema(options.pool, schema, ownMigrations());
      } else if (options.migrate === false) {
        await requireMigrated({ connectionString, schema });
      } else {
        await migrate({ connectionString, schema, log: (text) => logger.info(text) });
      }
      early.release();
      const weak = await store.weakSettings();
      if (weak.length > 0) {
        logger.warn(`settings of the database weaken what is promised: ${weak.join('; ')}; 'perdure doctor' says more`);
      }
      await worker?.start();
      schemaWatch.start();
      webhooks?.start();
      await look();
      pruning.start();
      if (worker !== undefined) retention.start();
    },
    stop: onceOnly(async () => {
      await schemaWatch.stop();
      await endWork();
      clients.close();
      await store.close();
    }),
  };
}

/** @returns what runs `work` at the first call, and gives all others the same outcome */
function onceOnly(work: () => Promise<void>): () => Promise<void> {
  let outcome: Promise<void> | undefined;
  return () => (outcome ??= work());
}

function openClients(
  store: PostgresStore,
  options: {
    readonly taskHub: string;
    readonly pollMs: number;
    readonly maxPayloadLength: number;
    readonly maxInstanceIdLength: number;
    readonly functions: readonly FunctionDefinition[];
    readonly declared: DeclaredValues;
    readonly defaultVersion?: string;
    readonly worker?: HubWorker;
    readonly webhooks?: WebhookRules;
  },
): ClientSource & { readonly hasty: ClientSource; close(): void } {
  const waiters = new CompletionWaiters(store, options.pollMs);
  const events = new LocalStatusEvents(store, options.pollMs);
  const explainer: Explainer = { explain: explainInstance, findWhoAsked: whoAsked(store.access) };
  const parts = {
    store: store as ClientStore,
    waiters,
    known: new KnownFunctions(store),
    pollMs: options.pollMs,
    maxPayloadLength: options.maxPayloadLength,
    maxInstanceIdLength: options.maxInstanceIdLength,
    placement: options.worker,
    ...(options.webhooks === undefined ? {} : { webhooks: options.webhooks }),
    explainer,
    planRewind,
    tracing: new ClientSpans(),
    ...(options.defaultVersion === undefined ? {} : { defaultVersion: options.defaultVersion }),
  };
  const { declared, taskHub: served } = options;
  const known = orchestrationsOf(options.functions);
  const here: Explainer = {
    ...explainer,
    awaitedEvents: (instance, history) => awaitedEvents(known, instance, history),
  };
  const isServed = (taskHub: string): boolean => taskHub.toLowerCase() === served.toLowerCase();
  const sourceOn = (on: typeof parts): ClientSource => {
    const opened = new Map<string, LocalClient>();
    return {
      defaultTaskHub: options.taskHub,
      open: (taskHub, audit) => {
        if (audit !== undefined) return new LocalClient(taskHub, { ...on, audit });
        const before = opened.get(taskHub);
        if (before) return before;
        // What other hubs run is not known here.
        const client = new LocalClient(taskHub, isServed(taskHub) ? { ...on, declared, explainer: here } : on);
        // Names come from requests: what is remembered of them stays small.
        if (opened.size < 1_000) opened.set(taskHub, client);
        return client;
      },
      once: openOnce(store.once, (within, taskHub, audit) => {
        // Nothing of it is to be seen before it is through: nobody takes the instance, nobody waits for effects.
        const apart = { store: within, known: new KnownFunctions(within), placement: undefined, pollMs: 0 };
        const all = { ...on, ...apart, ...(audit === undefined ? {} : { audit }) };
        return new LocalClient(taskHub, isServed(taskHub) ? { ...all, declared } : all);
      }),
      events,
      ping: async () => {
        await on.store.ping();
        if (options.worker?.isDown === true) throw new Error('the workers of this process crash again and again');
      },
    };
  };
  return {
    ...sourceOn(parts),
    // For requests: their callers would rather be turned away than wait.
    hasty: sourceOn({ ...parts, store: store.hasty, known: new KnownFunctions(store.hasty) }),
    close: () => {
      waiters.close();
      events.close();
    },
  };
}

/** @throws DurableError `InvalidArgument` */
function checkVersioning(versioning: Versioning): Versioning {
  const { version, defaultVersion, matchStrategy = 'None', failureStrategy = 'Reject' } = versioning;
  const problem =
    (version === undefined ? null : versionProblem(version)) ??
    (defaultVersion === undefined ? null : versionProblem(defaultVersion)) ??
    (['None', 'Strict', 'CurrentOrOlder'].includes(matchStrategy)
      ? null
      : `matchStrategy must be None, Strict or CurrentOrOlder, not '${matchStrategy}'.`) ??
    (['Reject', 'Fail'].includes(failureStrategy)
      ? null
      : `failureStrategy must be Reject or Fail, not '${failureStrategy}'.`);
  if (problem !== null) throw new DurableError('InvalidArgument', `versioning: ${problem}`);
  return versioning;
}
