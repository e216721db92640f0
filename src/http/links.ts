/**
 * The links that manage an instance (http-api.md 1.5 and 5). Built by joining strings: a start makes seven of them.
 * Everything that goes into a link is percent-encoded or comes from `base-url.ts`, so that no link needs JSON escapes.
 */
import type { HttpManagementPayload } from '../client/client.ts';
import { mount } from './canonical-url.ts';
import type { LinkOperation } from './signed-links.ts';

/** What all links of one answer have in common. */
export interface LinkScope {
  /** Scheme, host and prefix. */
  readonly base: string;
  readonly taskHub: string;
  readonly connection: string;
  /** The key that the caller presented: clients build other URLs from the links. */
  readonly key: string | undefined;
  /**
   * Makes the token of a link that is good for one operation, instead of the key; `undefined` without any for what it must
   * not be good for. Left out: links are not signed.
   */
  readonly sign?: ((instanceId: string, operation: LinkOperation) => string | undefined) | undefined;
}

/** Connection that links name when the request named none. */
export const defaultConnection = 'Storage';

const plain = /^[\w.!*()-]*$/;

/** As form encoding, but with `%20` for a blank, so that links of ids with blanks lead somewhere. */
export function encodeForLink(text: string): string {
  if (plain.test(text)) return text;
  return encodeURIComponent(text.toWellFormed()).replaceAll('~', '%7E').replaceAll("'", '%27');
}

function instanceUri(scope: LinkScope, instanceId: string): string {
  return `${scope.base}${mount}/instances/${encodeForLink(instanceId)}`;
}

/** `taskHub` and `connection` are always there: clients append `&name=value` and need the `?`. */
function linkQuery(scope: LinkScope, instanceId: string): (operation: LinkOperation) => string {
  const query = `taskHub=${encodeForLink(scope.taskHub)}&connection=${encodeForLink(scope.connection)}`;
  const { sign } = scope;
  if (sign !== undefined) {
    return (operation) => {
      const token = sign(instanceId, operation);
      return token === undefined ? query : `${query}&code=${token}`;
    };
  }
  const same = scope.key === undefined ? query : `${query}&code=${encodeForLink(scope.key)}`;
  return () => same;
}

/** `statusQueryGetUri`, which is also the `Location` of a start. */
export function statusUri(scope: LinkScope, instanceId: string): string {
  return `${instanceUri(scope, instanceId)}?${linkQuery(scope, instanceId)('status')}`;
}

/**
 * The body of a 202 of start and restart as JSON text, in the order of the real service. No `rewindPostUri`: the real
 * service left it out of this answer in version 2.0. Status and purge share a URL, so that a signed one only reads.
 */
export function checkStatusText(scope: LinkScope, instanceId: string): string {
  const uri = instanceUri(scope, instanceId);
  const query = linkQuery(scope, instanceId);
  const status = `${uri}?${query('status')}`;
  return (
    `{"id":${JSON.stringify(instanceId)},"statusQueryGetUri":"${status}"` +
    `,"sendEventPostUri":"${uri}/raiseEvent/{eventName}?${query('raiseEvent')}"` +
    `,"terminatePostUri":"${uri}/terminate?reason={text}&${query('terminate')}"` +
    `,"purgeHistoryDeleteUri":"${status}"` +
    `,"restartPostUri":"${uri}/restart?${query('restart')}"` +
    `,"suspendPostUri":"${uri}/suspend?reason={text}&${query('suspend')}"` +
    `,"resumePostUri":"${uri}/resume?reason={text}&${query('resume')}"}`
  );
}

/**
 * The links as `createHttpManagementPayload` of the SDKs gives them, rewind included.
 * @param eventName the only event that a signed event link is good for
 */
export function managementPayload(scope: LinkScope, instanceId: string, eventName?: string): HttpManagementPayload {
  const uri = instanceUri(scope, instanceId);
  const query = linkQuery(scope, instanceId);
  const status = `${uri}?${query('status')}`;
  const event = eventName === undefined ? '{eventName}' : encodeForLink(eventName);
  return {
    id: instanceId,
    statusQueryGetUri: status,
    sendEventPostUri: `${uri}/raiseEvent/${event}?${query(eventName === undefined ? 'raiseEvent' : 'event')}`,
    terminatePostUri: `${uri}/terminate?reason={text}&${query('terminate')}`,
    rewindPostUri: `${uri}/rewind?reason={text}&${query('rewind')}`,
    purgeHistoryDeleteUri: status,
    restartPostUri: `${uri}/restart?${query('restart')}`,
    suspendPostUri: `${uri}/suspend?reason={text}&${query('suspend')}`,
    resumePostUri: `${uri}/resume?reason={text}&${query('resume')}`,
  };
}
