/** Opens the tables of a hub for a command: a given database, or the embedded one while no service uses it. */
import { pino } from 'pino';
import type { HubFlags } from '../cli/commands/hub-flags.ts';
import { type HubConfig, readHubConfig } from '../config.ts';
import { type HubTools, openHubTools } from '../hub-tools.ts';
import type { RetentionFlags } from '../retention-settings.ts';
import { databaseError } from './explain.ts';
import { ownOrigin } from './own-origin.ts';

/** @throws ConfigError, StartupError, EmbeddedPostgresError, DurableError with a line for people */
export async function withHub<Result>(
  flags: HubFlags & RetentionFlags,
  work: (tools: HubTools, config: HubConfig) => Promise<Result>,
): Promise<Result> {
  const config = readHubConfig({ flags });
  const embedded = config.databaseUrl === undefined ? await startEmbedded(config.dataDir) : undefined;
  const databaseUrl = embedded?.url ?? config.databaseUrl ?? '';
  try {
    const tools = await openHubTools({
      databaseUrl,
      directDatabaseUrl: config.directDatabaseUrl,
      schema: config.schema,
      taskHub: config.taskHub,
      retention: config.retention,
      origin: ownOrigin(),
      log: pino({ level: 'silent' }),
    }).catch((error: unknown) => {
      throw databaseError(error, config.directDatabaseUrl ?? databaseUrl);
    });
    try {
      return await work(tools, config);
    } finally {
      await tools.close();
    }
  } finally {
    await embedded?.stop();
  }
}

async function startEmbedded(dataDir: string) {
  // Nothing of it is loaded when a database is given.
  const { startEmbeddedPostgres } = await import('../store/embedded/embedded-postgres.ts');
  return startEmbeddedPostgres({ dataDir, log: (text) => void process.stderr.write(`${text}\n`) });
}
