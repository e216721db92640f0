/** Reading instance ids of requests. */
import type { FastifyRequest } from 'fastify';
import type { InstanceParams } from '../wire/instances.ts';
import { emptyProblem } from './problem.ts';

/**
 * The id that a request names, decoded once.
 * @throws Problem 404 for an id that no instance can have and Postgres cannot look up
 */
export function instanceIdOf(request: FastifyRequest<{ Params: InstanceParams }>): string {
  const { instanceId } = request.params;
  if (instanceId.includes('\0')) throw emptyProblem(404);
  return instanceId;
}

/**
 * The id with its literal `+` read as blanks, or `undefined` when it has none. The real service writes a blank as `+`
 * into its links, and clients have stored such links; as a courtesy look-ups try this id when there is no other.
 */
export function spacedInstanceId(request: FastifyRequest<{ Params: InstanceParams }>): string | undefined {
  const raw = /\/instances\/([^/?#]*)/.exec(request.url)?.[1];
  return raw?.includes('+') === true ? decodeURIComponent(raw.replaceAll('+', '%20')) : undefined;
}
