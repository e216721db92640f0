/** Who did something, and where from, for the audit log. */
import type { FastifyRequest } from 'fastify';
import type { Origin } from '../model/access.ts';

const maxUserAgentLength = 256;

export function originOf(request: FastifyRequest): Origin {
  return {
    actor: request.caller?.name ?? 'anonymous',
    actorKind: request.caller?.kind ?? 'anonymous',
    address: request.ip || null,
    userAgent: request.headers['user-agent']?.slice(0, maxUserAgentLength) ?? null,
    requestId: request.id,
  };
}
