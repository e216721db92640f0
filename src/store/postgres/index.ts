/** The store port on Postgres: puts the parts together, owns the pools. */
import { Kysely, PostgresDialect } from 'kysely';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { WorkNotification } from '../../model/work.ts';
import type { OnceStore } from '../once-store.ts';
import type { NotificationBus, Store } from '../store.ts';
import type { MetricsStore } from '../metrics-store.ts';
import type { RetentionStore } from '../retention-store.ts';
import type { SupervisorStore } from '../supervisor-store.ts';
import type { WebhookStore } from '../webhook-store.ts';
import type { AccessStore } from '../access-store.ts';
import type { ArchiveStore } from '../archive-store.ts';
import { PostgresAccess } from './access.ts';
import { Activities } from './activities.ts';
import { PostgresArchive } from './archive.ts';
import { clientStore } from './client-store.ts';
import type { Database } from './database.ts';
import { settingsOf, settingsQuery, weakSettings } from './diagnosis/settings.ts';
import { Entities } from './entities.ts';
import { Listings } from './listings.ts';
import { checkSchemaName } from './migrate.ts';
import { PostgresMetrics } from './metrics.ts';
import { Notifications } from './notifications.ts';
import { Once } from './once.ts';
import { Orchestrations } from './orchestrations.ts';
import { PostgresRetention } from './retention.ts';
import { SchemaGate } from './schema-gate.ts';
import { Runner, schemaTag, statement, tablesOf } from './sql.ts';
import { Supervision } from './supervision.ts';
import { TurnCommits } from './turn-commits.ts';
import { Webhooks } from './webhooks.ts';
import { Workers } from './workers.ts';

/** How {@link openPostgresStore} reaches Postgres. */
export interface PostgresStoreOptions {
  /** Either this or `pool`. */
  readonly connectionString?: string;
  /** The user's own pool: used for everything, never ended here. */
  readonly pool?: pg.Pool;
  /** For LISTEN when `connectionString` is a transaction pooler's. */
  readonly directConnectionString?: string;
  readonly schema: string;
  /** Connections for clients' statements. Default 10. */
  readonly clientConnections?: number;
  /** Connections for turns and activities. Default 6. */
  readonly workerConnections?: number;
  /** `false` behind a pooler that cannot keep prepared statements. Default `true`. */
  readonly preparedStatements?: boolean;
  /**
   * After how long a connection that says nothing is given up, in ms: nobody else would find out that it is half open
   * (F52). A pool of the user's has its own `query_timeout`. Default 15,000.
   */
  readonly queryTimeoutMs?: number;
  /** Told and heard by others of this process, who notify the other processes. Default: LISTEN and NOTIFY. */
  readonly notifications?: NotificationBus;
  /** Told about what is handled but worth knowing, such as a lost connection. */
  readonly log?: (text: string, error: unknown) => void;
}

/**
 * The hot statements look rows up by key; which plan is right does not depend on what the statistics of a young or
 * fast-changing table say. Without these a commit of 500 turns on a table that was empty at the last ANALYZE compared
 * 500,000 pairs of rows (measured: 290 ms instead of 9).
 */
const sessionSettings =
  '-c idle_in_transaction_session_timeout=15s ' + // a transaction whose client has vanished must not keep its locks
  '-c enable_seqscan=off -c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan -c jit=off';

/** A heartbeat that takes longer tries another connection while the lease still holds. */
const maxHeartbeatMs = 5_000;
const readSettings = statement('read_settings', settingsQuery);
const maxCloseMs = 2_000;

/** A store that also holds keys, the audit log, what calls with an idempotency key were answered, webhooks, and what removes and archives. */
export interface PostgresStore extends Store {
  readonly access: AccessStore;
  readonly once: OnceStore;
  readonly webhooks: WebhookStore;
  /** Settings of the server that weaken what is promised, each with the harm; none for most. */
  weakSettings(): Promise<readonly string[]>;
  readonly metrics: MetricsStore;
  readonly retention: RetentionStore;
  readonly archive: ArchiveStore;
  readonly supervision: SupervisorStore;
  /** Whether this version can go on with the database. Once it cannot, clients get `SchemaMismatch`. */
  fitsSchema(): Promise<boolean>;
}

/** Opens a store on a migrated schema. Connects lazily; LISTEN begins at once and keeps trying. */
export function openPostgresStore(options: PostgresStoreOptions): PostgresStore {
  const schema = checkSchemaName(options.schema);
  const tables = tablesOf(schema);
  const own: pg.Pool[] = [];
  const queryTimeoutMs = options.queryTimeoutMs ?? 15_000;
  const poolOf = (name: string, max: number, timeoutMs = queryTimeoutMs): pg.Pool => {
    if (options.pool) return options.pool;
    const pool = new pg.Pool({
      ...(options.connectionString === undefined ? {} : { connectionString: options.connectionString }),
      application_name: `perdure ${name}`,
      max,
      connectionTimeoutMillis: Math.min(5_000, timeoutMs),
      query_timeout: timeoutMs,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      options: sessionSettings,
    });
    // An idle connection that breaks is replaced by the pool; unheard it would end the process.
    pool.on('error', (error) => options.log?.('an idle database connection was lost', error));
    hearErrors(pool);
    own.push(pool);
    return pool;
  };
  if (options.pool) hearErrors(options.pool);
  const settings = {
    prepared: options.preparedStatements ?? true,
    prefix: schemaTag(schema),
    counts: { conflicts: 0 },
  };
  const clientPool = poolOf('client', options.clientConnections ?? 10);
  // Apart from each other, so that neither a flood of requests nor a full worker starves the rest; heartbeats alone.
  const gate = new SchemaGate(tables);
  const guarded = gate.guard(clientPool);
  const forClients = new Runner(guarded, settings);
  const workerPool = poolOf('worker', options.workerConnections ?? 6);
  const forWorkers = new Runner(workerPool, settings);
  const forLeases = new Runner(poolOf('heartbeat', 1, Math.min(maxHeartbeatMs, queryTimeoutMs)), settings);

  const listenOn = options.directConnectionString ?? options.connectionString;
  const listen = (): Notifications => {
    const own = new Notifications({
      pool: clientPool,
      schema,
      ...(options.pool || listenOn === undefined ? {} : { connectionString: listenOn }),
      ...(options.log ? { log: options.log } : {}),
    });
    void own.listen();
    return own;
  };
  const notifications = options.notifications ?? listen();

  const listings = new Listings(
    new Kysely<Database>({ dialect: new PostgresDialect({ pool: guarded }) }).withSchema(schema),
  );
  const orchestrations = new Orchestrations(forWorkers, tables);
  const closing = new AbortController();
  const turnCommits = new TurnCommits(forWorkers, tables, closing.signal);
  const activities = new Activities(forWorkers, tables);
  const entities = new Entities(forWorkers, tables, closing.signal);
  const leases = new Workers(forLeases, tables);
  const supervision = new Supervision(forLeases, tables);
  const clientWorkers = new Workers(forClients, tables);

  const client = clientStore(forClients, { tables, notifications, listings, closing: closing.signal });
  // Listings are read beside the transaction: nothing that is carried out once asks for one.
  const once = new Once(forClients, tables, (connections) => {
    const waiting: WorkNotification[] = [];
    const bus: NotificationBus = {
      publish: (notification) => void waiting.push(notification),
      subscribe: (listener) => notifications.subscribe(listener),
    };
    const parts = { tables, notifications: bus, listings, closing: closing.signal };
    return {
      store: clientStore(new Runner(connections, settings), parts),
      publish: () => {
        for (const notification of waiting) notifications.publish(notification);
      },
    };
  });

  return {
    ...client,
    once,
    webhooks: new Webhooks(forClients, tables),
    weakSettings: async () => weakSettings(settingsOf(await forClients.rows(readSettings, []))),
    supervision,
    fitsSchema: () => gate.look(forLeases),
    access: new PostgresAccess(forClients, tables),
    metrics: new PostgresMetrics(forClients, tables, {
      schema,
      pools: options.pool
        ? [{ name: 'own', pool: options.pool }]
        : [
            { name: 'client', pool: clientPool },
            { name: 'worker', pool: workerPool },
          ],
      notifications: notifications instanceof Notifications ? notifications : { isListening: true },
      counts: settings.counts,
    }),
    retention: new PostgresRetention(forClients, tables),
    archive: new PostgresArchive(forClients, tables),
    notifications,
    registerWorker: (worker) => leases.register(worker),
    heartbeat: (request) => leases.heartbeat(request),
    endLeases: (hubId) => leases.endLeases(hubId),
    deregisterWorker: (workerId) => leases.deregister(workerId),
    claimOrchestrations: (request) => orchestrations.claim(request),
    findOrphanVersions: (request) => orchestrations.orphanVersions(request),
    readClaimed: (requests) => orchestrations.read(requests),
    readStart: (key) => orchestrations.readStart(key),
    readEntities: (requests) => entities.read(requests),
    commitEntities: (workerId, commits) => entities.commit(workerId, commits),
    findUnregisteredEntities: (request) => entities.findUnregistered(request),
    sweepMessages: (hubId) => orchestrations.sweep(hubId),
    commitTurns: (workerId, turns) => turnCommits.commit(workerId, turns),
    discardMessages: (workerId, discards) => orchestrations.discard(workerId, discards),
    forgetStrikes: (key) => supervision.forget(key),
    takeBackInstances: (workerId, keys) => orchestrations.takeBack(workerId, keys),
    claimActivities: (request) => activities.claim(request),
    completeActivities: (workerId, completions) => activities.complete(workerId, completions),
    releaseActivities: (workerId, taskIds) => activities.release(workerId, taskIds),
    failUnregisteredActivities: async (request) =>
      activities.failUnregistered({ ...request, known: await clientWorkers.liveNames(request.hubId) }),
    removeDeadWorkers: async (hubId) => {
      await leases.removeDead(hubId);
      await supervision.sweep();
    },
    close: async () => {
      closing.abort();
      if (notifications instanceof Notifications) await notifications.close();
      // A statement whose answer does not come keeps its connection until it times out: not the caller's business.
      const ended = Promise.all(own.map((pool) => pool.end()));
      await Promise.race([ended, delay(maxCloseMs, undefined, { ref: false })]);
    },
  };
}

/**
 * A connection that breaks while it is lent out emits an error that the pool does not listen to; unheard it would end
 * the process. Whoever uses the connection learns of it from the query that rejects.
 */
function hearErrors(pool: pg.Pool): void {
  pool.on('connect', (client) => client.on('error', () => undefined));
}
