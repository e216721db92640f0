/** Looks for those who follow what happens to instances. */
import { isEntityInstanceId } from '../../model/entity-id.ts';
import type { InstanceStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type { LiveWindow } from '../listing-store.ts';
import { isLive, toInstance, type MemoryData } from './data.ts';

export function findByKeys(data: MemoryData, keys: readonly InstanceKey[]): readonly InstanceStatus[] {
  return keys.flatMap((key) => {
    const found = data.instances.get(key);
    if (found === undefined) return [];
    const { instanceId, name, runtimeStatus, customStatus, createdAt, lastUpdatedAt } = toInstance(found);
    return [{ key, instanceId, name, runtimeStatus, customStatus, createdAt, lastUpdatedAt }];
  });
}

export function lookAtLive(data: MemoryData, hubId: number, after: InstanceKey): LiveWindow {
  const live = [...data.liveOf(hubId)]
    .filter(({ key, instanceId }) => Number(key) > Number(after) && !isEntityInstanceId(instanceId))
    .map(({ key, execution }) => ({ key, state: `${execution.status}/${execution.customStatus ?? ''}` }));
  return { live, next: undefined };
}

export function lookAtNew(
  data: MemoryData,
  hubId: number,
  after: InstanceKey,
): { readonly ended: readonly InstanceKey[]; readonly newest: InstanceKey } {
  const ended = [...data.instances.values()].filter(
    (one) => one.hubId === hubId && Number(one.key) > Number(after) && !isLive(one),
  );
  return { ended: ended.map(({ key }) => key), newest: newestKey(data) };
}

export function newestKey(data: MemoryData): InstanceKey {
  return String(Math.max(0, ...[...data.instances.keys()].map(Number)));
}
