/** How much callers of the HTTP front may take. */
import { type Environment, integer, setting } from './settings.ts';

/** Limits of the HTTP front; 0 means none where it is allowed. */
export interface HttpLimitsConfig {
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxRequestsPerSocket: number;
  readonly maxConnections: number;
  readonly maxWaitingRequests: number;
  readonly maxEventStreams: number;
  readonly maxEventLoopDelayMs: number;
  readonly maxHeapPercent: number;
}

/** The flags that say it. */
export type HttpLimitsFlags = { readonly [Limit in keyof HttpLimitsConfig]?: string };

/** @throws ConfigError for the first limit that cannot be used */
export function httpLimitsConfig(flags: HttpLimitsFlags, env: Environment): HttpLimitsConfig {
  const hour = 3_600_000;
  return {
    requestTimeoutMs: integer(
      setting(env, '--request-timeout-ms', flags.requestTimeoutMs, 'PERDURE_REQUEST_TIMEOUT_MS'),
      { from: 100, to: hour, default: 60_000 },
    ),
    headersTimeoutMs: integer(
      setting(env, '--headers-timeout-ms', flags.headersTimeoutMs, 'PERDURE_HEADERS_TIMEOUT_MS'),
      { from: 100, to: hour, default: 15_000 },
    ),
    sendTimeoutMs: integer(setting(env, '--send-timeout-ms', flags.sendTimeoutMs, 'PERDURE_SEND_TIMEOUT_MS'), {
      from: 100,
      to: hour,
      default: 60_000,
    }),
    keepAliveTimeoutMs: integer(
      setting(env, '--keep-alive-timeout-ms', flags.keepAliveTimeoutMs, 'PERDURE_KEEP_ALIVE_TIMEOUT_MS'),
      { from: 100, to: hour, default: 72_000 },
    ),
    maxHeaderBytes: integer(setting(env, '--max-header-bytes', flags.maxHeaderBytes, 'PERDURE_MAX_HEADER_BYTES'), {
      from: 4_096,
      to: 1_048_576,
      default: 16_384,
    }),
    maxRequestsPerSocket: integer(
      setting(env, '--max-requests-per-socket', flags.maxRequestsPerSocket, 'PERDURE_MAX_REQUESTS_PER_SOCKET'),
      { from: 0, to: 1_000_000_000, default: 0 },
    ),
    maxConnections: integer(setting(env, '--max-connections', flags.maxConnections, 'PERDURE_MAX_CONNECTIONS'), {
      from: 1,
      to: 1_000_000,
      default: 10_000,
    }),
    maxWaitingRequests: integer(
      setting(env, '--max-waiting-requests', flags.maxWaitingRequests, 'PERDURE_MAX_WAITING_REQUESTS'),
      { from: 0, to: 1_000_000, default: 5_000 },
    ),
    maxEventStreams: integer(setting(env, '--max-event-streams', flags.maxEventStreams, 'PERDURE_MAX_EVENT_STREAMS'), {
      from: 0,
      to: 1_000_000,
      default: 1_000,
    }),
    maxEventLoopDelayMs: integer(
      setting(env, '--max-event-loop-delay-ms', flags.maxEventLoopDelayMs, 'PERDURE_MAX_EVENT_LOOP_DELAY_MS'),
      { from: 0, to: hour, default: 2_000 },
    ),
    maxHeapPercent: integer(setting(env, '--max-heap-percent', flags.maxHeapPercent, 'PERDURE_MAX_HEAP_PERCENT'), {
      from: 0,
      to: 100,
      default: 95,
    }),
  };
}
