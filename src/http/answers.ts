/** The few kinds of answers there are. */
import type { FastifyReply } from 'fastify';

export const jsonType = 'application/json; charset=utf-8';

/** @param text JSON text, sent as it is */
export function sendJson(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).header('content-type', jsonType).send(text);
}

/** No body and no content type: clients take an empty 404 for "no such instance". */
export function sendEmpty(reply: FastifyReply, status: number): FastifyReply {
  return reply.code(status).send();
}
