/** Pages of other origins may call only where they were let in by name. */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { httpMethods } from '../../client/http-trigger.ts';

const oneDay = 86_400;

/**
 * To be called before any route is added.
 * @param origins such as `https://app.example`, or `*` for every page; none leaves CORS off
 */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: [...httpMethods],
    // Keys are sent by the page itself, never by the browser on its own.
    credentials: false,
    exposedHeaders: ['Location', 'Retry-After', 'x-ms-continuation-token', 'x-request-id'],
    maxAge: oneDay,
    strictPreflight: false,
  });
}
