/** Fastify's request as the standard `Request` that user code gets. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpTriggerRequest } from '../../client/client.ts';

/** Where the pieces of a trigger's request come from. */
export interface TriggerExchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The URL as the caller sees it. */
  readonly url: string;
  readonly params: Readonly<Record<string, string>>;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Errors of `request.json()`, to tell them from other errors of user code. */
const bodyErrors = new WeakSet<object>();

/** Whether a trigger failed because the caller's body is no JSON. */
export function isBodyError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && bodyErrors.has(error);
}

export function triggerRequest({ request, reply, url, params }: TriggerExchange): HttpTriggerRequest {
  const body = Buffer.isBuffer(request.body) && request.body.length > 0 ? request.body : undefined;
  const standard = new Request(url, {
    method: request.method,
    headers: headersOf(request),
    signal: abortOnDisconnect(reply),
    ...(body === undefined || request.method === 'GET' ? {} : { body }),
  });
  const json = async (): Promise<unknown> => {
    try {
      // Not the standard's own: that one replaces bytes that are no UTF-8, and what was sent would be changed unseen.
      return JSON.parse(utf8.decode(await standard.arrayBuffer()));
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError) bodyErrors.add(error);
      throw error;
    }
  };
  return Object.assign(standard, { params, query: new URL(url).searchParams, json });
}

function headersOf(request: FastifyRequest): Headers {
  const headers = new Headers();
  const raw = request.raw.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) headers.append(raw[at] ?? '', raw[at + 1] ?? '');
  return headers;
}

function abortOnDisconnect(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
