/** The settings of commands that talk to a running service. */
import { ConfigError, type Environment, secret, setting } from './settings.ts';

/** Flags as they stand on the command line. */
export interface ClientFlags {
  readonly url?: string;
  readonly code?: string;
  readonly taskHub?: string;
}

export interface ClientConfig {
  readonly url: string;
  readonly key: string | undefined;
  /** `undefined`: that of the service. */
  readonly taskHub: string | undefined;
}

/** @throws ConfigError */
export function readClientConfig({
  flags,
  env,
}: {
  readonly flags: ClientFlags;
  readonly env: Environment;
}): ClientConfig {
  const { text: url = 'http://127.0.0.1:7071', names } = setting(env, '--url', flags.url, 'PERDURE_URL');
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '') {
    throw new ConfigError(`${names} must be a URL such as https://flows.example, without a query, not '${url}'.`);
  }
  return {
    url,
    key: secret(env, '--code', flags.code, 'PERDURE_CODE'),
    taskHub: setting(env, '--task-hub', flags.taskHub, 'PERDURE_TASK_HUB').text,
  };
}

/** Whether to colour: `NO_COLOR` wins, then `FORCE_COLOR`, then whether somebody looks. */
export function wantsColours({
  env,
  isTerminal,
}: {
  readonly env: Environment;
  readonly isTerminal: boolean;
}): boolean {
  if (env['NO_COLOR']) return false;
  const force = env['FORCE_COLOR'];
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false';
  return isTerminal && env['TERM'] !== 'dumb';
}
