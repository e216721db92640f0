/** The activities queue: claim, complete, give back. */
import type { ActivityCompletion, QueuedActivity, WorkerId } from '../../model/work.ts';
import { versionedName } from '../../model/versions.ts';
import { activityNotRegistered } from '../activity-not-registered.ts';
import type { WorkerStore } from '../store.ts';
import { nameSet, type MemoryData, type StoredTask } from './data.ts';
import { liveFunctionNames } from './workers.ts';

export function claimActivities(
  data: MemoryData,
  request: Parameters<WorkerStore['claimActivities']>[0],
): readonly QueuedActivity[] {
  if (!data.lives(request.workerId)) return [];
  const names = nameSet(request.names);
  const left = new Set(request.hubLimit === undefined ? request.without : []);
  const able = [...data.tasks.values()].filter(
    (task) =>
      task.hubId === request.hubId &&
      names.has(task.name.toLowerCase()) &&
      !left.has(versionedName(task.name, task.version)),
  );
  const orphans = request.includeDeadOwners ? able.filter((task) => data.isDead(task.owner)) : [];
  const taken = orphans.slice(0, request.limit);
  // They may have run.
  for (const task of taken) {
    task.redelivery += 1;
    task.crashCount = (task.crashCount ?? 0) + 1;
  }
  const running = able.filter((task) => task.owner !== null).length;
  const room = Math.max(0, (request.hubLimit ?? Number.POSITIVE_INFINITY) - running);
  const ready = able.filter((task) => task.owner === null).slice(0, Math.min(request.limit - taken.length, room));
  const claimed = [...taken, ...ready];
  for (const task of claimed) task.owner = request.workerId;
  return claimed.map((task) => toQueuedActivity(data, task));
}

function toQueuedActivity(data: MemoryData, task: StoredTask): QueuedActivity {
  const { hubId: _, createdAt: __, owner: ___, ...work } = task;
  return { ...work, instanceId: data.instances.get(task.instanceKey)?.instanceId ?? '' };
}

/** The row with its owner is the fence: a second completion finds nothing. */
export function completeActivities(
  data: MemoryData,
  workerId: WorkerId,
  completions: readonly ActivityCompletion[],
): readonly string[] {
  const counted = completions
    .filter(({ task }) => data.tasks.get(task.id)?.owner === workerId)
    .sort((a, b) => Number(a.task.id) - Number(b.task.id));
  for (const { task, outcome } of counted) {
    const { taskScheduledId } = task;
    finish(
      data,
      task.id,
      outcome.kind === 'completed'
        ? { type: 'TaskCompleted', taskScheduledId, result: outcome.result }
        : { type: 'TaskFailed', taskScheduledId, failure: outcome.failure },
    );
  }
  return counted.map(({ task }) => task.id);
}

/** Removes a task; its end is told only to the execution that asked, and only while that has not ended. */
function finish(data: MemoryData, id: string, event: object): void {
  const task = data.tasks.get(id);
  if (task === undefined) return;
  data.tasks.delete(id);
  const { instanceKey, executionId } = task;
  const instance = data.live(instanceKey);
  if (instance?.executionId === executionId) data.send(instance, { event, executionId });
}

export function releaseActivities(data: MemoryData, workerId: WorkerId, taskIds: readonly string[]): void {
  for (const id of taskIds) {
    const task = data.tasks.get(id);
    if (task?.owner === workerId) task.owner = null;
  }
}

export function failUnregisteredActivities(
  data: MemoryData,
  { hubId, graceMs }: { readonly hubId: number; readonly graceMs: number },
): readonly string[] {
  const since = data.now() - graceMs;
  const workers = [...data.workers.values()].filter((worker) => worker.hubId === hubId && worker.expiresAt > since);
  const listed = nameSet(workers.flatMap((worker) => worker.activities));
  const unknown = [...data.tasks.values()].filter(
    (task) =>
      task.hubId === hubId && task.owner === null && task.createdAt < since && !listed.has(task.name.toLowerCase()),
  );
  const known = liveFunctionNames(data, hubId)?.activities ?? [];
  for (const { id, name, taskScheduledId } of unknown) {
    const failure = activityNotRegistered(name, { graceMs, known });
    finish(data, id, { type: 'TaskFailed', taskScheduledId, failure });
  }
  return [...new Set(unknown.map((task) => task.name))];
}
