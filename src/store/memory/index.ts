/**
 * The store port in memory, behind `perdure/testing`: no database, and a clock that is given. It keeps the same contract
 * as Postgres (`test/contract/store`); whoever extends the port adds the same rule here. What an instance is and how it
 * is found is in `data.ts`; each file beside it has the name of its counterpart in `store/postgres`.
 */
import type { WorkNotification } from '../../model/work.ts';
import type { NotificationBus, Store } from '../store.ts';
import * as activities from './activities.ts';
import * as clients from './clients.ts';
import type { MemoryData } from './data.ts';
import * as entities from './entities.ts';
import * as listings from './listings.ts';
import { findObstacles } from './obstacles.ts';
import * as turns from './turns.ts';
import * as watches from './watches.ts';
import * as workers from './workers.ts';

/** A store on the data; several on the same data are like several processes on one database. */
export function openMemoryStore(data: MemoryData): Store {
  const notifications = openBus(data);
  return {
    notifications,
    findHub: async (name) => data.hubs.get(name.toLowerCase()),
    ensureHub: async (name) => {
      const id = data.hubs.get(name.toLowerCase()) ?? data.nextId();
      data.hubs.set(name.toLowerCase(), id);
      return id;
    },
    startInstance: async (start) => {
      const outcome = clients.startInstance(data, start);
      if (outcome.kind === 'created' && outcome.replaced !== undefined) {
        notifications.publish({ kind: 'ended', hubId: start.hubId, keys: [outcome.replaced] });
      }
      if (outcome.kind === 'created' && outcome.owner === null) {
        notifications.publish({ kind: 'instances', hubId: start.hubId });
      }
      return outcome;
    },
    sendMessage: async (message) => {
      const { owned, ...outcome } = clients.sendMessage(data, message);
      const { hubId } = message;
      if (outcome.kind === 'sent') {
        notifications.publish(owned ? { kind: 'inbox', hubId, keys: [outcome.key] } : { kind: 'instances', hubId });
      }
      return outcome;
    },
    terminatePending: async (request) => clients.terminatePending(data, request),
    getInstance: async (hubId, instanceId, options) =>
      clients.getInstance(data, { hubId, instanceId }, options?.history ?? false),
    findEnded: async (keys) => clients.findEnded(data, keys),
    listInstances: async (hubId, filter, page) => listings.listInstances(data, { hubId, filter }, page),
    findOrchestrations: async (hubId, filter, page) => listings.findOrchestrations(data, { hubId, filter }, page),
    countInstances: async (hubId, filter) => listings.countInstances(data, { hubId, filter }),
    findByKeys: async (keys) => watches.findByKeys(data, keys),
    lookAtLive: async (hubId, after) => watches.lookAtLive(data, hubId, after),
    lookAtNew: async (hubId, after) => watches.lookAtNew(data, hubId, after),
    findObstacles: async (key) => findObstacles(data, key),
    newestKey: async () => watches.newestKey(data),
    findSuspension: async (hubId, instanceId) => clients.findSuspension(data, hubId, instanceId),
    rewindInstance: async (request) => {
      const outcome = clients.rewindInstance(data, request);
      if (outcome.kind === 'rewound') {
        notifications.publish({ kind: 'instances', hubId: request.hubId });
        notifications.publish({ kind: 'activities', hubId: request.hubId });
      }
      return outcome;
    },
    purgeInstance: async (hubId, instanceId) => clients.purgeInstance(data, hubId, instanceId),
    purgeTree: async (hubId, instanceId) => clients.purgeTree(data, hubId, instanceId),
    purgeInstances: async (hubId, filter) => listings.purgeInstances(data, hubId, filter),
    liveFunctionNames: async (hubId) => workers.liveFunctionNames(data, hubId),
    now: async () => data.now(),
    sendToEntity: async (message) => {
      const { key, execution } = entities.sendToEntity(data, message);
      const { hubId } = message;
      notifications.publish(
        execution.owner === null ? { kind: 'instances', hubId } : { kind: 'inbox', hubId, keys: [key] },
      );
    },
    getEntity: async (hubId, instanceId, { includeState }) =>
      entities.getEntity(data, { hubId, instanceId }, includeState),
    listEntities: async (hubId, filter, page) => entities.listEntities(data, { hubId, filter }, page),
    findEmptyEntities: async (hubId, page) => entities.findEmptyEntities(data, hubId, page),
    removeEmptyEntities: async (found) => entities.removeEmptyEntities(data, found),
    findOrphanedLocks: async (hubId, page) => entities.findOrphanedLocks(data, hubId, page),
    ping: async () => undefined,

    registerWorker: async (worker) => workers.registerWorker(data, worker),
    heartbeat: async (request) => workers.heartbeat(data, request),
    endLeases: async (hubId) => workers.endLeases(data, hubId),
    deregisterWorker: async (workerId) => workers.deregisterWorker(data, workerId),
    removeDeadWorkers: async (hubId) => workers.removeDeadWorkers(data, hubId),
    claimOrchestrations: async (request) => turns.claimOrchestrations(data, request),
    findOrphanVersions: async (request) => turns.findOrphanVersions(data, request),
    takeBackInstances: async (workerId, keys) => turns.takeBackInstances(data, workerId, keys),
    // Whoever shares a thread with everything counts none.
    forgetStrikes: async () => undefined,
    readClaimed: async (requests) => turns.readClaimed(data, requests),
    readEntities: async (requests) => entities.readEntities(data, requests),
    commitEntities: async (workerId, commits) => commits.map((commit) => entities.commitEntity(data, workerId, commit)),
    findUnregisteredEntities: async (request) => entities.findUnregisteredEntities(data, request),
    readStart: async (key) => turns.readStart(data, key),
    commitTurns: async (workerId, batch) => batch.map((turn) => turns.commitTurn(data, workerId, turn)),
    discardMessages: async (workerId, discards) => turns.discardMessages(data, workerId, discards),
    // The end of an instance empties its inbox, and nothing can come in between.
    sweepMessages: async () => undefined,
    claimActivities: async (request) => activities.claimActivities(data, request),
    completeActivities: async (workerId, completions) => activities.completeActivities(data, workerId, completions),
    releaseActivities: async (workerId, taskIds) => activities.releaseActivities(data, workerId, taskIds),
    failUnregisteredActivities: async (request) => activities.failUnregisteredActivities(data, request),
    close: async () => {
      data.listeners.delete(notifications);
    },
  };
}

/** At once for listeners of this store, soon for those of others. */
function openBus(data: MemoryData): NotificationBus {
  const listeners = new Set<(notification: WorkNotification) => void>();
  const bus: NotificationBus = {
    publish: (notification) => {
      for (const listener of [...listeners]) listener(notification);
      for (const [other, theirs] of data.listeners) {
        if (other !== bus) queueMicrotask(() => [...theirs].forEach((listener) => listener(notification)));
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  data.listeners.set(bus, listeners);
  return bus;
}
