/** Queries over many instances: listing in pages, purging by filter. */
import { isEntityInstanceId } from '../../model/entity-id.ts';
import {
  runtimeStatuses,
  type FoundPage,
  type InstanceCounts,
  type InstanceFilter,
  type InstancePage,
} from '../../model/instance.ts';
import { orderOf, readToken, writeToken, type ListingOrder, type ListingQuery } from '../continuation-token.ts';
import { isLive, toInstance, type MemoryData, type StoredInstance } from './data.ts';

interface Page {
  readonly limit: number;
  readonly continuationToken?: string;
}

export function listInstances(data: MemoryData, query: ListingQuery, page: Page): InstancePage {
  const { instances, ...rest } = pageOf(find(data, query), query, page);
  return { instances: instances.map(toInstance), ...rest };
}

export function findOrchestrations(data: MemoryData, query: ListingQuery, page: Page): FoundPage {
  const found = find(data, query).filter(({ instanceId }) => !isEntityInstanceId(instanceId));
  const { instances, ...rest } = pageOf(found, query, page);
  return {
    instances: instances.map(({ key, instanceId, execution }) => ({
      key,
      instanceId,
      runtimeStatus: execution.status,
    })),
    ...rest,
  };
}

export function countInstances(data: MemoryData, query: ListingQuery): InstanceCounts {
  const found = find(data, query);
  const count = (status: string) => found.filter(({ execution }) => execution.status === status).length;
  return Object.fromEntries(runtimeStatuses.map((status) => [status, count(status)])) as InstanceCounts;
}

function find(data: MemoryData, query: ListingQuery): readonly StoredInstance[] {
  return [...data.instances.values()].filter((instance) => matches(instance, query));
}

function pageOf(
  found: readonly StoredInstance[],
  query: ListingQuery,
  page: Page,
): { readonly instances: readonly StoredInstance[]; readonly continuationToken?: string } {
  const order = orderOf(query.filter);
  const after = page.continuationToken ? readToken(page.continuationToken, query) : undefined;
  const rest = [...found]
    .sort(compare[order])
    .filter((instance) => after === undefined || isBehind(instance, after, order));
  const instances = rest.slice(0, page.limit);
  const last = instances.at(-1);
  if (rest.length <= page.limit || last === undefined) return { instances };
  return { instances, continuationToken: writeToken(cursorOf(last, order), query) };
}

function cursorOf({ instanceId, createdAt, key }: StoredInstance, order: ListingOrder): readonly string[] {
  return order === 'id' ? [instanceId] : order === 'key' ? [key] : [String(createdAt), key];
}

export function purgeInstances(data: MemoryData, hubId: number, filter: InstanceFilter): number {
  const found = [...data.instances.values()].filter(
    (instance) => !isLive(instance) && matches(instance, { hubId, filter }),
  );
  for (const instance of found) data.remove(instance);
  return found.length;
}

function matches(instance: StoredInstance, { hubId, filter }: ListingQuery): boolean {
  const { createdFrom, createdTo, runtimeStatus = [], instanceIdPrefix = '', name, version, tags = {} } = filter;
  return (
    instance.hubId === hubId &&
    (createdFrom === undefined || instance.createdAt >= createdFrom.getTime()) &&
    (createdTo === undefined || instance.createdAt <= createdTo.getTime()) &&
    (runtimeStatus.length === 0 || runtimeStatus.includes(instance.execution.status)) &&
    instance.instanceId.startsWith(instanceIdPrefix) &&
    (name === undefined || instance.name.toLowerCase() === name.toLowerCase()) &&
    (version === undefined || instance.version === version) &&
    Object.entries(tags).every(([tag, value]) => instance.tags?.[tag] === value)
  );
}

/** Code point by code point, as Postgres compares with collation "C". */
function compareIds(a: StoredInstance, b: StoredInstance): number {
  return Buffer.compare(Buffer.from(a.instanceId), Buffer.from(b.instanceId));
}

const compare: Readonly<Record<ListingOrder, (a: StoredInstance, b: StoredInstance) => number>> = {
  id: compareIds,
  created: (a, b) => a.createdAt - b.createdAt || Number(a.key) - Number(b.key),
  key: (a, b) => Number(a.key) - Number(b.key),
};

function isBehind(instance: StoredInstance, [first = '', key = '']: readonly string[], order: ListingOrder): boolean {
  if (order === 'id') return Buffer.compare(Buffer.from(instance.instanceId), Buffer.from(first)) > 0;
  if (order === 'key') return Number(instance.key) > Number(first);
  return (
    instance.createdAt > Number(first) || (instance.createdAt === Number(first) && Number(instance.key) > Number(key))
  );
}
