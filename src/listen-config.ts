/** Where a process listens, and who is let in: what the API and the monitoring port have in common. */
import { ConfigError, type Environment, flag, integer, isLoopback, secret, setting } from './settings.ts';

/** An address, and the key that callers must present. */
export interface ListenConfig {
  readonly host: string;
  readonly systemKey: string | undefined;
  /** A key is asked for although there is no system key. */
  readonly requireKeys: boolean;
}

/** Where health and metrics are served by themselves. */
export interface MonitorConfig extends ListenConfig {
  /** 0 takes a free one. */
  readonly port: number;
}

/** The flags that say it. */
export interface ListenFlags {
  readonly host?: string;
  readonly systemKey?: string;
  readonly requireKeys?: boolean;
  readonly allowAnonymous?: boolean;
  readonly monitorPort?: string;
}

/** @throws ConfigError for an address that would let everybody in */
export function listenConfig(flags: ListenFlags, env: Environment): ListenConfig {
  const host = setting(env, '--host', flags.host, 'HOST').text ?? '127.0.0.1';
  const systemKey = secret(env, '--system-key', flags.systemKey, 'PERDURE_SYSTEM_KEY');
  const requireKeys = flag(env, '--require-keys', flags.requireKeys, 'PERDURE_REQUIRE_KEYS');
  if (!isLoopback(host) && systemKey === undefined && !requireKeys && flags.allowAnonymous !== true) {
    throw new ConfigError(
      `listening on ${host} would let everybody in: set --system-key (or PERDURE_SYSTEM_KEY), ask for named keys with --require-keys, or say --allow-anonymous.`,
    );
  }
  return { host, systemKey, requireKeys };
}

/** @returns `undefined` without a port */
export function monitorConfig(flags: ListenFlags, env: Environment): MonitorConfig | undefined {
  const given = setting(env, '--monitor-port', flags.monitorPort, 'PERDURE_MONITOR_PORT');
  if (given.text === undefined) return undefined;
  const port = integer(given, { from: 0, to: 65_535, default: 0 });
  return { ...listenConfig(flags, env), port };
}
