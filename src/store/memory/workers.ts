/** Worker rows: one lease for each worker, which holds for everything it owns. */
import type { FunctionNames, WorkerId } from '../../model/work.ts';
import { toExecutableNames, toFunctionNames } from '../executable-names.ts';
import type { Heartbeat, WorkerStore } from '../store.ts';
import { nameSet, type MemoryData } from './data.ts';

/** How long the row of a dead worker that owns nothing is kept, in ms. */
const keepDeadMs = 600_000;

export function registerWorker(
  data: MemoryData,
  worker: Parameters<WorkerStore['registerWorker']>[0],
): { readonly workerId: WorkerId; readonly now: number; readonly alone: boolean } {
  const { hubId, functions, leaseMs } = worker;
  const now = data.now();
  const alone = isAlone(data, hubId);
  const workerId = String(data.nextId());
  const { activities } = functions;
  const expiresAt = now + leaseMs;
  const { name } = worker;
  data.workers.set(workerId, {
    id: workerId,
    name,
    hubId,
    executables: toExecutableNames(functions),
    activities,
    expiresAt,
  });
  return { workerId, now, alone };
}

function isAlone(data: MemoryData, hubId: number, self?: WorkerId): boolean {
  return ![...data.workers.values()].some(
    (worker) => worker.hubId === hubId && worker.id !== self && data.lives(worker.id),
  );
}

export function heartbeat(data: MemoryData, request: Parameters<WorkerStore['heartbeat']>[0]): Heartbeat {
  const { workerId, hubId, leaseMs, claimedTasks } = request;
  const worker = data.workers.get(workerId);
  // An ended lease is never renewed (decision 8).
  if (worker === undefined || !data.lives(workerId)) return { kind: 'expired' };
  const now = data.now();
  worker.expiresAt = now + leaseMs;

  const instances = [...data.liveOf(hubId)];
  const tasks = [...data.tasks.values()].filter((task) => task.hubId === hubId);
  const executables = nameSet(worker.executables);
  const activities = nameSet(worker.activities);
  const owned = instances.filter(({ execution }) => execution.owner === workerId);
  const hasMessages = (instance: (typeof instances)[number]): boolean => data.visibleMessages(instance).length > 0;
  const nextDueAt = nextDue(data, hubId);
  return {
    kind: 'alive',
    now,
    instancesReady: instances.some(
      (instance) =>
        instance.execution.owner === null && executables.has(instance.name.toLowerCase()) && hasMessages(instance),
    ),
    activitiesReady: tasks.some((task) => task.owner === null && activities.has(task.name.toLowerCase())),
    deadWorkers:
      instances.some(({ execution }) => data.isDead(execution.owner)) || tasks.some((task) => data.isDead(task.owner)),
    alone: isAlone(data, hubId, workerId),
    inboxKeys: owned.filter(hasMessages).map((instance) => instance.key),
    ownedInstances: owned.map((instance) => instance.key),
    ownedTasks: tasks.filter((task) => task.owner === workerId).map((task) => task.id),
    lostTasks: claimedTasks.filter((id) => data.tasks.get(id)?.owner !== workerId),
    ...(nextDueAt === undefined ? {} : { nextDueAt }),
  };
}

/** When the next message of a hub becomes visible, milliseconds since 1970. */
export function nextDue(data: MemoryData, hubId: number): number | undefined {
  const now = data.now();
  let next = Number.POSITIVE_INFINITY;
  for (const { messages } of data.liveOf(hubId)) {
    for (const { visibleAt } of messages) if (visibleAt > now) next = Math.min(next, visibleAt);
  }
  return next === Number.POSITIVE_INFINITY ? undefined : next;
}

export function endLeases(data: MemoryData, hubId: number): void {
  for (const worker of data.workers.values()) if (worker.hubId === hubId) endLease(data, worker.id);
}

/** Tasks can be claimed at once; what is still owned of instances is taken over from the ended lease. */
export function deregisterWorker(data: MemoryData, workerId: WorkerId): void {
  for (const task of data.tasks.values()) if (task.owner === workerId) task.owner = null;
  endLease(data, workerId);
}

function endLease(data: MemoryData, workerId: WorkerId): void {
  const worker = data.workers.get(workerId);
  if (worker !== undefined) worker.expiresAt = Math.min(worker.expiresAt, data.now());
}

export function liveFunctionNames(data: MemoryData, hubId: number): FunctionNames | undefined {
  const living = [...data.workers.values()].filter((worker) => worker.hubId === hubId && data.lives(worker.id));
  return living.length === 0 ? undefined : toFunctionNames(living);
}

export function removeDeadWorkers(data: MemoryData, hubId: number): void {
  const owners = new Set<WorkerId | null>();
  for (const { execution } of data.liveOf(hubId)) owners.add(execution.owner);
  for (const task of data.tasks.values()) owners.add(task.owner);
  for (const worker of data.workers.values()) {
    const isOld = worker.expiresAt < data.now() - keepDeadMs;
    if (worker.hubId === hubId && isOld && !owners.has(worker.id)) data.workers.delete(worker.id);
  }
}
