/** `perdure migrate`: the tables of a database, which belong to services that may run meanwhile. */
import type { MigrateRequest } from '../cli/commands/migrate.ts';
import { readStoreConfig } from '../config.ts';
import { packageVersion } from '../package-root.ts';
import { openProgress } from '../progress.ts';
import { migrate, planMigrations } from '../store/postgres/migrate.ts';
import { databaseError } from './explain.ts';
import { StartupError } from './startup-error.ts';

/** @throws ConfigError, StartupError, DurableError with a line for people */
export async function migrateSchema(request: MigrateRequest): Promise<void> {
  const { databaseUrl, directDatabaseUrl, schema } = readStoreConfig({ flags: request });
  const connectionString = directDatabaseUrl ?? databaseUrl;
  if (connectionString === undefined) {
    throw new StartupError(
      'say which database with --database-url (DATABASE_URL). The embedded one is migrated when the service starts.',
    );
  }
  const at = { connectionString, schema };
  const run = request.dryRun === true ? dryRun : apply;
  const { text, json } = await run(at).catch((error: unknown) => {
    throw databaseError(error, connectionString);
  });
  process.stdout.write(request.json === true ? `${JSON.stringify({ schema, ...json })}\n` : text);
}

interface Place {
  readonly connectionString: string;
  readonly schema: string;
}

interface Said {
  readonly text: string;
  readonly json: object;
}

async function apply(at: Place): Promise<Said> {
  // An index of a large table takes its time.
  const { pending } = await planMigrations({ ...at, version: packageVersion() });
  const progress = await openProgress(process.stderr, 'migrations applied', pending.length);
  let done = 0;
  const log = (): void => progress.to((done += 1));
  const applied = await migrate({ ...at, log }).finally(() => progress.stop());
  const text =
    applied.length === 0 ? `schema ${at.schema} was up to date` : applied.map((name) => `applied ${name}`).join('\n');
  return { text: `${text}\n`, json: { applied } };
}

async function dryRun(at: Place): Promise<Said> {
  const { pending, sql } = await planMigrations({ ...at, version: packageVersion() });
  return { text: sql === '' ? `-- schema ${at.schema} is up to date\n` : sql, json: { pending, sql } };
}
