/** The running service that a command talks to. */
import type { Command } from 'commander';
import { readClientConfig, type ClientFlags } from '../client-config.ts';
import { createHttpClient, type HttpClient } from '../http-client/index.ts';
import { Printer } from './printer.ts';
import type { Surroundings } from './surroundings.ts';

/** Flags of every command that talks to a service. */
export interface ServiceFlags extends ClientFlags {
  readonly json?: boolean;
}

export interface Connected {
  readonly at: Surroundings;
  readonly url: string;
  readonly client: HttpClient;
  readonly printer: Printer;
  /** Whether machines read the answer. */
  readonly json: boolean;
}

export function onService(command: Command): Command {
  return command
    .option('--url <url>', 'where the service is [PERDURE_URL] (default: http://127.0.0.1:7071)')
    .option('--code <key>', 'key of the service [PERDURE_CODE or PERDURE_CODE_FILE]')
    .option('--task-hub <name>', 'task hub [PERDURE_TASK_HUB] (default: that of the service)')
    .option('--json', 'print JSON');
}

/** @throws ConfigError, DurableError `InvalidArgument` for a URL that cannot be */
export function connect(at: Surroundings, flags: ServiceFlags): Connected {
  const { url, key, taskHub } = readClientConfig({ flags, env: at.env });
  const client = createHttpClient({
    url,
    retries: 1,
    ...(key === undefined ? {} : { key }),
    ...(taskHub === undefined ? {} : { taskHub }),
  });
  return { at, url, client, printer: new Printer(at), json: flags.json === true };
}
