/** What each operation of the management API asks of its caller, by its name in the OpenAPI document. */
import type { Scope } from '../model/access.ts';
import type { Query } from './query.ts';
import type { LinkOperation } from './signed-links.ts';

/** What an operation asks for. */
export interface OperationAccess {
  /** The scope of the key. */
  readonly scope: Scope;
  /** What a signed link must be good for; `undefined`: links never suffice. */
  readonly link?: LinkOperation;
  /** Its answers have links. */
  readonly hasLinks?: boolean;
  /** The name under which it is recorded; `undefined`: it is no action of an operator. */
  readonly audit?: string;
  /** Which of its calls are actions of an operator. Default: all. */
  readonly isAudited?: (query: Query) => boolean;
  /** It is one only when a start has ended a live instance, or was refused. */
  readonly auditsEndOfLive?: boolean;
  /** A switch in the query that the record names when it is on. */
  readonly notedFlag?: string;
}

const start: OperationAccess = { scope: 'write', hasLinks: true };
const startWithId: OperationAccess = {
  ...start,
  audit: 'terminateAndStart',
  isAudited: (query) => isWord(query, 'onExisting', 'terminate'),
  auditsEndOfLive: true,
};
const deleteEntity: OperationAccess = { scope: 'write', audit: 'deleteEntity' };
/** The operation of this name does what DELETE does. */
const signal: OperationAccess = { ...deleteEntity, isAudited: (query) => isWord(query, 'op', 'delete') };

const operations: Readonly<Record<string, OperationAccess>> = {
  startOrchestration: start,
  startOrchestrationWithId: startWithId,
  getInstance: { scope: 'read', link: 'status' },
  instanceEvents: { scope: 'read', link: 'status' },
  hubEvents: { scope: 'read' },
  raiseEvent: { scope: 'write', link: 'raiseEvent' },
  terminateInstance: { scope: 'admin', link: 'terminate', audit: 'terminate', notedFlag: 'recursive' },
  suspendInstance: { scope: 'admin', link: 'suspend', audit: 'suspend' },
  resumeInstance: { scope: 'admin', link: 'resume', audit: 'resume' },
  restartInstance: { scope: 'admin', link: 'restart', hasLinks: true, audit: 'restart' },
  rewindInstance: { scope: 'admin', link: 'rewind', audit: 'rewind' },
  purgeInstance: { scope: 'admin', audit: 'purge', notedFlag: 'recursive' },
  purgeInstances: { scope: 'admin', audit: 'purgeMany' },
  signalEntity: signal,
  signalEntityWithoutKey: signal,
  deleteEntity,
  cleanEntityStorage: { scope: 'admin', audit: 'cleanEntityStorage' },
  deleteEntityWithoutKey: deleteEntity,
  bulkTerminate: { scope: 'admin', audit: 'bulkTerminate' },
  bulkSuspend: { scope: 'admin', audit: 'bulkSuspend' },
  bulkResume: { scope: 'admin', audit: 'bulkResume' },
  bulkRewind: { scope: 'admin', audit: 'bulkRewind' },
  listAudit: { scope: 'admin' },
};

/** An operation that nobody has thought of here is one that only admins may do, and is recorded, unless it reads. */
export function accessOf(operationId: string | undefined, method: string): OperationAccess {
  const known = operationId === undefined ? undefined : operations[operationId];
  if (known !== undefined) return known;
  if (method === 'GET') return { scope: 'read' };
  return { scope: 'admin', ...(operationId === undefined ? {} : { audit: operationId }) };
}

/** Whether a query parameter has this value, in any case. */
export function isWord(query: Query, name: string, word: string): boolean {
  return query.raw(name)?.trim().toLowerCase() === word;
}

/** The scope that a key needs for what a link is good for. */
export function scopeOfLink(operation: LinkOperation): Scope {
  return operation === 'status' ? 'read' : operation === 'raiseEvent' || operation === 'event' ? 'write' : 'admin';
}
