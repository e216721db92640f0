/** How often somebody without a key may call, by address. Keys and this machine itself are never limited. */
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';

/** Counts a call. @returns `undefined` when nothing is limited, else the refusal, if it is one too many */
export type RateLimit = (request: FastifyRequest) => Promise<Problem | undefined> | undefined;

const minuteMs = 60_000;

/** @param perMinute calls from one address (of IPv6 one network); 0 switches the limit off */
export async function limitRate(app: FastifyInstance, perMinute: number): Promise<RateLimit> {
  if (perMinute === 0) return () => undefined;
  await app.register(rateLimit, { global: false, max: perMinute, timeWindow: minuteMs });
  const count = app.createRateLimit();
  return async (request) => {
    const outcome = await count(request);
    return outcome.isAllowed || !outcome.isExceeded ? undefined : tooMany(outcome.ttlInSeconds);
  };
}

function tooMany(seconds: number): Problem {
  const message = 'Too many calls without a key. Try again later, or use one.';
  return new Problem(429, { kind: 'object', message, type: 'TooManyRequests' }, Math.max(1, seconds));
}
