/**
 * Spans of what clients ask for, and the context that a start leaves with its instance. Where no SDK is registered and no
 * context comes along, nothing is waited for and nothing is passed on.
 */
import {
  context,
  isSpanContextValid,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { ClientTracing, TracedSignal, TracedStart } from '../client/client-tracing.ts';
import type { TraceContext } from '../model/trace-context.ts';
import { formatContext, spanContextOf } from './contexts.ts';
import { attribute, spanName, tracerName } from './names.ts';

export class ClientSpans implements ClientTracing {
  readonly #tracer: Tracer = trace.getTracer(tracerName);

  start<Start extends TracedStart>(start: Start, run: (start: Start) => Promise<string>): Promise<string> {
    const { name, version, traceContext } = start;
    const span = this.#tracer.startSpan(
      spanName('create_orchestration', name, version),
      {
        kind: SpanKind.PRODUCER,
        attributes: {
          [attribute.type]: 'orchestration',
          [attribute.name]: name,
          ...(version === undefined ? {} : { [attribute.version]: version }),
        },
      },
      within(traceContext),
    );
    const own = span.spanContext();
    if (!isSpanContextValid(own)) return run(start);
    return ending(span, async () => {
      const instanceId = await run({ ...start, traceContext: formatContext(own) });
      span.setAttribute(attribute.instanceId, instanceId);
      return instanceId;
    });
  }

  raise<Result>(
    event: { readonly name: string; readonly instanceId: string },
    run: () => Promise<Result>,
  ): Promise<Result> {
    const span = this.#tracer.startSpan(spanName('orchestration_event', event.name), {
      kind: SpanKind.PRODUCER,
      attributes: {
        [attribute.type]: 'event',
        [attribute.name]: event.name,
        [attribute.targetInstanceId]: event.instanceId,
      },
    });
    return isSpanContextValid(span.spanContext()) ? ending(span, run) : run();
  }

  signal(
    { entityId, name, operation, traceContext }: TracedSignal,
    run: (traceContext: TraceContext | undefined) => Promise<void>,
  ): Promise<void> {
    const span = this.#tracer.startSpan(
      spanName('signal_entity', `${name}:${operation}`),
      {
        kind: SpanKind.PRODUCER,
        attributes: {
          [attribute.type]: 'entity',
          [attribute.name]: name,
          [attribute.operation]: operation,
          [attribute.entityId]: entityId,
        },
      },
      within(traceContext),
    );
    const own = span.spanContext();
    return isSpanContextValid(own) ? ending(span, () => run(formatContext(own))) : run(undefined);
  }
}

/** Whoever is active here; else what a request brought along. */
function within(given: TraceContext | undefined): Context {
  const active = context.active();
  if (given === undefined || trace.getSpan(active) !== undefined) return active;
  return trace.setSpanContext(active, spanContextOf(given));
}

async function ending<Result>(span: Span, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    throw error;
  } finally {
    span.end();
  }
}
