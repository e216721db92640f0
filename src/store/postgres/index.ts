/** The store port on Postgres: puts the parts together, owns the pools. */
import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import type { WorkNotification } from '../../model/work.ts';
import type { OnceStore } from '../once-store.ts';
import type { ClientStore, NotificationBus, Store } from '../store.ts';
import type { DatabaseChecks } from '../database-checks.ts';
import type { MetricsStore } from '../metrics-store.ts';
import type { RetentionStore } from '../retention-store.ts';
import type { SupervisorStore } from '../supervisor-store.ts';
import type { WebhookStore } from '../webhook-store.ts';
import type { AccessStore } from '../access-store.ts';
import type { ArchiveStore } from '../archive-store.ts';
import { PostgresAccess } from './access.ts';
import { Activities } from './activities.ts';
import { PostgresArchive } from './archive.ts';
import { PostgresChecks } from './checks.ts';
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
import { impatient, poolForKysely, Pools } from './pools.ts';
import { PostgresRetention } from './retention.ts';
import { SchemaGate } from './schema-gate.ts';
import { Server, ServerChangedError } from './server.ts';
import { type Connections, Runner, schemaTag, statement, tablesOf } from './sql.ts';
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
  /** Default: unless a transaction pooler is found in between, which cannot keep them. */
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

/** A heartbeat that takes longer tries another connection while the lease still holds. */
const maxHeartbeatMs = 5_000;
const readSettings = statement('read_settings', settingsQuery);
/** How long callers over HTTP wait for a connection of a pool, or in a queue, before they are turned away (F13). */
const maxImpatienceMs = 1_500;
/** How long they wait for what was sent before they are told that its outcome is not known (F09). */
const maxOutcomeMs = 5_000;

/** A store that also holds keys, the audit log, what calls with an idempotency key were answered, webhooks, and what removes and archives. */
export interface PostgresStore extends Store {
  /**
   * The same for callers who would rather be turned away than wait: `StoreUnavailable` when the database cannot keep up,
   * `OutcomeUnknown` when it does not say what became of a call.
   */
  readonly hasty: ClientStore;
  readonly access: AccessStore;
  readonly once: OnceStore;
  readonly webhooks: WebhookStore;
  /** Settings of the server that weaken what is promised, each with the harm; none for most. */
  weakSettings(): Promise<readonly string[]>;
  readonly metrics: MetricsStore;
  readonly retention: RetentionStore;
  readonly archive: ArchiveStore;
  readonly supervision: SupervisorStore;
  /**
   * Whether this version can go on with the database. Once it cannot, clients get `SchemaMismatch`.
   *
   * @param maxAgeMs what a heartbeat has been told of it since then is good enough
   */
  fitsSchema(maxAgeMs: number): Promise<boolean>;
  readonly checks: DatabaseChecks;
}

/** Opens a store on a migrated schema. Connects lazily; LISTEN begins at once and keeps trying. */
export function openPostgresStore(options: PostgresStoreOptions): PostgresStore {
  const schema = checkSchemaName(options.schema);
  const tables = tablesOf(schema);
  const queryTimeoutMs = options.queryTimeoutMs ?? 15_000;
  const { connectionString: url, directConnectionString: directUrl } = options;
  const server = new Server({
    // Nobody gives a second way without a need.
    isPooler: directUrl !== undefined && directUrl !== url,
    onChange: (change) => {
      options.log?.('the database is not the same as before', new ServerChangedError(change));
      notifications.publish({ kind: 'reset', change });
    },
  });
  const pools = new Pools({
    ...(url === undefined ? {} : { connectionString: url }),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
    ...(options.log === undefined ? {} : { log: options.log }),
    server,
    queryTimeoutMs,
  });
  const settings = {
    get prepared() {
      return options.preparedStatements ?? !server.isPooler;
    },
    prefix: schemaTag(schema),
    counts: { conflicts: 0 },
  };
  const clientPool = pools.open('client', options.clientConnections ?? 10);
  const clientConnections = pools.connectionsOf(clientPool);
  // Apart from each other, so that neither a flood of requests nor a full worker starves the rest; heartbeats alone.
  const gate = new SchemaGate(tables);
  const guarded = gate.guard(clientConnections);
  const forClients = new Runner(guarded, settings);
  const workerPool = pools.open('worker', options.workerConnections ?? 6);
  const forWorkers = new Runner(pools.connectionsOf(workerPool), settings);
  const leasePool = pools.open('heartbeat', 1, Math.min(maxHeartbeatMs, queryTimeoutMs));
  const forLeases = new Runner(pools.connectionsOf(leasePool), settings);

  const listenOn = directUrl ?? url;
  const listen = (): Notifications => {
    const own = new Notifications({
      pool: clientPool,
      connections: clientConnections,
      isPooled: () => server.isPooler && directUrl === undefined,
      greet: (client) => server.greet(client),
      schema,
      ...(options.pool || listenOn === undefined ? {} : { connectionString: listenOn }),
      ...(options.log ? { log: options.log } : {}),
    });
    void own.listen();
    return own;
  };
  const notifications = options.notifications ?? listen();

  const listingsOn = (connections: Connections): Listings =>
    new Listings(
      new Kysely<Database>({ dialect: new PostgresDialect({ pool: poolForKysely(connections) }) }).withSchema(schema),
    );
  // For what callers over HTTP wait for.
  const soonOrNever = impatient(guarded, maxImpatienceMs);
  const inHaste = forClients.on(soonOrNever);
  const orchestrations = new Orchestrations(forWorkers, tables);
  const closing = new AbortController();
  const turnCommits = new TurnCommits(forWorkers, tables, closing.signal);
  const activities = new Activities(forWorkers, tables);
  const entities = new Entities(forWorkers, tables, closing.signal);
  const leases = new Workers(forLeases, tables);
  const supervision = new Supervision(forLeases, tables, gate);
  const clientWorkers = new Workers(forClients, tables);

  const pinged = statement('ping', `select 1 from ${tables.instances} limit 0`);
  const forHealth = forLeases.on(impatient(gate.guard(pools.connectionsOf(leasePool)), maxImpatienceMs));
  const ping = async (): Promise<void> => {
    await forHealth.rows(pinged, []);
  };
  const parts = { tables, notifications, listings: listingsOn(guarded), closing: closing.signal, ping };
  const client = clientStore(forClients, parts);
  const hasty = clientStore(inHaste, {
    ...parts,
    listings: listingsOn(soonOrNever),
    patience: { waitMs: maxImpatienceMs, outcomeMs: maxOutcomeMs },
  });
  // Listings are read beside the transaction: nothing that is carried out once asks for one.
  const once = new Once(inHaste, tables, (connections) => {
    const waiting: WorkNotification[] = [];
    const bus: NotificationBus = {
      publish: (notification) => void waiting.push(notification),
      subscribe: (listener) => notifications.subscribe(listener),
    };
    return {
      store: clientStore(new Runner(connections, settings), { ...parts, notifications: bus }),
      publish: () => {
        for (const notification of waiting) notifications.publish(notification);
      },
    };
  });

  return {
    ...client,
    once,
    hasty,
    webhooks: new Webhooks(forClients, tables),
    weakSettings: async () => weakSettings(settingsOf(await forClients.rows(readSettings, []))),
    supervision,
    fitsSchema: (maxAgeMs) => gate.look(forLeases, maxAgeMs),
    checks: new PostgresChecks(forClients, schema),
    access: new PostgresAccess(inHaste, tables),
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
    heartbeat: (request) => leases.heartbeat(request, gate),
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
      await pools.close();
    },
  };
}
