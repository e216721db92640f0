/** What a trigger returned, as an answer. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { jsonType, sendEmpty, sendJson } from '../answers.ts';

/** Bodies of our own responses, which then need not go through a stream. */
const texts = new WeakMap<Response, string>();

/** A response with a JSON body. */
export function textResponse(status: number, text: string, headers?: Readonly<Record<string, string>>): Response {
  const response = new Response(text, { status, headers: { 'content-type': jsonType, ...headers } });
  texts.set(response, text);
  return response;
}

/**
 * Sends a `Response` as it is, nothing as 204, any other value as JSON.
 * @throws TypeError for a value that JSON cannot hold
 */
export function sendTriggerResult(result: unknown, reply: FastifyReply): FastifyReply {
  if (result === undefined) return sendEmpty(reply, 204);
  if (result instanceof Response) return sendResponse(result, reply);
  const text = JSON.stringify(result);
  if (text === undefined) throw new TypeError(`JSON cannot hold a ${typeof result}.`);
  return sendJson(reply, 200, text);
}

/** These describe a connection or an encoding that is over when `fetch` hands out its response. */
const ofConnection = new Set(['connection', 'content-encoding', 'content-length', 'keep-alive', 'transfer-encoding']);

function sendResponse(response: Response, reply: FastifyReply): FastifyReply {
  if (response.bodyUsed) throw new TypeError('The body of the response was read already.');
  const isFetched = response.type !== 'default';
  void reply.code(response.status);
  for (const [name, value] of response.headers) {
    // Cookies come one by one and add up.
    if (!isFetched || !ofConnection.has(name)) void reply.header(name, value);
  }
  const text = texts.get(response);
  if (text !== undefined) return reply.send(text);
  if (response.body === null) return reply.send();
  return reply.send(Readable.fromWeb(response.body));
}
