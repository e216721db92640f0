/**
 * Tokens in links: who has one may do one thing to one instance until it expires, and nothing else. They stand where a key
 * would, in `code`. `perdure-link.<secret>.<operation>.<expiry>.<signature>`; hub and instance are signed, and are those
 * of the URL that carries the token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SigningSecret } from '../client/access.ts';

/** What a link can be good for. Purging is not among them: the purge link shares its URL with the status link. */
export const linkOperations = ['status', 'raiseEvent', 'terminate', 'suspend', 'resume', 'restart', 'rewind'] as const;
/** `event` is `raiseEvent` for one event name only. */
export type LinkOperation = (typeof linkOperations)[number] | 'event';

/** What a token allows. */
export interface LinkGrant {
  readonly operation: LinkOperation;
  readonly taskHub: string;
  readonly instanceId: string;
  /** For `event`. */
  readonly eventName?: string;
  /** Milliseconds since 1970; kept in whole seconds. */
  readonly expiresAt: number;
}

const prefix = 'perdure-link';
const tokenPattern = /^perdure-link\.(\d{1,10})\.(\w{1,16})\.([0-9a-z]{1,9})\.([\w-]{43})$/;

/** Whether a text claims to be a token; a key never does. */
export function isLinkToken(code: string): boolean {
  return code.startsWith(`${prefix}.`);
}

export function signLink(secret: SigningSecret, grant: LinkGrant): string {
  const expiry = Math.ceil(grant.expiresAt / 1_000).toString(36);
  const mac = signature(secret, grant, expiry).toString('base64url');
  return `${prefix}.${secret.id}.${grant.operation}.${expiry}.${mac}`;
}

/**
 * What a token allows, when it was signed by one of the secrets for this very hub and instance and has not expired.
 * @param target the hub and the instance, and perhaps the event, of the URL that carries the token
 */
export function readLink(
  code: string,
  secrets: readonly SigningSecret[],
  target: { readonly taskHub: string; readonly instanceId: string; readonly eventName?: string | undefined },
): LinkGrant | undefined {
  const [, id, operation, expiry = '', mac = ''] = tokenPattern.exec(code) ?? [];
  const secret = secrets.find((one) => one.id === Number(id));
  if (secret === undefined || !isOperation(operation)) return undefined;
  const { taskHub, instanceId, eventName } = target;
  const expiresAt = Number.parseInt(expiry, 36) * 1_000;
  const grant: LinkGrant = {
    operation,
    taskHub,
    instanceId,
    expiresAt,
    ...(operation === 'event' ? { eventName: eventName ?? '' } : {}),
  };
  const sent = Buffer.from(mac, 'base64url');
  const expected = signature(secret, grant, expiry);
  if (sent.length !== expected.length || !timingSafeEqual(sent, expected)) return undefined;
  return expiresAt > Date.now() ? grant : undefined;
}

function isOperation(text: string | undefined): text is LinkOperation {
  return text === 'event' || linkOperations.some((one) => one === text);
}

/** Hubs are the same in any case; ids and events are not. */
function signature(secret: SigningSecret, grant: LinkGrant, expiry: string): Buffer {
  const { operation, taskHub, instanceId, eventName } = grant;
  const signed = [prefix, operation, expiry, taskHub.toLowerCase(), instanceId, eventName ?? null];
  return createHmac('sha256', secret.secret).update(JSON.stringify(signed)).digest();
}
