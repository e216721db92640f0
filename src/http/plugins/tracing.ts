/** The trace of a request: what its headers say, and a span for it where an SDK of OpenTelemetry is at work. */
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toTraceContext, type TraceContext } from '../../model/trace-context.ts';
import { isTracing, spanContextOf } from '../../tracing/contexts.ts';
import { splitTarget } from '../canonical-url.ts';
import { isHealthPath } from './health.ts';
import { isMetricsPath } from './metrics.ts';

/** The W3C trace context of the caller; `undefined`: it sent none that can be read. */
export function traceContextOf({ headers }: FastifyRequest): TraceContext | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return undefined;
  return toTraceContext(traceparent, typeof tracestate === 'string' ? tracestate : undefined);
}

/** Everything that a request leads to happens within its span. To be called before other hooks and routes are added. */
export function traceRequests(app: FastifyInstance): void {
  if (!isTracing()) return;
  const tracer = trace.getTracer('perdure');
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook('onRequest', (request, _reply, done) => {
    if (isHealthPath(request.url) || isMetricsPath(request.url)) return done();
    const given = traceContextOf(request);
    const parent = given === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(given));
    const route = request.is404 ? undefined : request.routeOptions.url;
    const span = tracer.startSpan(
      route === undefined ? request.method : `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': request.method,
          // Without the query, which may hold a key.
          'url.path': splitTarget(request.originalUrl).path,
          ...(route === undefined ? {} : { 'http.route': route }),
        },
      },
      parent,
    );
    spans.set(request, span);
    context.with(trace.setSpan(parent, span), done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    span?.setAttribute('http.response.status_code', reply.statusCode);
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    done();
  });
}
