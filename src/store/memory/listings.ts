/** Queries over many instances: listing in pages, purging by filter. */
import type { InstanceFilter, InstancePage } from '../../model/instance.ts';
import { isTimed, readToken, writeToken } from '../continuation-token.ts';
import { isLive, toInstance, type MemoryData, type StoredInstance } from './data.ts';

export function listInstances(
  data: MemoryData,
  query: { readonly hubId: number; readonly filter: InstanceFilter },
  page: { readonly limit: number; readonly continuationToken?: string },
): InstancePage {
  const byTime = isTimed(query.filter);
  const after = page.continuationToken ? readToken(page.continuationToken, query) : undefined;
  const found = [...data.instances.values()]
    .filter((instance) => matches(instance, query))
    .sort(byTime ? compareAges : compareIds)
    .filter((instance) => after === undefined || isBehind(instance, after, byTime));
  const shown = found.slice(0, page.limit);
  const last = shown.at(-1);
  const instances = shown.map(toInstance);
  if (found.length <= page.limit || last === undefined) return { instances };
  const cursor = byTime ? [String(last.createdAt), last.key] : [last.instanceId];
  return { instances, continuationToken: writeToken(cursor, query) };
}

export function purgeInstances(data: MemoryData, hubId: number, filter: InstanceFilter): number {
  const found = [...data.instances.values()].filter(
    (instance) => !isLive(instance) && matches(instance, { hubId, filter }),
  );
  for (const instance of found) data.remove(instance);
  return found.length;
}

function matches(
  instance: StoredInstance,
  { hubId, filter }: { readonly hubId: number; readonly filter: InstanceFilter },
): boolean {
  const { createdFrom, createdTo, runtimeStatus = [], instanceIdPrefix = '' } = filter;
  return (
    instance.hubId === hubId &&
    (createdFrom === undefined || instance.createdAt >= createdFrom.getTime()) &&
    (createdTo === undefined || instance.createdAt <= createdTo.getTime()) &&
    (runtimeStatus.length === 0 || runtimeStatus.includes(instance.execution.status)) &&
    instance.instanceId.startsWith(instanceIdPrefix)
  );
}

/** Code point by code point, as Postgres compares with collation "C". */
function compareIds(a: StoredInstance, b: StoredInstance): number {
  return Buffer.compare(Buffer.from(a.instanceId), Buffer.from(b.instanceId));
}

function compareAges(a: StoredInstance, b: StoredInstance): number {
  return a.createdAt - b.createdAt || Number(a.key) - Number(b.key);
}

function isBehind(instance: StoredInstance, [first = '', key = '']: readonly string[], byTime: boolean): boolean {
  if (!byTime) return Buffer.compare(Buffer.from(instance.instanceId), Buffer.from(first)) > 0;
  return (
    instance.createdAt > Number(first) || (instance.createdAt === Number(first) && Number(instance.key) > Number(key))
  );
}
