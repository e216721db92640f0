import { Command } from 'commander';
import type { StartFlags } from '../../config.ts';
import { onRetention } from './hub-flags.ts';

/** What `perdure start` was asked to do. */
export interface StartRequest {
  /** Modules with definitions: files or folders. */
  readonly modules: readonly string[];
  readonly flags: StartFlags;
}

/** `perdure start [module ...]`. Values are checked by `config.ts`, which also knows the environment. */
export function startCommand(start: (request: StartRequest) => Promise<void>): Command {
  return onRetention(new Command('start'))
    .summary('run the service with the functions of your modules')
    .description(
      'Runs the service. Each module (a file or folder; .js, .mjs, .ts) is loaded and every definition that it exports is registered.',
    )
    .argument('[module...]', 'files or folders with your functions')
    .option('--database-url <url>', 'Postgres 14 or newer [DATABASE_URL] (default: an embedded Postgres)')
    .option(
      '--direct-database-url <url>',
      'the same without the pooler, for LISTEN and migrations [DIRECT_DATABASE_URL]',
    )
    .option(
      '--prepared-statements <choice>',
      'on, off, or auto: unless a pooler is found [PERDURE_PREPARED_STATEMENTS] (default: auto)',
    )
    .option('--data-dir <folder>', 'data of the embedded Postgres [PERDURE_DATA_DIR] (default: .perdure)')
    .option('--host <address>', 'where HTTP listens [HOST] (default: 127.0.0.1)')
    .option('--port <number>', 'port of HTTP, 0 for a free one [PORT] (default: 7071)')
    .option('--public-url <url>', 'base of every link [PERDURE_PUBLIC_URL] (default: from the request)')
    .option('--task-hub <name>', 'the task hub that is served [PERDURE_TASK_HUB] (default: default)')
    .option('--schema <name>', 'Postgres schema of the tables [PERDURE_SCHEMA] (default: perdure)')
    .option('--system-key <key>', 'key that callers must present [PERDURE_SYSTEM_KEY or PERDURE_SYSTEM_KEY_FILE]')
    .option('--require-keys', 'ask for a key also without a system key: named ones will do [PERDURE_REQUIRE_KEYS]')
    .option('--signed-links', 'links carry expiring tokens instead of the key [PERDURE_SIGNED_LINKS]')
    .option('--link-ttl <time>', 'how long signed links are good [PERDURE_LINK_TTL] (default: 7d)')
    .option(
      '--rate-limit <number>',
      'calls without a key from one address and minute, 0 for no limit [PERDURE_RATE_LIMIT] (default: 1000 where keys are asked for)',
    )
    .option('--audit-retention <time>', 'how long audit records are kept [PERDURE_AUDIT_RETENTION] (default: 90d)')
    .option(
      '--webhook-secret <secret>',
      'signs completion webhooks [PERDURE_WEBHOOK_SECRET or PERDURE_WEBHOOK_SECRET_FILE] (default: none, they are refused)',
    )
    .option(
      '--no-migrate',
      'leave the tables alone, and do not start while they are behind: see perdure migrate [PERDURE_NO_MIGRATE]',
    )
    .option('--workers <number>', 'threads that work, 0 for HTTP only [PERDURE_WORKERS] (default: 1)')
    .option(
      '--turn-limit-ms <number>',
      'a turn that takes longer is ended with its thread [PERDURE_TURN_LIMIT_MS] (default: 10000)',
    )
    .option(
      '--block-limit-ms <number>',
      'so is an activity that does not pause [PERDURE_BLOCK_LIMIT_MS] (default: 60000)',
    )
    .option(
      '--activity-limit-ms <number>',
      'an activity that takes longer fails [PERDURE_ACTIVITY_LIMIT_MS] (default: 3600000)',
    )
    .option(
      '--stall-ms <number>',
      'others take over from a thread that stands still for so long [PERDURE_STALL_MS] (default: 500)',
    )
    .option(
      '--max-worker-heap-mb <number>',
      'memory of a worker thread [PERDURE_MAX_WORKER_HEAP_MB] (default: as Node chooses for the machine)',
    )
    .option(
      '--max-memory-mb <number>',
      'when the process takes more, a thread that fills buffers is ended [PERDURE_MAX_MEMORY_MB] (default: 90 % of the container or machine)',
    )
    .option('--no-http', 'work without serving HTTP')
    .option(
      '--monitor-port <number>',
      'health and metrics on a port of their own, also with --no-http [PERDURE_MONITOR_PORT] (default: none)',
    )
    .option('--lease-ms <number>', 'a silent worker loses its work after this time [PERDURE_LEASE_MS] (default: 30000)')
    .option('--poll-ms <number>', 'longest time between two looks for work [PERDURE_POLL_MS] (default: 1000)')
    .option('--max-body-bytes <number>', 'larger requests get 413 [PERDURE_MAX_BODY_BYTES] (default: 4194304)')
    .option(
      '--max-payload-length <number>',
      'characters of one payload [PERDURE_MAX_PAYLOAD_LENGTH] (default: 16777216)',
    )
    .option('--max-turn-length <number>', 'characters of one turn [PERDURE_MAX_TURN_LENGTH] (default: 67108864)')
    .option(
      '--max-history-length <number>',
      'characters of a history [PERDURE_MAX_HISTORY_LENGTH] (default: 268435456)',
    )
    .option('--max-history-events <number>', 'events of a history [PERDURE_MAX_HISTORY_EVENTS] (default: 1000000)')
    .option('--max-actions-per-turn <number>', 'actions of one turn [PERDURE_MAX_ACTIONS_PER_TURN] (default: 100000)')
    .option(
      '--max-custom-status-bytes <number>',
      'UTF-8 of a status [PERDURE_MAX_CUSTOM_STATUS_BYTES] (default: 16384)',
    )
    .option('--max-instance-id-length <number>', 'characters of an id [PERDURE_MAX_INSTANCE_ID_LENGTH] (default: 256)')
    .option(
      '--worker-version <version>',
      'of this worker, for --version-match [PERDURE_WORKER_VERSION] (default: none)',
    )
    .option(
      '--default-version <version>',
      'of starts and sub-orchestrations that name none [PERDURE_DEFAULT_VERSION] (default: none)',
    )
    .option(
      '--version-match <strategy>',
      'which versions this worker runs: None (all), Strict or CurrentOrOlder [PERDURE_VERSION_MATCH] (default: None)',
    )
    .option(
      '--version-mismatch <strategy>',
      'what becomes of the others: Reject (they wait) or Fail [PERDURE_VERSION_MISMATCH] (default: Reject)',
    )
    .option(
      '--http-allow <list>',
      'names, addresses and ranges in private networks that callHttp may reach [PERDURE_HTTP_ALLOW] (default: none)',
    )
    .option(
      '--http-poll-ms <number>',
      'between polls of callHttp when the server does not say [PERDURE_HTTP_POLL_MS] (default: 30000)',
    )
    .option(
      '--http-max-response-bytes <number>',
      'largest response of callHttp [PERDURE_HTTP_MAX_RESPONSE_BYTES] (default: 4194304)',
    )
    .option(
      '--trust-proxy [proxies]',
      'whose X-Forwarded-* headers count: addresses and ranges, a number of proxies, or everybody [PERDURE_TRUST_PROXY]',
    )
    .option(
      '--cors-origins <origins>',
      'origins whose pages may call, * for all [PERDURE_CORS_ORIGINS] (default: none)',
    )
    .option('--request-timeout-ms <number>', 'for a request to arrive [PERDURE_REQUEST_TIMEOUT_MS] (default: 60000)')
    .option('--headers-timeout-ms <number>', 'for its headers [PERDURE_HEADERS_TIMEOUT_MS] (default: 15000)')
    .option(
      '--send-timeout-ms <number>',
      'for a caller that reads nothing of its answer [PERDURE_SEND_TIMEOUT_MS] (default: 60000)',
    )
    .option(
      '--keep-alive-timeout-ms <number>',
      'for an idle connection [PERDURE_KEEP_ALIVE_TIMEOUT_MS] (default: 72000)',
    )
    .option('--max-header-bytes <number>', 'larger ones get 431 [PERDURE_MAX_HEADER_BYTES] (default: 16384)')
    .option(
      '--max-requests-per-socket <number>',
      'then a connection is closed, 0 for never [PERDURE_MAX_REQUESTS_PER_SOCKET] (default: 0)',
    )
    .option('--max-connections <number>', 'more are closed at once [PERDURE_MAX_CONNECTIONS] (default: 10000)')
    .option(
      '--max-waiting-requests <number>',
      'that wait for an end; more are answered at once [PERDURE_MAX_WAITING_REQUESTS] (default: 5000)',
    )
    .option('--max-event-streams <number>', 'more get 503 [PERDURE_MAX_EVENT_STREAMS] (default: 1000)')
    .option(
      '--max-event-loop-delay-ms <number>',
      'above it requests get 503, 0 for never [PERDURE_MAX_EVENT_LOOP_DELAY_MS] (default: 2000)',
    )
    .option(
      '--max-heap-percent <number>',
      'above it requests get 503, 0 for never [PERDURE_MAX_HEAP_PERCENT] (default: 95)',
    )
    .option(
      '--otlp-endpoint <url>',
      'send traces to this OpenTelemetry collector [OTEL_EXPORTER_OTLP_ENDPOINT] (default: none are made)',
    )
    .option(
      '--log-level <level>',
      'trace, debug, info, warn, error, fatal or silent [PERDURE_LOG_LEVEL] (default: info)',
    )
    .option('--log-format <format>', 'pretty or json [PERDURE_LOG_FORMAT] (default: pretty on a terminal, else json)')
    .option('--allow-anonymous', 'listen beyond loopback without a system key')
    .action((modules: readonly string[], flags: StartFlags) => start({ modules, flags }));
}
