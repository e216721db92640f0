import { Command } from 'commander';

/** What `perdure migrate` was asked to do. */
export interface MigrateRequest {
  readonly databaseUrl?: string;
  readonly directDatabaseUrl?: string;
  readonly schema?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `perdure migrate`: brings the tables up to this version, or prints the SQL that would. */
export function migrateCommand(run: (request: MigrateRequest) => Promise<void>): Command {
  return new Command('migrate')
    .summary('bring the tables up to this version, or print the SQL that would')
    .description(
      'Brings the tables up to this version. perdure start does the same, unless it is told --no-migrate. Ends with 0 when they are up to date.',
    )
    .option('--database-url <url>', 'the database of the service [DATABASE_URL]')
    .option('--direct-database-url <url>', 'the same without the pooler [DIRECT_DATABASE_URL]')
    .option('--schema <name>', 'Postgres schema of the tables [PERDURE_SCHEMA] (default: perdure)')
    .option('--dry-run', 'print the SQL, for psql, and change nothing')
    .option('--json', 'print JSON')
    .action((flags: MigrateRequest) => run(flags));
}
