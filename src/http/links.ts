/**
 * The links that manage an instance (http-api.md 1.5 and 5). Built by joining strings: a start makes seven of them.
 * Everything that goes into a link is percent-encoded or comes from `base-url.ts`, so that no link needs JSON escapes.
 */
import type { HttpManagementPayload } from '../client/client.ts';
import { mount } from './canonical-url.ts';

/** What all links of one answer have in common. */
export interface LinkScope {
  /** Scheme, host and prefix. */
  readonly base: string;
  readonly taskHub: string;
  readonly connection: string;
  /** The key that the caller presented: clients build other URLs from the links. */
  readonly key: string | undefined;
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
function commonQuery(scope: LinkScope): string {
  const query = `taskHub=${encodeForLink(scope.taskHub)}&connection=${encodeForLink(scope.connection)}`;
  return scope.key === undefined ? query : `${query}&code=${encodeForLink(scope.key)}`;
}

/** `statusQueryGetUri`, which is also the `Location` of a start. */
export function statusUri(scope: LinkScope, instanceId: string): string {
  return `${instanceUri(scope, instanceId)}?${commonQuery(scope)}`;
}

/**
 * The body of a 202 of start and restart as JSON text, in the order of the real service. No `rewindPostUri`: the real
 * service left it out of this answer in version 2.0.
 */
export function checkStatusText(scope: LinkScope, instanceId: string): string {
  const uri = instanceUri(scope, instanceId);
  const query = commonQuery(scope);
  return (
    `{"id":${JSON.stringify(instanceId)},"statusQueryGetUri":"${uri}?${query}"` +
    `,"sendEventPostUri":"${uri}/raiseEvent/{eventName}?${query}"` +
    `,"terminatePostUri":"${uri}/terminate?reason={text}&${query}"` +
    `,"purgeHistoryDeleteUri":"${uri}?${query}"` +
    `,"restartPostUri":"${uri}/restart?${query}"` +
    `,"suspendPostUri":"${uri}/suspend?reason={text}&${query}"` +
    `,"resumePostUri":"${uri}/resume?reason={text}&${query}"}`
  );
}

/** The links as `createHttpManagementPayload` of the SDKs gives them, rewind included. */
export function managementPayload(scope: LinkScope, instanceId: string): HttpManagementPayload {
  const uri = instanceUri(scope, instanceId);
  const query = commonQuery(scope);
  return {
    id: instanceId,
    statusQueryGetUri: `${uri}?${query}`,
    sendEventPostUri: `${uri}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${uri}/terminate?reason={text}&${query}`,
    rewindPostUri: `${uri}/rewind?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${uri}?${query}`,
    restartPostUri: `${uri}/restart?${query}`,
    suspendPostUri: `${uri}/suspend?reason={text}&${query}`,
    resumePostUri: `${uri}/resume?reason={text}&${query}`,
  };
}
