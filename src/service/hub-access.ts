/** Opens the tables of a hub for a command. */
import { pino } from 'pino';
import type { HubFlags } from '../cli/commands/hub-flags.ts';
import { type HubConfig, readHubConfig } from '../config.ts';
import { type HubTools, openHubTools } from '../hub-tools.ts';
import type { RetentionFlags } from '../retention-settings.ts';
import { withDatabase } from './database-access.ts';
import { ownOrigin } from './own-origin.ts';

/**
 * @param options.makesTables as of `withDatabase`. Default `false`
 * @throws ConfigError, StartupError, EmbeddedPostgresError, DurableError with a line for people
 */
export async function withHub<Result>(
  flags: HubFlags & RetentionFlags,
  work: (tools: HubTools, config: HubConfig) => Promise<Result>,
  { makesTables = false }: { readonly makesTables?: boolean } = {},
): Promise<Result> {
  const config = readHubConfig({ flags });
  return withDatabase(config, { makesTables }, async (database) => {
    const tools = openHubTools({
      ...database,
      schema: config.schema,
      taskHub: config.taskHub,
      retention: config.retention,
      origin: ownOrigin(),
      log: pino({ level: 'silent' }),
    });
    try {
      return await work(tools, config);
    } finally {
      await tools.close();
    }
  });
}
