import type { HoldingWorker, Obstacles } from '../../model/explanation.ts';
import type { InstanceKey, WorkerId } from '../../model/work.ts';
import { nameSet, type MemoryData } from './data.ts';

const mostTasks = 100;

export function findObstacles(data: MemoryData, key: InstanceKey): Obstacles | undefined {
  const instance = data.live(key);
  if (instance === undefined) return undefined;
  const live = [...data.workers.values()].filter(({ id, hubId }) => hubId === instance.hubId && data.lives(id));
  const lists = (names: 'executables' | 'activities', name: string): boolean =>
    live.some((worker) => nameSet(worker[names]).has(name.toLowerCase()));
  const ready = data.visibleMessages(instance).map(({ visibleAt }) => visibleAt);
  const tasks = [...data.tasks.values()].filter((task) => task.instanceKey === key).slice(0, mostTasks);
  return {
    key,
    now: data.now(),
    owner: holderOf(data, instance.execution.owner),
    readySince: ready.length === 0 ? null : Math.min(...ready),
    liveWorkers: live.length,
    isListed: lists('executables', instance.name),
    tasks: tasks.map(({ taskScheduledId, name, createdAt, redelivery, owner }) => ({
      ...{ taskScheduledId, name, createdAt, redelivery },
      owner: holderOf(data, owner),
      isListed: lists('activities', name),
    })),
  };
}

function holderOf(data: MemoryData, id: WorkerId | null): HoldingWorker | null {
  if (id === null) return null;
  const worker = data.workers.get(id);
  return { id, name: worker?.name ?? null, isLive: data.lives(id), expiresAt: worker?.expiresAt ?? null };
}
