import type { Command } from 'commander';

/** Which hub of which database. */
export interface HubFlags {
  readonly databaseUrl?: string;
  readonly directDatabaseUrl?: string;
  readonly dataDir?: string;
  readonly schema?: string;
  readonly taskHub?: string;
  readonly json?: boolean;
}

/** Adds the flags that say where the tables are. */
export function onDatabase(command: Command): Command {
  return command
    .option('--database-url <url>', 'the database of the service [DATABASE_URL] (default: the embedded one)')
    .option('--direct-database-url <url>', 'the same without the pooler [DIRECT_DATABASE_URL]')
    .option('--data-dir <folder>', 'data of the embedded Postgres [PERDURE_DATA_DIR] (default: .perdure)')
    .option('--schema <name>', 'Postgres schema of the tables [PERDURE_SCHEMA] (default: perdure)');
}

/** Adds the flags that say where a hub is. */
export function onHub(command: Command): Command {
  return onDatabase(command)
    .option('--task-hub <name>', 'the task hub [PERDURE_TASK_HUB] (default: default)')
    .option('--json', 'print JSON');
}

/** Adds the flags that say for how long what has ended is kept. */
export function onRetention(command: Command): Command {
  return command
    .option(
      '--retention <times>',
      'remove what has ended after that time, such as 30d, completed=30d,failed=180d, or 0 for never [PERDURE_RETENTION] (default: 90d)',
    )
    .option(
      '--retention-name <name=times>',
      'the same for orchestrations of a name, may be repeated [PERDURE_RETENTION_NAMES, separated by ;]',
      collect,
    )
    .option(
      '--retention-export <folder>',
      'write what is removed there first, as JSON Lines [PERDURE_RETENTION_EXPORT] (default: nowhere)',
    );
}

/** For flags that may be repeated. */
export function collect(entry: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), entry];
}
