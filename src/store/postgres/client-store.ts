/** What clients need of the store, on one source of connections: the pool, or one connection in a transaction. */
import type { OrchestrationInstance } from '../../model/instance.ts';
import type {
  ClientMessage,
  ClientStore,
  InstanceStart,
  NotificationBus,
  SendOutcome,
  StartOutcome,
} from '../store.ts';
import { again } from './again.ts';
import { Entities } from './entities.ts';
import { EntityQueries } from './entity-queries.ts';
import { toStoreError } from './errors.ts';
import { Hubs } from './hubs.ts';
import { Instances } from './instances.ts';
import { lentConnection } from './lent-connection.ts';
import type { Listings } from './listings.ts';
import { ObstacleQueries } from './obstacles.ts';
import type { Patience } from './patience.ts';
import { Rewinds } from './rewinds.ts';
import { nowMs, type Runner, statement, type Tables } from './sql.ts';
import { Starts } from './starts.ts';
import { Trees } from './trees.ts';
import { Watches } from './watches.ts';
import { insertWebhook } from './webhooks.ts';
import { Workers } from './workers.ts';

/** Makes a {@link ClientStore}. */
export function clientStore(
  runner: Runner,
  parts: {
    readonly tables: Tables;
    readonly notifications: NotificationBus;
    readonly listings: Listings;
    /** Aborts when the store closes. */
    readonly closing: AbortSignal;
    /** Answers when the database is reachable and migrated, though all connections of clients are taken. */
    readonly ping: () => Promise<void>;
    /** Default: callers wait for as long as it takes. */
    readonly patience?: Patience;
  },
): ClientStore {
  const { tables, notifications, listings, closing, patience, ping } = parts;
  const hubs = new Hubs(runner, tables);
  const trees = new Trees(runner, tables);
  const instances = new Instances(runner, tables, patience);
  const rewinds = new Rewinds(runner, tables);
  const starts = new Starts(runner, tables, patience);
  const entities = new Entities(runner, tables, closing);
  const entityQueries = new EntityQueries(runner, tables);
  const watches = new Watches(runner, tables);
  const workers = new Workers(runner, tables);
  const obstacles = new ObstacleQueries(runner, tables);
  const clock = statement('clock', `select ${nowMs} as now`);
  const addWebhook = insertWebhook(tables);

  /** The webhook is there when the instance is, so that no end comes before it. */
  const startWithWebhook = (start: InstanceStart, url: string): Promise<StartOutcome> =>
    again(
      () =>
        runner.transaction(async (client) => {
          const outcome = await new Starts(runner.on(lentConnection(client)), tables).add(start);
          if (outcome.kind === 'created') await client.query(addWebhook, [outcome.key, url]);
          return outcome;
        }),
      // An earlier sending is recognised by its execution.
      { repeatAfterConnectionLoss: true },
    );

  return withStoreErrors({
    notifications,
    findHub: (name) => hubs.find(name),
    ensureHub: (name) => hubs.ensure(name),
    startInstance: async (start: InstanceStart): Promise<StartOutcome> => {
      const outcome =
        start.webhook === undefined ? await starts.add(start) : await startWithWebhook(start, start.webhook);
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
    findByKeys: (keys) => watches.findByKeys(keys),
    lookAtLive: (hubId, after) => watches.lookAtLive(hubId, after),
    lookAtNew: (hubId, after) => watches.lookAtNew(hubId, after),
    findObstacles: (key) => obstacles.find(key),
    newestKey: () => watches.newestKey(),
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
    liveFunctionNames: (hubId) => workers.liveNames(hubId),
    now: async () => {
      const [row] = await runner.rows<{ now: number }>(clock, []);
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
    findEmptyEntities: (hubId, page) => entities.findEmpty(hubId, page),
    removeEmptyEntities: (found) => entities.removeEmpty(found),
    findOrphanedLocks: (hubId, page) => entities.findOrphanedLocks(hubId, page),
    ping,
  });
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
    findByKeys: wrap(store.findByKeys),
    lookAtLive: wrap(store.lookAtLive),
    lookAtNew: wrap(store.lookAtNew),
    findObstacles: wrap(store.findObstacles),
    newestKey: wrap(store.newestKey),
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
