/** What each operation of the management API asks of its caller, by its name in the OpenAPI document. */
import type { Scope } from '../model/access.ts';
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
}

const operations: Readonly<Record<string, OperationAccess>> = {
  getInstance: { scope: 'read', link: 'status' },
  raiseEvent: { scope: 'write', link: 'raiseEvent' },
  terminateInstance: { scope: 'admin', link: 'terminate', audit: 'terminate' },
  suspendInstance: { scope: 'admin', link: 'suspend', audit: 'suspend' },
  resumeInstance: { scope: 'admin', link: 'resume', audit: 'resume' },
  restartInstance: { scope: 'admin', link: 'restart', hasLinks: true, audit: 'restart' },
  rewindInstance: { scope: 'admin', link: 'rewind', audit: 'rewind' },
  purgeInstance: { scope: 'admin', audit: 'purge' },
  purgeInstances: { scope: 'admin', audit: 'purgeMany' },
  deleteEntity: { scope: 'write' },
  deleteEntityWithoutKey: { scope: 'write' },
  listAudit: { scope: 'admin' },
};

/** An operation that nobody has thought of here is one that only admins may do, and is recorded, unless it reads. */
export function accessOf(operationId: string | undefined, method: string): OperationAccess {
  const known = operationId === undefined ? undefined : operations[operationId];
  if (known !== undefined) return known;
  if (method === 'GET') return { scope: 'read' };
  if (operationId?.startsWith('start') === true) return { scope: 'write', hasLinks: true };
  if (operationId?.startsWith('signal') === true) return { scope: 'write' };
  return { scope: 'admin', ...(operationId === undefined ? {} : { audit: operationId }) };
}

/** The scope that a key needs for what a link is good for. */
export function scopeOfLink(operation: LinkOperation): Scope {
  return operation === 'status' ? 'read' : operation === 'raiseEvent' || operation === 'event' ? 'write' : 'admin';
}
