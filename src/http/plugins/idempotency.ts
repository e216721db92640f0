/**
 * POSTs that carry an `Idempotency-Key` are carried out once (decision 30): what they do is stored together with what they
 * are answered, and whoever repeats one within a day gets that answer.
 */
import { createHash } from 'node:crypto';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onSendAsyncHookHandler,
  preHandlerAsyncHookHandler,
} from 'fastify';
import type { OnceCall } from '../../client/once.ts';
import type { KeptAnswer } from '../../model/kept-answer.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import { splitTarget } from '../canonical-url.ts';
import type { Front, ManagementRequest } from '../front.ts';
import { continuationHeader } from '../paging.ts';
import { badArguments, Problem } from '../problem.ts';
import { Query } from '../query.ts';
import { sendStarted } from '../waiting.ts';
import { withoutKey } from './audit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What is kept of this request; `undefined` when it carries no key. */
    once: OnceExchange | undefined;
  }
}

/** A call under way whose answer will be kept. */
export interface OnceExchange {
  readonly call: OnceCall;
  /** The instance whose links are the answer. */
  started: string | undefined;
}

const header = 'idempotency-key';
/** What a client may well send as a key: a UUID, a quoted one, a hash. */
const keyPattern = /^[\x21-\x7e]{1,255}$/;
const retryAfterSeconds = 1;
/** Larger answers are not kept: of a start that waited the repetition gets the links. */
const maxBodyLength = 1_048_576;
/** How long a bulk operation is taken to be at work when nobody says that it has ended. */
const maxBulkMs = 600_000;

/** Gives requests a place for it. To be called once, before routes are added. */
export function rememberCalls(app: FastifyInstance): void {
  app.decorateRequest('once', undefined);
}

/** The hooks of a POST. */
export interface IdempotencyHooks {
  readonly begin: preHandlerAsyncHookHandler;
  readonly finish: onSendAsyncHookHandler;
}

/** @param operation.isBulk too large for one transaction */
export function idempotencyHooks(front: Front, operation: { readonly isBulk: boolean }): IdempotencyHooks {
  return {
    begin: async (request, reply) => {
      const key = keyOf(request);
      if (key === undefined || front.once === undefined) return undefined;
      const outcome = await front.once(callOf(request, key, front.defaultClient.taskHub));
      switch (outcome.kind) {
        case 'fresh':
          request.once = { call: outcome.call, started: undefined };
          if (operation.isBulk) await outcome.call.announce(maxBulkMs);
          return undefined;
        case 'repeated':
          // What is kept of these is the answer of a call that had done everything.
          if (operation.isBulk) void reply.header(continuationHeader, '');
          return repeat(front, request, reply, outcome.answer);
        case 'under-way':
          throw underWay();
        case 'different':
          throw different();
      }
    },
    finish: async (request, reply, payload) => {
      const { once } = request;
      // First, because what goes wrong here is answered too.
      request.once = undefined;
      if (once === undefined) return payload;
      // A part of something large is not kept: repeated, the call does more of what is left.
      const isPart = (reply.getHeader(continuationHeader) ?? '') !== '';
      const answer = isPart ? undefined : (answerOf(reply.statusCode, payload, once.started) ?? startedFor(once));
      if (answer === undefined) {
        await once.call.abandon();
        return payload;
      }
      try {
        await once.call.keep(answer);
      } catch (error) {
        request.audit?.lost();
        throw error;
      }
      return payload;
    },
  };
}

/** @throws Problem 400 for what cannot be a key */
function keyOf(request: FastifyRequest): string | undefined {
  const sent = request.headers[header];
  if (sent === undefined) return undefined;
  const key = Array.isArray(sent) ? sent.join(', ') : sent;
  if (keyPattern.test(key)) return key;
  throw new Problem(400, {
    kind: 'object',
    message: badArguments,
    detail: 'An Idempotency-Key has 1 to 255 visible ASCII characters and no blanks, and a request has one of it.',
    type: 'InvalidArgument',
  });
}

/** Keys are those of one caller, for one URL in one task hub: nobody gets the answer of somebody else. */
function callOf(request: FastifyRequest, key: string, defaultTaskHub: string) {
  const query = request.query instanceof Query ? request.query : Query.empty;
  const { path, tail } = splitTarget(request.url);
  const { kind, name } = request.caller ?? { kind: 'anonymous', name: 'anonymous' };
  const taskHub = ((query.raw('taskHub') ?? '').trim() || defaultTaskHub).toLowerCase();
  const asked = createHash('sha256').update(JSON.stringify([withoutKey(tail), request.headers[continuationHeader]]));
  if (Buffer.isBuffer(request.body)) asked.update(request.body);
  return {
    id: createHash('sha256')
      .update(JSON.stringify([taskHub, kind, name, path, key]))
      .digest(),
    requestHash: asked.digest(),
  };
}

/** The first answer again; links are made anew, with the key of this request. */
async function repeat(
  front: Front,
  request: FastifyRequest,
  reply: FastifyReply,
  { status, body, started }: KeptAnswer,
): Promise<FastifyReply> {
  // Nothing is done, so nothing is recorded as done.
  request.audit = undefined;
  void reply.header('idempotency-replayed', 'true');
  if (started !== null) return sendStarted({ front, request: request as ManagementRequest, reply }, started);
  return body === null ? sendEmpty(reply, status) : sendJson(reply, status, body);
}

/** Statuses that say that something was wrong with the request itself, or with who sent it: nothing was done. */
const refusals: readonly number[] = [400, 401, 403, 413, 415, 429];

/** What is stored already was done, whatever became of the wait for its end. */
function startedFor({ call, started }: OnceExchange): KeptAnswer | undefined {
  return call.isOpen || started === undefined ? undefined : { status: 202, body: null, started };
}

/** What is kept; `undefined` when the call is to be carried out when it comes again. */
function answerOf(status: number, payload: unknown, started: string | undefined): KeptAnswer | undefined {
  if (status >= 500 || refusals.includes(status)) return undefined;
  const body = typeof payload === 'string' && payload !== '' ? payload : null;
  if (started === undefined) return { status, body, started: null };
  const isLinks = status === 202 || (body?.length ?? 0) > maxBodyLength;
  return isLinks ? { status: 202, body: null, started } : { status, body, started: null };
}

function underWay(): Problem {
  const message = 'A call with this Idempotency-Key is under way. Try again in a moment.';
  return new Problem(409, { kind: 'object', message, type: 'IdempotencyKeyInUse' }, retryAfterSeconds);
}

function different(): Problem {
  const message = 'This Idempotency-Key was used for another request. Use a new key for each request.';
  return new Problem(422, { kind: 'object', message, type: 'IdempotencyKeyReused' });
}
