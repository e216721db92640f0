import { randomBytes } from 'node:crypto';

/**
 * Ids of spans, for the tracer provider of an OpenTelemetry SDK: `new NodeTracerProvider({ idGenerator: spanIds })`. Random as
 * ever, but for spans whose id others know before the span is made: an orchestration's is made when it ends, long after those
 * of its activities, maybe by another process.
 */
export class SpanIds {
  #wanted: { readonly traceId: string; readonly spanId: string } | undefined;

  /** The span that `make` begins gets these ids. */
  use<Result>(wanted: { readonly traceId: string; readonly spanId: string }, make: () => Result): Result {
    this.#wanted = wanted;
    try {
      return make();
    } finally {
      this.#wanted = undefined;
    }
  }

  /** For the SDK. A field, as it is called without its object. */
  readonly generateTraceId = (): string => this.#wanted?.traceId ?? randomBytes(16).toString('hex');

  /** For the SDK. */
  readonly generateSpanId = (): string => this.#wanted?.spanId ?? randomBytes(8).toString('hex');
}
