/**
 * Records what operators do. The store writes the entry of a message or a purge together with it; what it did not write
 * (refusals, restarts, actions on many) is recorded here, before the answer goes out.
 */
import type {
  FastifyInstance,
  FastifyRequest,
  onRequestHookHandler,
  onSendAsyncHookHandler,
  preHandlerAsyncHookHandler,
} from 'fastify';
import type { Access } from '../../client/access.ts';
import type { AuditEntry, AuditNote, AuditOutcome } from '../../model/access.ts';
import { splitTarget } from '../canonical-url.ts';
import { entityInstanceId } from '../../model/entity-id.ts';
import { isWord, type OperationAccess } from '../operations.ts';
import { originOf } from '../origin.ts';
import { Query } from '../query.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What is recorded of this request; `undefined` when it is no action of an operator. */
    audit: AuditTrail | undefined;
  }
}

const maxReasonLength = 2_000;
const maxDetailLength = 2_000;

/** The entry of a request under way. */
class AuditTrail implements AuditNote {
  readonly entry: AuditEntry;
  /** The id of the record that says that it has begun. */
  begunAs: string | undefined;
  readonly #onlyEndOfLive: boolean;
  #isStored = false;
  #hasEndedLive = false;

  constructor(entry: AuditEntry, onlyEndOfLive: boolean) {
    this.entry = entry;
    this.#onlyEndOfLive = onlyEndOfLive;
  }

  get isStored(): boolean {
    return this.#isStored;
  }

  stored(): void {
    this.#isStored = true;
  }

  /** What was stored was taken back. */
  lost(): void {
    this.#isStored = false;
  }

  endedLive(): void {
    this.#hasEndedLive = true;
  }

  /** Whether, in the end, there is nothing to record. */
  isMoot(outcome: AuditOutcome): boolean {
    return this.#onlyEndOfLive && outcome === 'accepted' && !this.#hasEndedLive;
  }
}

/** Gives requests a place for what is recorded of them. To be called once, before routes are added. */
export function rememberAudits(app: FastifyInstance): void {
  app.decorateRequest('audit', undefined);
}

/** The hooks of one audited operation. */
export interface AuditHooks {
  /** Before it is known whether the caller may: refusals are recorded too. */
  readonly begin: onRequestHookHandler;
  /** Actions on many may end half-way: they are recorded before they begin. */
  readonly announce: preHandlerAsyncHookHandler;
  readonly finish: onSendAsyncHookHandler;
}

/** What {@link auditHooks} records of one operation. */
export type AuditedOperation = Pick<OperationAccess, 'auditsEndOfLive' | 'isAudited' | 'notedFlag'> & {
  readonly action: string;
  readonly defaultTaskHub: string;
};

export function auditHooks(access: Access, operation: AuditedOperation): AuditHooks {
  const { isAudited, auditsEndOfLive = false } = operation;
  return {
    begin: (request, _reply, done) => {
      if (isAudited === undefined || isAudited(queryOf(request))) {
        request.audit = new AuditTrail(entryOf(request, operation), auditsEndOfLive);
      }
      done();
    },
    announce: async ({ audit }) => {
      if (audit?.entry.target === null) audit.begunAs = await access.record({ ...audit.entry, outcome: 'begun' });
    },
    finish: async (request, reply, payload) => {
      const { audit } = request;
      if (audit === undefined || audit.isStored) return payload;
      const end = { outcome: outcomeOf(reply.statusCode), detail: detailOf(audit.entry, reply.statusCode, payload) };
      if (audit.isMoot(end.outcome)) return payload;
      if (audit.begunAs === undefined && wasNotTried(end.outcome, payload)) return payload;
      try {
        if (audit.begunAs === undefined) await access.record({ ...audit.entry, ...end });
        else await access.finish(audit.begunAs, end);
      } catch (error) {
        // It is done, or refused, all the same; the log keeps what the database did not take.
        request.log.error({ err: error, audit: { ...audit.entry, ...end } }, 'an action could not be recorded');
      }
      return payload;
    },
  };
}

function queryOf({ query }: FastifyRequest): Query {
  return query instanceof Query ? query : Query.empty;
}

function entryOf(request: FastifyRequest, operation: AuditedOperation): AuditEntry {
  const query = queryOf(request);
  const target = targetOf(request)?.slice(0, maxReasonLength) ?? null;
  const { notedFlag } = operation;
  const noted = notedFlag !== undefined && isWord(query, notedFlag, 'true') ? `${notedFlag}=true` : null;
  return {
    ...originOf(request),
    taskHub: (query.raw('taskHub') ?? '').trim().slice(0, 256) || operation.defaultTaskHub,
    action: operation.action,
    target,
    reason: query.raw('reason')?.slice(0, maxReasonLength) ?? null,
    outcome: 'accepted',
    detail: target === null ? filtersOf(request) : noted,
  };
}

/** The instance or entity that the path names, by its instance id; `undefined` for actions on many. */
function targetOf({ params }: FastifyRequest): string | undefined {
  const {
    instanceId,
    entityName,
    entityKey = '',
  }: Readonly<Record<string, unknown>> = typeof params === 'object' && params !== null ? { ...params } : {};
  if (typeof instanceId === 'string') return instanceId;
  if (typeof entityName !== 'string') return undefined;
  return entityInstanceId({ name: entityName, key: String(entityKey) });
}

/** The query of an action on many, without the key. */
function filtersOf(request: FastifyRequest): string {
  return withoutKey(splitTarget(request.url).tail).slice(0, maxDetailLength);
}

/** A query string as it was sent, without `?` and the key. */
export function withoutKey(tail: string): string {
  const parts = tail.slice(1).split('&');
  return parts.filter((part) => !/^\s*(?:%63|c)(?:%6f|o)(?:%64|d)(?:%65|e)\s*=/i.test(part)).join('&');
}

/** The database was away and nothing was done: it would not take the record either, nor would the caller wait for it. */
function wasNotTried(outcome: AuditOutcome, payload: unknown): boolean {
  return outcome === 'failed' && typeof payload === 'string' && payload.includes('"ExceptionType":"StoreUnavailable"');
}

function outcomeOf(status: number): AuditOutcome {
  return status < 400 ? 'accepted' : status < 500 ? 'refused' : 'failed';
}

function detailOf(entry: AuditEntry, status: number, payload: unknown): string {
  // Counts and the ids of restarts; links hold keys and are left out.
  const counts =
    /^\{"instancesDeleted":\d+(?:,"instancesMatched":\d+)?\}$|^\{"dryRun":(?:true|false)(?:,"\w+":\d+)+|^\{"emptyEntitiesRemoved":\d+,"orphanedLocksReleased":\d+\}$/;
  const found = typeof payload === 'string' ? counts.exec(payload)?.[0] : undefined;
  const counted = found === undefined || found.endsWith('}') ? found : `${found}}`;
  const started = typeof payload === 'string' ? /^\{"id":("(?:[^"\\]|\\.)*")/.exec(payload)?.[1] : undefined;
  const more = counted ?? (started === undefined ? undefined : `{"id":${started}}`);
  return [entry.detail, String(status), more]
    .filter((text) => text !== null && text !== undefined && text !== '')
    .join(' ');
}
