/** Entities: messages that create them, batches, what clients see, and what is tidied up. */
import { entityExecutionName, isEntityInstanceId, parseEntityId } from '../../model/entity-id.ts';
import type {
  EntityCommit,
  EntityContents,
  EntityFilter,
  EntityMetadata,
  EntityPage,
  EntityRecord,
  EntityRequest,
} from '../../model/entity-work.ts';
import type { CommitOutcome, InstanceKey, WorkerId } from '../../model/work.ts';
import { readToken, writeToken } from '../continuation-token.ts';
import type { EmptyEntity, KeyPage, MessageForEntity, OrphanedLock, WorkerStore } from '../store.ts';
import { startInstance } from './clients.ts';
import { checkText, isLive, nameSet, type LiveStoredInstance, type MemoryData, type StoredMessage } from './data.ts';

/** Messages that one batch takes at most; more wait for the next. */
const maxMessages = 1_000;
const none: EntityRecord = { state: null, lock: null, parked: 0 };

/** @returns the entity, which is made when there is none */
export function sendToEntity(data: MemoryData, { hubId, instanceId, event }: MessageForEntity): LiveStoredInstance {
  checkText(instanceId, 'operation' in event ? event.operation : undefined);
  const entity = findEntity(data, hubId, instanceId) ?? makeEntity(data, hubId, instanceId);
  const due = event.type === 'EntityOperationSignaled' ? (event.scheduledTime ?? 0) : 0;
  data.send(entity, { event, visibleAt: Math.max(data.now(), due) });
  return entity;
}

function findEntity(data: MemoryData, hubId: number, instanceId: string): LiveStoredInstance | undefined {
  const found = data.find(hubId, instanceId);
  return found !== undefined && isLive(found) ? found : undefined;
}

function makeEntity(data: MemoryData, hubId: number, instanceId: string): LiveStoredInstance {
  const now = data.now();
  const key = String(data.nextId());
  const entity: LiveStoredInstance = {
    key,
    hubId,
    instanceId,
    name: entityExecutionName(parseEntityId(instanceId)?.name ?? ''),
    version: null,
    tags: null,
    parent: null,
    executionId: `entity-${key}`,
    input: null,
    createdAt: now,
    scheduledStartAt: null,
    lastUpdatedAt: now,
    execution: { kind: 'live', status: 'Running', sequence: 0, owner: null, crashCount: 0, customStatus: null },
    history: [],
    messages: [],
  };
  data.add(entity);
  return entity;
}

export function readEntities(
  data: MemoryData,
  requests: Parameters<WorkerStore['readEntities']>[0],
): readonly EntityContents[] {
  return requests.map(({ key, withRecord }) => {
    const entity = data.live(key);
    const visible = entity === undefined ? [] : data.visibleMessages(entity).slice(0, maxMessages);
    const record = withRecord ? data.entities.get(key) : undefined;
    return {
      key,
      messages: visible.map(({ id, visibleAt, event }) => ({
        id: String(id),
        visibleAt,
        event: JSON.parse(event) as EntityRequest,
      })),
      unreadable: [],
      readAt: data.now(),
      ...(record === undefined ? {} : { record }),
    };
  });
}

export function commitEntity(data: MemoryData, workerId: WorkerId, commit: EntityCommit): CommitOutcome {
  const { key } = commit;
  const entity = data.live(key);
  if (entity?.execution.owner !== workerId || entity.execution.sequence !== commit.fence) return { kind: 'lost', key };
  if (commit.record.state?.includes('\u0000'))
    return { kind: 'refused', key, reason: 'text with the character U+0000' };
  const now = data.now();
  const sequence = commit.fence + 1;
  data.entities.set(key, commit.record);
  entity.lastUpdatedAt = Math.max(entity.lastUpdatedAt, now);
  entity.execution = { ...entity.execution, sequence, owner: commit.keepOwnership ? workerId : null, crashCount: 0 };
  const told: { readonly key: InstanceKey; readonly visibleAt: number }[] = [];
  const consumed = new Set(commit.consumedMessages);
  const parked = new Set(commit.parkedMessages);
  entity.messages = entity.messages
    .filter(({ id }) => !consumed.has(String(id)))
    .map((message) => (parked.has(String(message.id)) ? park(message) : commit.unpark ? unpark(message) : message));
  for (const message of commit.outgoing) {
    if (message.kind === 'entity') {
      const target = sendToEntity(data, { hubId: entity.hubId, ...message });
      told.push({ key: target.key, visibleAt: target.messages.at(-1)?.visibleAt ?? now });
      continue;
    }
    const target = data.find(entity.hubId, message.instanceId);
    if (target === undefined || !isLive(target) || target.executionId !== message.executionId) continue;
    data.send(target, { event: message.event, executionId: message.executionId });
    told.push({ key: target.key, visibleAt: now });
  }
  for (const start of commit.starts) {
    if (data.find(entity.hubId, start.instanceId) !== undefined) continue;
    const { instanceId, event } = start;
    const { name, executionId, version = null, input = null, scheduledStartAt } = event;
    const scheduled = scheduledStartAt === undefined ? null : new Date(scheduledStartAt);
    const started = startInstance(data, {
      hubId: entity.hubId,
      ...{ instanceId, name, version, executionId, input, event, owner: null, scheduledStartAt: scheduled },
    });
    if (started.kind === 'created') told.push({ key: started.key, visibleAt: Math.max(now, scheduledStartAt ?? now) });
  }
  const inboxWaiting = data.visibleMessages(entity).length > 0;
  return { kind: 'committed', key, sequence, inboxWaiting, committedAt: now, told };
}

function park(message: StoredMessage): StoredMessage {
  return { ...message, visibleAt: Number.POSITIVE_INFINITY, arrivedAt: message.visibleAt };
}

function unpark({ arrivedAt, ...message }: StoredMessage): StoredMessage {
  return arrivedAt === undefined ? message : { ...message, visibleAt: arrivedAt };
}

export function getEntity(
  data: MemoryData,
  address: { readonly hubId: number; readonly instanceId: string },
  includeState: boolean,
): EntityMetadata | undefined {
  const entity = findEntity(data, address.hubId, address.instanceId);
  return entity === undefined ? undefined : toMetadata(data, entity, includeState);
}

function toMetadata(data: MemoryData, entity: LiveStoredInstance, includeState: boolean): EntityMetadata {
  const id = parseEntityId(entity.instanceId);
  const { state, lock } = data.entities.get(entity.key) ?? none;
  const now = data.now();
  return {
    instanceId: entity.instanceId,
    name: id?.name ?? '',
    key: id?.key ?? '',
    lastModifiedAt: new Date(entity.lastUpdatedAt),
    backlogSize: entity.messages.filter((message) => message.visibleAt <= now || message.arrivedAt !== undefined)
      .length,
    lockedBy: lock?.instanceId ?? null,
    exists: state !== null,
    ...(includeState && state !== null ? { state } : {}),
  };
}

export function listEntities(
  data: MemoryData,
  { hubId, filter }: { readonly hubId: number; readonly filter: EntityFilter },
  page: { readonly limit: number; readonly continuationToken?: string },
): EntityPage {
  const prefix = filter.instanceIdPrefix ?? '@';
  const { lastModifiedFrom: from, lastModifiedTo: to } = filter;
  const times = {
    ...(from === undefined ? {} : { createdFrom: from }),
    ...(to === undefined ? {} : { createdTo: to }),
  };
  const query = { hubId, filter: { instanceIdPrefix: `entities ${prefix}`, ...times } };
  const [after = ''] = page.continuationToken ? readToken(page.continuationToken, query) : [];
  const found = [...data.liveOf(hubId)]
    .filter(({ instanceId }) => isEntityInstanceId(instanceId) && instanceId.startsWith(prefix))
    .filter(({ instanceId }) => compareIds(instanceId, after) > 0)
    .filter(({ lastUpdatedAt: at }) => at >= (from?.getTime() ?? at) && at <= (to?.getTime() ?? at))
    .map((entity) => toMetadata(data, entity, filter.includeState ?? true))
    .filter((entity) => entity.exists || filter.includeTransient === true)
    .sort((a, b) => compareIds(a.instanceId, b.instanceId));
  const entities = found.slice(0, page.limit);
  const last = entities.at(-1);
  if (found.length <= page.limit || last === undefined) return { entities };
  return { entities, continuationToken: writeToken([last.instanceId], query) };
}

/** Code point by code point, as Postgres compares with collation "C". */
function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export function findEmptyEntities(data: MemoryData, hubId: number, page: KeyPage): readonly EmptyEntity[] {
  return pageOf(data, hubId, page)
    .filter((entity) => isEmpty(data, entity))
    .slice(0, page.limit)
    .map(({ key, execution }) => ({ key, fence: execution.sequence }));
}

function pageOf(data: MemoryData, hubId: number, page: KeyPage): readonly LiveStoredInstance[] {
  return [...data.liveOf(hubId)]
    .filter(({ key, instanceId }) => isEntityInstanceId(instanceId) && Number(key) > Number(page.after))
    .sort((a, b) => Number(a.key) - Number(b.key));
}

function isEmpty(data: MemoryData, entity: LiveStoredInstance): boolean {
  const { state, lock } = data.entities.get(entity.key) ?? none;
  return state === null && lock === null && entity.messages.length === 0 && entity.execution.owner === null;
}

export function removeEmptyEntities(data: MemoryData, entities: readonly EmptyEntity[]): readonly InstanceKey[] {
  return entities.flatMap(({ key, fence }) => {
    const entity = data.live(key);
    if (entity?.execution.sequence !== fence || !isEmpty(data, entity)) return [];
    data.remove(entity);
    return [key];
  });
}

export function findOrphanedLocks(data: MemoryData, hubId: number, page: KeyPage): readonly OrphanedLock[] {
  return pageOf(data, hubId, page)
    .flatMap(({ key, instanceId }) => {
      const lock = data.entities.get(key)?.lock;
      if (lock === undefined || lock === null) return [];
      const holder = data.find(hubId, lock.instanceId);
      const lives = holder !== undefined && isLive(holder) && holder.executionId === lock.executionId;
      return lives ? [] : [{ key, instanceId, lock }];
    })
    .slice(0, page.limit);
}

export function findUnregisteredEntities(
  data: MemoryData,
  { hubId, graceMs }: { readonly hubId: number; readonly graceMs: number },
): readonly string[] {
  const since = data.now() - graceMs;
  const workers = [...data.workers.values()].filter((worker) => worker.hubId === hubId && worker.expiresAt > since);
  const listed = nameSet(workers.flatMap((worker) => worker.executables));
  const waiting = [...data.liveOf(hubId)].filter(
    ({ name, messages, execution }) =>
      isEntityInstanceId(name) &&
      execution.owner === null &&
      !listed.has(name.toLowerCase()) &&
      messages.some((message) => message.visibleAt < since),
  );
  return [...new Set(waiting.map((entity) => entity.name))];
}
