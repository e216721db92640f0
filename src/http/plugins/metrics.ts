/** `/metrics` for Prometheus, and the counting of requests that it tells. */
import type { FastifyInstance, onResponseHookHandler } from 'fastify';
import type { HttpCounts } from '../../metrics/http-counts.ts';
import type { Gate } from './auth.ts';

/** What the page is made of. */
export interface Metrics {
  addServer(counts: HttpCounts): void;
  text(): Promise<string>;
}

/** To be called before any route is added. Counting is one hook of each route; nothing is looked up for it. */
export function countRequests(app: FastifyInstance, counts: HttpCounts): HttpCounts {
  app.addHook('onRoute', (route) => {
    // The endpoints of users share one route, which takes any method.
    const methods = [route.method].flat();
    const answers = new Map(methods.map((method) => [method, counts.route(method, route.url)]));
    const only = methods.length === 1 ? answers.get(methods[0] ?? '') : undefined;
    const count: onResponseHookHandler = (request, reply, done) => {
      (only ?? answers.get(request.method))?.answered(reply.statusCode, reply.elapsedTime / 1_000);
      done();
    };
    route.onResponse = [route.onResponse ?? [], count].flat();
  });
  const unknown = counts.route('any', 'other');
  app.addHook('onResponse', (request, reply, done) => {
    if (request.is404) unknown.answered(reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });
  return counts;
}

/** Whether a URL is that of the page. */
export function isMetricsPath(url: string): boolean {
  return url === '/metrics' || url.startsWith('/metrics?');
}

/** Wants a key of those who do not call from this machine (decision 32). */
export function serveMetrics(app: FastifyInstance, { metrics, gate }: { metrics: Metrics; gate: Gate }): void {
  const onRequest = [gate.look, gate.requireCallerFromElsewhere];
  let process: Promise<{ metrics(): Promise<string> }> | undefined;
  app.get('/metrics', { schema: { hide: true }, onRequest }, async (_request, reply) => {
    // From the first look on: what they measure costs a little.
    process ??= processMetrics();
    const pages = await Promise.all([metrics.text(), process.then((registry) => registry.metrics())]);
    return reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(pages.join('\n'));
  });
}

/** Of the process and of Node: memory, processor, event loop, garbage collection. */
async function processMetrics(): Promise<{ metrics(): Promise<string> }> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}
