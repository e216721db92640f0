/** The verbs on entities on a store in reach of this process. */
import { randomUUID } from 'node:crypto';
import { entityIdProblem, entityInstanceId, type EntityAddress } from '../model/entity-id.ts';
import {
  unlockOf,
  type CleanedEntities,
  type EntityFilter,
  type EntityMetadata,
  type EntityPage,
  type EntitySignal,
} from '../model/entity-work.ts';
import type { InstanceKey } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';
import { checkPage, checkSize, refuse } from './arguments.ts';
import type { CleanEntityStorageOptions, EntityClient, EntityStateResponse, TextSignal } from './entity-client.ts';
import type { KnownFunctions } from './known-functions.ts';
import { toTextSignal } from './to-text.ts';
import { toStateResponse } from './entity-state.ts';
import type { ClientTracing } from './client-tracing.ts';
import type { TraceContext } from '../model/trace-context.ts';

/** What clients of entities share. */
export interface EntityClientParts {
  readonly store: ClientStore;
  readonly known: KnownFunctions;
  /** Largest payload in UTF-16 units. */
  readonly maxPayloadLength: number;
  /** Absent: no spans, and no context is passed on. */
  readonly tracing?: ClientTracing;
}

/** Entities and locks that one call of a cleaning looks at. */
const cleanedAtOnce = 200;
const maxOperationLength = 256;

export class LocalEntityClient implements EntityClient {
  readonly taskHub: string;
  readonly #parts: EntityClientParts;

  constructor(taskHub: string, parts: EntityClientParts) {
    this.taskHub = taskHub;
    this.#parts = parts;
  }

  async signalEntity(entity: EntityAddress, operation: string, ...rest: unknown[]): Promise<void> {
    return this.signalEntityText(toTextSignal(entity, operation, rest));
  }

  async signalEntityText({ entity, operation, input, scheduledTime, traceContext }: TextSignal): Promise<void> {
    const instanceId = instanceIdOf(entity);
    if (typeof operation !== 'string' || operation.length > maxOperationLength || operation.includes('\u0000')) {
      refuse(`The name of an operation must be a text of at most ${maxOperationLength} characters.`);
    }
    if (scheduledTime !== undefined && Number.isNaN(scheduledTime.getTime())) {
      refuse('scheduledTime is not a valid date.');
    }
    const { store, known, maxPayloadLength } = this.#parts;
    checkSize(input, maxPayloadLength);
    const hubId = await store.ensureHub(this.taskHub);
    await known.checkEntity(hubId, entity.name);
    const event: EntitySignal = {
      type: 'EntityOperationSignaled',
      requestId: randomUUID(),
      operation,
      ...(input === undefined ? {} : { input }),
      ...(scheduledTime === undefined ? {} : { scheduledTime: scheduledTime.getTime() }),
    };
    const send = (context: TraceContext | undefined): Promise<void> =>
      store.sendToEntity({
        hubId,
        instanceId,
        event: context === undefined ? event : { ...event, traceContext: context },
      });
    const { tracing } = this.#parts;
    if (tracing === undefined) return send(undefined);
    return tracing.signal({ entityId: instanceId, name: entity.name, operation, traceContext }, send);
  }

  async readEntityState<State>(entity: EntityAddress): Promise<EntityStateResponse<State>> {
    return toStateResponse<State>(await this.getEntity(entity));
  }

  async getEntity(
    entity: EntityAddress,
    options: { readonly includeState?: boolean } = {},
  ): Promise<EntityMetadata | undefined> {
    const instanceId = instanceIdOf(entity);
    const hubId = await this.#parts.store.findHub(this.taskHub);
    if (hubId === undefined) return undefined;
    return this.#parts.store.getEntity(hubId, instanceId, { includeState: options.includeState ?? true });
  }

  async listEntities(
    filter: EntityFilter = {},
    page: { readonly limit?: number; readonly continuationToken?: string } = {},
  ): Promise<EntityPage> {
    const limit = checkPage(page.limit, 'entities');
    const hubId = await this.#parts.store.findHub(this.taskHub);
    const { instanceIdPrefix: prefix } = filter;
    return this.#parts.store.listEntities(
      // No hub, no row: an id that no hub has still checks the token.
      hubId ?? 0,
      { ...filter, ...(prefix === undefined ? {} : { instanceIdPrefix: foldName(prefix) }) },
      { limit, ...(page.continuationToken ? { continuationToken: page.continuationToken } : {}) },
    );
  }

  async cleanEntityStorage(options: CleanEntityStorageOptions = {}): Promise<CleanedEntities> {
    const { removeEmptyEntities = true, releaseOrphanedLocks = true, continuationToken } = options;
    const after = continuationToken ? readToken(continuationToken) : {};
    const hubId = await this.#parts.store.findHub(this.taskHub);
    if (hubId === undefined) return { emptyEntitiesRemoved: 0, orphanedLocksReleased: 0 };
    // Where a kind is not in the token, it has been looked through.
    const isFirst = !continuationToken;
    const locks = releaseOrphanedLocks && (isFirst || after.locks !== undefined);
    const empty = removeEmptyEntities && (isFirst || after.empty !== undefined);
    const released = locks ? await this.#releaseOrphans(hubId, after.locks ?? '0') : nothing;
    const removed = empty ? await this.#removeEmpty(hubId, after.empty ?? '0') : nothing;
    const next = {
      ...(released.next === undefined ? {} : { locks: released.next }),
      ...(removed.next === undefined ? {} : { empty: removed.next }),
    };
    return {
      emptyEntitiesRemoved: removed.count,
      orphanedLocksReleased: released.count,
      ...(Object.keys(next).length === 0 ? {} : { continuationToken: writeToken(next) }),
    };
  }

  /** The message goes through the inbox, like every other: the entity itself gives the lock back. */
  async #releaseOrphans(hubId: number, after: InstanceKey): Promise<Cleaned> {
    const { store } = this.#parts;
    const found = await store.findOrphanedLocks(hubId, { after, limit: cleanedAtOnce });
    await Promise.all(
      found.map(({ instanceId, lock }) => store.sendToEntity({ hubId, instanceId, event: unlockOf(lock) })),
    );
    return { count: found.length, next: nextOf(found) };
  }

  async #removeEmpty(hubId: number, after: InstanceKey): Promise<Cleaned> {
    const { store } = this.#parts;
    const found = await store.findEmptyEntities(hubId, { after, limit: cleanedAtOnce });
    const removed = await store.removeEmptyEntities(found);
    return { count: removed.length, next: nextOf(found) };
  }
}

interface Cleaned {
  readonly count: number;
  /** Behind what has been looked at; `undefined` at the end. */
  readonly next: InstanceKey | undefined;
}

const nothing: Cleaned = { count: 0, next: undefined };

function nextOf(found: readonly { readonly key: InstanceKey }[]): InstanceKey | undefined {
  return found.length < cleanedAtOnce ? undefined : found.at(-1)?.key;
}

/** Where a cleaning goes on. */
interface Progress {
  readonly locks?: InstanceKey;
  readonly empty?: InstanceKey;
}

function writeToken({ locks = '', empty = '' }: Progress): string {
  return Buffer.from(`clean:${locks}:${empty}`).toString('base64url');
}

function readToken(token: string): Progress {
  const match = /^clean:(\d{0,19}):(\d{0,19})$/.exec(Buffer.from(token, 'base64url').toString());
  if (match === null) refuse('The continuation token is not one of a cleaning.');
  const [, locks = '', empty = ''] = match ?? [];
  return { ...(locks === '' ? {} : { locks }), ...(empty === '' ? {} : { empty }) };
}

/** @throws DurableError `InvalidArgument` */
function instanceIdOf(entity: EntityAddress): string {
  refuse(entityIdProblem(entity?.name, entity?.key));
  return entityInstanceId(entity);
}

/** Of the beginning of an entity's instance id, the name is compared without case, the key with it. */
function foldName(prefix: string): string {
  if (!prefix.startsWith('@') || prefix.includes('\u0000')) {
    refuse("instanceIdPrefix must begin with '@', as in '@counter' or '@counter@user-'.");
  }
  const at = prefix.indexOf('@', 1);
  return at < 0 ? prefix.toLowerCase() : prefix.slice(0, at).toLowerCase() + prefix.slice(at);
}
