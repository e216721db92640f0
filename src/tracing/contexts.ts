/** Contexts of spans from text and to text. */
import { context, createContextKey, createTraceState, ROOT_CONTEXT, type SpanContext } from '@opentelemetry/api';
import type { TraceContext } from '../model/trace-context.ts';

/** @param traceparent a valid one */
export function parseContext(traceparent: string, tracestate: string | undefined): SpanContext {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
  return {
    ...{ traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true },
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  };
}

/** A context as text. */
export function formatContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const traceparent = `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
  const state = traceState?.serialize() ?? '';
  return state === '' ? traceparent : `${traceparent} ${state}`;
}

/** Of text that is one. */
export function spanContextOf(text: TraceContext): SpanContext {
  const blank = text.indexOf(' ');
  return blank === -1 ? parseContext(text, undefined) : parseContext(text.slice(0, blank), text.slice(blank + 1));
}

/** Whether an SDK has been registered that knows what is active, so that a span for a request comes to something. */
export function isTracing(): boolean {
  const key = createContextKey('perdure');
  return context.with(ROOT_CONTEXT.setValue(key, true), () => context.active().getValue(key) === true);
}
