/** The store port on Postgres: puts the parts together, owns the pools. */
import { Kysely, PostgresDialect } from 'kysely';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { OrchestrationInstance } from '../../model/instance.ts';
import type { ClientMessage, ClientStore, InstanceStart, SendOutcome, StartOutcome, Store } from '../store.ts';
import type { AccessStore } from '../access-store.ts';
import { PostgresAccess } from './access.ts';
import { Activities } from './activities.ts';
import type { Database } from './database.ts';
import { Entities } from './entities.ts';
import { EntityQueries } from './entity-queries.ts';
import { toStoreError } from './errors.ts';
import { Hubs } from './hubs.ts';
import { Instances } from './instances.ts';
import { Listings } from './listings.ts';
import { checkSchemaName } from './migrate.ts';
import { Notifications } from './notifications.ts';
import { Orchestrations } from './orchestrations.ts';
import { nowMs, Runner, schemaTag, statement, tablesOf } from './sql.ts';
import { Rewinds } from './rewinds.ts';
import { Starts } from './starts.ts';
import { Trees } from './trees.ts';
import { TurnCommits } from './turn-commits.ts';
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
const maxCloseMs = 2_000;

/** A store that also holds keys and the audit log. */
export interface PostgresStore extends Store {
  readonly access: AccessStore;
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
  const settings = { prepared: options.preparedStatements ?? true, prefix: schemaTag(schema) };
  const clientPool = poolOf('client', options.clientConnections ?? 10);
  // Apart from each other, so that neither a flood of requests nor a full worker starves the rest; heartbeats alone.
  const forClients = new Runner(clientPool, settings);
  const forWorkers = new Runner(poolOf('worker', options.workerConnections ?? 6), settings);
  const forLeases = new Runner(poolOf('heartbeat', 1, Math.min(maxHeartbeatMs, queryTimeoutMs)), settings);

  const listenOn = options.directConnectionString ?? options.connectionString;
  const notifications = new Notifications({
    pool: clientPool,
    schema,
    ...(options.pool || listenOn === undefined ? {} : { connectionString: listenOn }),
    ...(options.log ? { log: options.log } : {}),
  });
  void notifications.listen();

  const hubs = new Hubs(forClients, tables);
  const trees = new Trees(forClients, tables);
  const instances = new Instances(forClients, tables);
  const rewinds = new Rewinds(forClients, tables);
  const starts = new Starts(forClients, tables);
  const listings = new Listings(
    new Kysely<Database>({ dialect: new PostgresDialect({ pool: clientPool }) }).withSchema(schema),
  );
  const orchestrations = new Orchestrations(forWorkers, tables);
  const closing = new AbortController();
  const turnCommits = new TurnCommits(forWorkers, tables, closing.signal);
  const activities = new Activities(forWorkers, tables);
  const entities = new Entities(forWorkers, tables, closing.signal);
  const clientEntities = new Entities(forClients, tables, closing.signal);
  const entityQueries = new EntityQueries(forClients, tables);
  const leases = new Workers(forLeases, tables);
  const clientWorkers = new Workers(forClients, tables);
  const clock = statement('clock', `select ${nowMs} as now`);
  const ping = statement('ping', `select 1 from ${tables.instances} limit 0`);

  const client: ClientStore = {
    notifications,
    findHub: (name) => hubs.find(name),
    ensureHub: (name) => hubs.ensure(name),
    startInstance: async (start: InstanceStart): Promise<StartOutcome> => {
      const outcome = await starts.add(start);
      // Who waits for the end of the one that is gone must look again.
      if (outcome.kind === 'created' && outcome.replaced !== undefined)
        notifications.publish({ kind: 'ended', hubId: start.hubId, keys: [outcome.replaced] });
      if (outcome.kind === 'created' && outcome.owner === null)
        notifications.publish({ kind: 'instances', hubId: start.hubId });
      return outcome;
    },
    sendMessage: async (message: ClientMessage): Promise<SendOutcome> => {
      const { outcome, owned } = await instances.send(message);
      if (outcome.kind === 'sent') {
        notifications.publish(
          owned
            ? { kind: 'inbox', hubId: message.hubId, keys: [outcome.key] }
            : { kind: 'instances', hubId: message.hubId },
        );
      }
      return outcome;
    },
    terminatePending: (request) => instances.terminatePending(request),
    getInstance: (hubId, instanceId, choice): Promise<OrchestrationInstance | undefined> =>
      instances.get(hubId, instanceId, choice?.history ?? false),
    findEnded: (keys) => instances.findEnded(keys),
    listInstances: (hubId, filter, page) => listings.list(hubId, filter, page),
    findOrchestrations: (hubId, filter, page) => listings.find(hubId, filter, page),
    countInstances: (hubId, filter, signal) => listings.count(hubId, filter, signal),
    findSuspension: (hubId, instanceId) => instances.findSuspension(hubId, instanceId),
    rewindInstance: async (request) => {
      const outcome = await rewinds.rewind(request);
      if (outcome.kind === 'rewound') {
        notifications.publish({ kind: 'instances', hubId: request.hubId });
        notifications.publish({ kind: 'activities', hubId: request.hubId });
      }
      return outcome;
    },
    purgeInstance: (hubId, instanceId, audit) => instances.purge(hubId, instanceId, audit),
    purgeTree: async (hubId, instanceId, audit) => {
      const below = await trees.purgeBelow(hubId, instanceId);
      if (below.kind !== 'purged') return below;
      const root = await instances.purge(hubId, instanceId, audit);
      if (root.kind === 'not-terminal') return { ...root, instanceId };
      return { kind: 'purged', instances: below.instances + (root.kind === 'purged' ? 1 : 0) };
    },
    purgeInstances: (hubId, filter) => listings.purge(hubId, filter),
    liveFunctionNames: (hubId) => clientWorkers.liveNames(hubId),
    now: async () => {
      const [row] = await forClients.rows<{ now: number }>(clock, []);
      if (row === undefined) throw new Error('the database did not tell its time');
      return row.now;
    },
    sendToEntity: async (message) => {
      const told = await entityQueries.send(message);
      const { hubId } = message;
      if (told.some((one) => !one.owned)) notifications.publish({ kind: 'instances', hubId });
      const keys = told.filter((one) => one.owned).map((one) => one.key);
      if (keys.length > 0) notifications.publish({ kind: 'inbox', hubId, keys });
    },
    getEntity: (hubId, instanceId, { includeState }) => entityQueries.get(hubId, instanceId, includeState),
    listEntities: (hubId, filter, page) => entityQueries.list(hubId, filter, page),
    findEmptyEntities: (hubId, page) => clientEntities.findEmpty(hubId, page),
    removeEmptyEntities: (found) => clientEntities.removeEmpty(found),
    findOrphanedLocks: (hubId, page) => clientEntities.findOrphanedLocks(hubId, page),
    ping: async () => {
      await forClients.rows(ping, []);
    },
  };

  return {
    ...withStoreErrors(client),
    access: new PostgresAccess(forClients, tables),
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
    takeBackInstances: (workerId, keys) => orchestrations.takeBack(workerId, keys),
    claimActivities: (request) => activities.claim(request),
    completeActivities: (workerId, completions) => activities.complete(workerId, completions),
    releaseActivities: (workerId, taskIds) => activities.release(workerId, taskIds),
    failUnregisteredActivities: async (request) =>
      activities.failUnregistered({ ...request, known: await clientWorkers.liveNames(request.hubId) }),
    removeDeadWorkers: (hubId) => leases.removeDead(hubId),
    close: async () => {
      closing.abort();
      await notifications.close();
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

/** Callers get coded errors instead of those of the driver. */
function withStoreErrors(store: ClientStore): ClientStore {
  const wrap =
    <Arguments extends readonly unknown[], Result>(call: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      try {
        return await call(...args);
      } catch (error) {
        throw toStoreError(error);
      }
    };
  return {
    notifications: store.notifications,
    findHub: wrap(store.findHub),
    ensureHub: wrap(store.ensureHub),
    startInstance: wrap(store.startInstance),
    sendMessage: wrap(store.sendMessage),
    terminatePending: wrap(store.terminatePending),
    getInstance: wrap(store.getInstance),
    findEnded: wrap(store.findEnded),
    listInstances: wrap(store.listInstances),
    findOrchestrations: wrap(store.findOrchestrations),
    countInstances: wrap(store.countInstances),
    findSuspension: wrap(store.findSuspension),
    rewindInstance: wrap(store.rewindInstance),
    purgeInstance: wrap(store.purgeInstance),
    purgeTree: wrap(store.purgeTree),
    purgeInstances: wrap(store.purgeInstances),
    liveFunctionNames: wrap(store.liveFunctionNames),
    now: wrap(store.now),
    sendToEntity: wrap(store.sendToEntity),
    getEntity: wrap(store.getEntity),
    listEntities: wrap(store.listEntities),
    findEmptyEntities: wrap(store.findEmptyEntities),
    removeEmptyEntities: wrap(store.removeEmptyEntities),
    findOrphanedLocks: wrap(store.findOrphanedLocks),
    ping: wrap(store.ping),
  };
}
