/** Pages of lists, as Durable Functions has them: the size in `top`, the token of the page before in a header. */
import type { FastifyRequest } from 'fastify';
import type { Query } from './query.ts';

export const continuationHeader = 'x-ms-continuation-token';
const defaultPage = 100;
const largestPage = 1_000;

/** What was asked for, up to the largest there is; 0 and less are for the caller to refuse. */
export function pageSize(query: Query): number {
  return Math.min(query.integer('top') ?? defaultPage, largestPage);
}

/** The first value counts; Node joins repeated headers. */
export function continuationToken(request: FastifyRequest<{ Querystring: Query }>): string | undefined {
  const value = request.headers[continuationHeader];
  const text = Array.isArray(value) ? value[0] : value;
  return text?.split(',')[0]?.trim() || undefined;
}
