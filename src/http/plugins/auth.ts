/** One key for the management API, as query `code` or header `x-functions-key`, like the system key of Functions. */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import { splitTarget } from '../canonical-url.ts';
import { emptyProblem } from '../problem.ts';
import { Query } from '../query.ts';

export interface KeyCheck {
  /** Whether the request has the key, or none is configured. */
  isAllowed(request: FastifyRequest): boolean;
  /** The key that links repeat: the valid one that the caller presented. Without a configured key: whatever it sent. */
  presented(request: FastifyRequest): string | undefined;
}

export function keyCheck(systemKey: string | undefined): KeyCheck {
  const expected = systemKey === undefined ? undefined : Buffer.from(systemKey);
  const matches = (key: string) => expected === undefined || sameKey(Buffer.from(key), expected);
  const presented = (request: FastifyRequest) => candidates(request).find(matches);
  return { presented, isAllowed: (request) => expected === undefined || presented(request) !== undefined };
}

/** Takes equally long wherever the keys differ; their length is no secret. */
function sameKey(key: Buffer, expected: Buffer): boolean {
  return key.length === expected.length && timingSafeEqual(key, expected);
}

function candidates(request: FastifyRequest): string[] {
  const header = request.headers['x-functions-key'];
  return [queryOf(request).raw('code'), Array.isArray(header) ? header[0] : header]
    .filter((key) => key !== undefined)
    .filter((key) => key !== '');
}

/** Requests that fail before routing come without a query. */
function queryOf(request: FastifyRequest): Query {
  return request.query instanceof Query ? request.query : Query.parse(splitTarget(request.url).tail.slice(1));
}

/** Answers 401, empty, before anything of the request is read. */
export function requireKey(keys: KeyCheck): onRequestHookHandler {
  return (request, _reply, done) => (keys.isAllowed(request) ? done() : done(emptyProblem(401)));
}

/** The documentation wants the key only from connections that do not come in over loopback. */
export function requireKeyBeyondLoopback(keys: KeyCheck): onRequestHookHandler {
  return (request, _reply, done) =>
    isLoopback(request.socket.localAddress) || keys.isAllowed(request) ? done() : done(emptyProblem(401));
}

function isLoopback(address: string | undefined): boolean {
  return address === undefined || address === '::1' || /^(?:::ffff:)?127\./.test(address);
}
