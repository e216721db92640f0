/** The log of the service: pino, with keys kept out of it. */
import { isSpanContextValid, trace } from '@opentelemetry/api';
import { Writable } from 'node:stream';
import { pino, stdTimeFunctions, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogConfig } from './config.ts';
import { openOutput, type LogDestination } from './log-output.ts';
import { toFailure } from './model/failure.ts';

/** Where a request may carry the system key. Never a bare `code`: that is what errors call their kind. */
const redacted = ['systemKey', 'query.code', '*.query.code'].concat(
  ['headers["x-functions-key"]', 'headers.authorization'].flatMap((path) => [path, `*.${path}`]),
);

/** Where the lines of all threads go: standard output, as they are or made readable. */
export function openLog({ format }: LogConfig): LogDestination {
  // Written by this thread and at once: the last lines before an exit are the ones that matter.
  const output = openOutput();
  if (format === 'json') return output;
  const destination = new Writable({
    decodeStrings: false,
    write: (line: string | Buffer, _encoding, done) => {
      output.write(line.toString());
      done();
    },
  });
  return pretty({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', destination });
}

/**
 * Creates a log: lines for people on a terminal, JSON else.
 * @param options.traced whether lines that are written within a trace say so
 */
export function createLogger(config: LogConfig, destination: LogDestination, { traced = false } = {}): Logger {
  const options = {
    ...(traced ? { mixin: activeTrace } : {}),
    level: config.level,
    redact: { paths: redacted, censor: '[redacted]' },
    serializers: {
      err: describeError,
      url: (url: unknown) => (typeof url === 'string' ? withoutKey(url) : url),
      req: describeRequest,
    },
  };
  if (config.format !== 'json') return pino(options, destination);
  return pino(
    { ...options, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    destination,
  );
}

/** What an error may say in a line, in characters of JSON: a message can be as large as what user code puts into it. */
const maxErrorLength = 65_536;

/** User code may throw anything: frozen errors, getters and proxies that throw. A line must come of it, and no error. */
function describeError(thrown: unknown): unknown {
  try {
    const described: unknown = pino.stdSerializers.err(thrown as Error);
    if (JSON.stringify(described).length <= maxErrorLength) return described;
  } catch {
    // What cannot be read as it is can be told of in short.
  }
  const { errorType: type, message, stackTrace: stack } = toFailure(thrown);
  return { type, message, ...(stack === undefined ? {} : { stack }) };
}

/** The names are those of OpenTelemetry for logs that are not its own. */
function activeTrace(): Record<string, unknown> {
  const active = trace.getActiveSpan()?.spanContext();
  if (active === undefined || !isSpanContextValid(active)) return {};
  const flags = active.traceFlags.toString(16).padStart(2, '0');
  return { trace_id: active.traceId, span_id: active.spanId, trace_flags: flags };
}

/** Fastify's own description of a request would hold the whole URL. */
function describeRequest(request: { readonly method?: string; readonly url?: string }): Record<string, unknown> {
  return { method: request.method, url: request.url === undefined ? undefined : withoutKey(request.url) };
}

/** Removes the value of `code=` from a URL or anything that contains one. */
function withoutKey(text: string): string {
  return text.replaceAll(/([?&]code=)[^&\s"]*/gi, '$1[redacted]');
}
