/**
 * The settings of the service: flags first, then the environment, then defaults. The only reader of `process.env`.
 */
import {
  automatic,
  databaseUrl,
  dayMs,
  duration,
  type Environment,
  flag,
  integer,
  linkTtl,
  list,
  oneOf,
  origins,
  publicUrl,
  secret,
  setting,
  trustProxy,
  versionText,
  ConfigError,
} from './settings.ts';
import { httpLimitsConfig, type HttpLimitsConfig, type HttpLimitsFlags } from './http-limits-config.ts';
import { listenConfig, monitorConfig, type ListenConfig, type MonitorConfig } from './listen-config.ts';
import { retentionConfig, type RetentionFlags } from './retention-settings.ts';
import type { RetentionOptions } from './model/retention.ts';
import { storageLimitsConfig, type StorageLimitsConfig, type StorageLimitsFlags } from './storage-limits.ts';
import { tracesConfig, type TracesConfig } from './traces-config.ts';
import { type IsolationConfig, type IsolationFlags, isolationConfig, workers } from './isolation-settings.ts';
import type { Versioning } from './model/versions.ts';

export { ConfigError, readDuration } from './settings.ts';

/** For those who read settings that are none of the service. */
export const environment: Environment = process.env;

/** How and where HTTP is served. */
export interface HttpConfig extends ListenConfig {
  /** 0 takes a free port. */
  readonly port: number;
  /** Base of every link, without a slash at its end; `undefined` derives it from each request. */
  readonly publicUrl: string | undefined;
  readonly signedLinks: boolean;
  readonly linkTtlMs: number;
  /** Calls without a key from one address and minute; `undefined`: what is usual, 0: no limit. */
  readonly rateLimit: number | undefined;
  readonly maxBodyBytes: number;
  /** Whose X-Forwarded-* headers count: nobody's, everybody's, those of so many proxies, or of these addresses. */
  readonly trustProxy: boolean | number | readonly string[];
  /** Origins whose pages may call. */
  readonly corsOrigins: readonly string[];
  readonly limits: HttpLimitsConfig;
}

const matchStrategies = ['None', 'Strict', 'CurrentOrOlder'] as const;
const failureStrategies = ['Reject', 'Fail'] as const;

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export const logFormats = ['pretty', 'json'] as const;

/** How the service logs. */
export interface LogConfig {
  readonly level: (typeof logLevels)[number];
  readonly format: (typeof logFormats)[number];
}

/** What `callHttp` may reach, and how it polls. */
export interface DurableHttpConfig {
  /** Names, addresses and ranges beside public ones. */
  readonly allow: readonly string[];
  readonly pollIntervalMs: number;
  readonly maxResponseBytes: number;
}

/** All settings of `perdure start`. */
export interface Config {
  /** `undefined` starts the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  readonly directDatabaseUrl: string | undefined;
  /** `undefined`: unless a pooler is found in between. */
  readonly preparedStatements: boolean | undefined;
  readonly dataDir: string;
  readonly taskHub: string;
  readonly schema: string;
  /** `false`: whoever runs the service migrates the schema with `perdure migrate`. */
  readonly migrate: boolean;
  /** Threads that work; 0 serves HTTP only. */
  readonly workers: number;
  readonly isolation: IsolationConfig;
  readonly leaseMs: number;
  readonly pollMs: number;
  /** How long audit records are kept; 0: for ever. */
  readonly auditRetentionMs: number;
  readonly retention: RetentionOptions;
  /** Signs completion webhooks; without one they are refused. */
  readonly webhookSecret: string | undefined;
  /** `undefined` is a worker without HTTP. */
  readonly http: HttpConfig | undefined;
  /** Health and metrics on a port of their own; `undefined`: nowhere but with the rest of HTTP. */
  readonly monitor: MonitorConfig | undefined;
  readonly durableHttp: DurableHttpConfig;
  /** `undefined` makes none. */
  readonly traces: TracesConfig | undefined;
  readonly storageLimits: StorageLimitsConfig;
  readonly versioning: Versioning;
  readonly log: LogConfig;
}

/** Flags as they stand on the command line, by their names in camel case. */
export interface StartFlags extends RetentionFlags, HttpLimitsFlags, IsolationFlags, StorageLimitsFlags {
  readonly databaseUrl?: string;
  readonly directDatabaseUrl?: string;
  readonly preparedStatements?: string;
  readonly dataDir?: string;
  readonly host?: string;
  readonly port?: string;
  readonly publicUrl?: string;
  readonly taskHub?: string;
  readonly schema?: string;
  readonly systemKey?: string;
  readonly requireKeys?: boolean;
  readonly signedLinks?: boolean;
  readonly linkTtl?: string;
  readonly rateLimit?: string;
  readonly auditRetention?: string;
  readonly webhookSecret?: string;
  readonly monitorPort?: string;
  /** `--no-http` makes it false. */
  readonly http?: boolean;
  readonly leaseMs?: string;
  readonly pollMs?: string;
  readonly maxBodyBytes?: string;
  /** `true` for the flag without a value. */
  readonly trustProxy?: boolean | string;
  readonly corsOrigins?: string;
  readonly httpAllow?: string;
  readonly httpPollMs?: string;
  readonly httpMaxResponseBytes?: string;
  /** `--no-migrate` makes it false. */
  readonly migrate?: boolean;
  readonly workerVersion?: string;
  readonly defaultVersion?: string;
  readonly versionMatch?: string;
  readonly versionMismatch?: string;
  readonly otlpEndpoint?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly allowAnonymous?: boolean;
}

/** Where the values come from. */
export interface ConfigSources {
  readonly flags: StartFlags;
  readonly env?: Environment;
  /** Decides the default log format. */
  readonly isTerminal?: boolean;
}

/** Where the tables are, for commands that work on the database alone. */
export type StoreConfig = Pick<Config, 'databaseUrl' | 'directDatabaseUrl' | 'preparedStatements' | 'schema'>;

/** @throws ConfigError for the first setting that cannot be used */
export function readStoreConfig(sources: ConfigSources): StoreConfig {
  const { flags, env = process.env } = sources;
  return {
    databaseUrl: databaseUrl(setting(env, '--database-url', flags.databaseUrl, 'DATABASE_URL')),
    directDatabaseUrl: databaseUrl(
      setting(env, '--direct-database-url', flags.directDatabaseUrl, 'DIRECT_DATABASE_URL'),
    ),
    preparedStatements: automatic(
      setting(env, '--prepared-statements', flags.preparedStatements, 'PERDURE_PREPARED_STATEMENTS'),
    ),
    schema: setting(env, '--schema', flags.schema, 'PERDURE_SCHEMA').text ?? 'perdure',
  };
}

/** For commands that work on a hub's tables. */
export type HubConfig = StoreConfig & Pick<Config, 'dataDir' | 'taskHub' | 'retention'>;

/** @throws ConfigError for the first setting that cannot be used */
export function readHubConfig({ flags, env = process.env }: ConfigSources): HubConfig {
  return {
    ...readStoreConfig({ flags, env }),
    dataDir: setting(env, '--data-dir', flags.dataDir, 'PERDURE_DATA_DIR').text ?? '.perdure',
    taskHub: setting(env, '--task-hub', flags.taskHub, 'PERDURE_TASK_HUB').text ?? 'default',
    retention: retentionConfig(flags, env),
  };
}

/** @throws ConfigError for the first setting that cannot be used */
export function readConfig(sources: ConfigSources): Config {
  const { flags, env = process.env, isTerminal = process.stdout.isTTY } = sources;
  return {
    ...readHubConfig({ flags, env }),
    migrate: !flag(env, '--no-migrate', flags.migrate === false || undefined, 'PERDURE_NO_MIGRATE'),
    workers: workers(setting(env, '--workers', flags.workers, 'PERDURE_WORKERS')),
    isolation: isolationConfig(flags, env),
    leaseMs: integer(setting(env, '--lease-ms', flags.leaseMs, 'PERDURE_LEASE_MS'), {
      from: 500,
      to: 3_600_000,
      default: 30_000,
    }),
    pollMs: integer(setting(env, '--poll-ms', flags.pollMs, 'PERDURE_POLL_MS'), {
      from: 10,
      to: 600_000,
      default: 1_000,
    }),
    auditRetentionMs: duration(
      setting(env, '--audit-retention', flags.auditRetention, 'PERDURE_AUDIT_RETENTION'),
      90 * dayMs,
    ),
    webhookSecret: secret(env, '--webhook-secret', flags.webhookSecret, 'PERDURE_WEBHOOK_SECRET'),
    http: flags.http === false ? undefined : httpConfig(flags, env),
    monitor: monitorConfig(flags, env),
    durableHttp: durableHttpConfig(flags, env),
    traces: tracesConfig(flags, env),
    storageLimits: storageLimitsConfig(flags, env),
    versioning: versioningConfig(flags, env),
    log: {
      level: oneOf(setting(env, '--log-level', flags.logLevel, 'PERDURE_LOG_LEVEL'), logLevels) ?? 'info',
      format:
        oneOf(setting(env, '--log-format', flags.logFormat, 'PERDURE_LOG_FORMAT'), logFormats) ??
        (isTerminal ? 'pretty' : 'json'),
    },
  };
}

function versioningConfig(flags: StartFlags, env: Environment): Versioning {
  const { text: version } = versionText(
    setting(env, '--worker-version', flags.workerVersion, 'PERDURE_WORKER_VERSION'),
  );
  const { text: defaultVersion } = versionText(
    setting(env, '--default-version', flags.defaultVersion, 'PERDURE_DEFAULT_VERSION'),
  );
  const match = setting(env, '--version-match', flags.versionMatch, 'PERDURE_VERSION_MATCH');
  const matchStrategy = oneOf(match, matchStrategies) ?? 'None';
  if (matchStrategy !== 'None' && version === undefined) {
    throw new ConfigError(`${match.names} ${matchStrategy} needs --worker-version (PERDURE_WORKER_VERSION).`);
  }
  return {
    ...(version === undefined ? {} : { version }),
    ...(defaultVersion === undefined ? {} : { defaultVersion }),
    matchStrategy,
    failureStrategy:
      oneOf(setting(env, '--version-mismatch', flags.versionMismatch, 'PERDURE_VERSION_MISMATCH'), failureStrategies) ??
      'Reject',
  };
}

function httpConfig(flags: StartFlags, env: Environment): HttpConfig {
  const { host, systemKey, requireKeys } = listenConfig(flags, env);
  const rateLimit = setting(env, '--rate-limit', flags.rateLimit, 'PERDURE_RATE_LIMIT');
  return {
    host,
    systemKey,
    requireKeys,
    signedLinks: flag(env, '--signed-links', flags.signedLinks, 'PERDURE_SIGNED_LINKS'),
    linkTtlMs: linkTtl(setting(env, '--link-ttl', flags.linkTtl, 'PERDURE_LINK_TTL')),
    rateLimit:
      rateLimit.text === undefined ? undefined : integer(rateLimit, { from: 0, to: 1_000_000_000, default: 0 }),
    port: integer(setting(env, '--port', flags.port, 'PORT'), { from: 0, to: 65_535, default: 7071 }),
    publicUrl: publicUrl(setting(env, '--public-url', flags.publicUrl, 'PERDURE_PUBLIC_URL')),
    maxBodyBytes: integer(setting(env, '--max-body-bytes', flags.maxBodyBytes, 'PERDURE_MAX_BODY_BYTES'), {
      from: 1_024,
      to: 256 * 1_024 * 1_024,
      default: 4_194_304,
    }),
    trustProxy: trustProxy(
      setting(
        env,
        '--trust-proxy',
        flags.trustProxy === undefined ? undefined : `${flags.trustProxy}`,
        'PERDURE_TRUST_PROXY',
      ),
    ),
    corsOrigins: origins(setting(env, '--cors-origins', flags.corsOrigins, 'PERDURE_CORS_ORIGINS')),
    limits: httpLimitsConfig(flags, env),
  };
}

function durableHttpConfig(flags: StartFlags, env: Environment): DurableHttpConfig {
  return {
    allow: list(setting(env, '--http-allow', flags.httpAllow, 'PERDURE_HTTP_ALLOW')),
    pollIntervalMs: integer(setting(env, '--http-poll-ms', flags.httpPollMs, 'PERDURE_HTTP_POLL_MS'), {
      from: 10,
      to: 86_400_000,
      default: 30_000,
    }),
    maxResponseBytes: integer(
      setting(env, '--http-max-response-bytes', flags.httpMaxResponseBytes, 'PERDURE_HTTP_MAX_RESPONSE_BYTES'),
      { from: 1_024, to: 64 * 1_024 * 1_024, default: 4_194_304 },
    ),
  };
}
