/** How much callers may take: time, connections, headers, and what happens when the process cannot keep up. */
import { getHeapStatistics } from 'node:v8';
import underPressure from '@fastify/under-pressure';
import type { FastifyHttpOptions, FastifyInstance } from 'fastify';
import type { Server } from 'node:http';
import { Problem } from './problem.ts';

/** Every limit of the HTTP front beside the body's; each is a setting of the service. */
export interface HttpLimits {
  /** How long a whole request may take to arrive, in ms. Default 60,000. */
  readonly requestTimeoutMs: number;
  /** How long its headers may take, in ms. Default 15,000. */
  readonly headersTimeoutMs: number;
  /** How long a caller may take nothing of its answer, in ms; then its connection is closed. Default 60,000. */
  readonly sendTimeoutMs: number;
  /** How long an idle connection is kept, in ms. Default 72,000: longer than load balancers keep theirs. */
  readonly keepAliveTimeoutMs: number;
  /** Request line and headers together. Default 16,384. */
  readonly maxHeaderBytes: number;
  /** Requests after which a connection is closed; 0 for no limit. Default 0. */
  readonly maxRequestsPerSocket: number;
  /** Connections at the same time; more are closed at once. Default 10,000. */
  readonly maxConnections: number;
  /** Requests that wait for an instance to end at the same time; more are answered at once. Default 5,000. */
  readonly maxWaitingRequests: number;
  /** Event streams at the same time; more get 503. Default 1,000. */
  readonly maxEventStreams: number;
  /** Mean delay of the event loop over a second, in ms, above which requests get 503; 0 switches it off. Default 2,000. */
  readonly maxEventLoopDelayMs: number;
  /** Share of the heap's limit, in percent, above which requests get 503; 0 switches it off. Default 95. */
  readonly maxHeapPercent: number;
}

export const defaultLimits: HttpLimits = {
  requestTimeoutMs: 60_000,
  headersTimeoutMs: 15_000,
  sendTimeoutMs: 60_000,
  keepAliveTimeoutMs: 72_000,
  maxHeaderBytes: 16_384,
  maxRequestsPerSocket: 0,
  maxConnections: 10_000,
  maxWaitingRequests: 5_000,
  maxEventStreams: 1_000,
  maxEventLoopDelayMs: 2_000,
  maxHeapPercent: 95,
};

const retryAfterSeconds = 5;
const dropLogMs = 10_000;

/** What Fastify and Node need to know at birth. */
export function serverLimits(limits: HttpLimits): Partial<FastifyHttpOptions<Server>> {
  const headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs);
  return {
    requestTimeout: limits.requestTimeoutMs,
    // Only what is not read ends at it, see `pipelining.ts`.
    connectionTimeout: limits.sendTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxRequestsPerSocket: limits.maxRequestsPerSocket,
    http: {
      headersTimeout,
      maxHeaderSize: limits.maxHeaderBytes,
      // Node looks every 30 s by default: whoever sends a byte a second would have that much longer.
      connectionsCheckingInterval: Math.max(25, Math.min(1_000, headersTimeout / 4)),
    },
  };
}

/** Closes connections over the limit, and says so in the log now and then. */
export function limitConnections(app: FastifyInstance, limits: HttpLimits): void {
  app.server.maxConnections = limits.maxConnections;
  let saidAt = -Infinity;
  app.server.on('drop', () => {
    if (performance.now() - saidAt < dropLogMs) return;
    saidAt = performance.now();
    app.log.warn({ maxConnections: limits.maxConnections }, 'connections over the limit are closed');
  });
}

/**
 * Watches event loop and heap.
 * @returns whether requests are to be refused now; a comparison of numbers, as it is asked for every request
 */
export async function watchPressure(app: FastifyInstance, limits: HttpLimits): Promise<() => boolean> {
  const maxEventLoopDelay = limits.maxEventLoopDelayMs;
  const maxHeapUsedBytes = Math.floor((getHeapStatistics().heap_size_limit * limits.maxHeapPercent) / 100);
  if (maxEventLoopDelay === 0 && maxHeapUsedBytes === 0) return () => false;
  let isUnderPressure: (() => boolean) | undefined;
  // In a context of its own: the plugin's own hook makes an object for each request.
  await app.register(async (watched) => {
    await watched.register(underPressure, { maxEventLoopDelay, maxHeapUsedBytes });
    isUnderPressure = () => watched.isUnderPressure();
  });
  return () => isUnderPressure?.() === true;
}

/** What a request gets that is refused so that others are answered. */
export function overloaded(): Problem {
  const message = 'The service is overloaded right now. Try again in a moment.';
  return new Problem(503, { kind: 'object', message, type: 'Overloaded' }, retryAfterSeconds);
}
