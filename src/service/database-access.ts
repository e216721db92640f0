/**
 * The database of a command: the given one, the embedded one of the service that runs here, or the embedded one, started for
 * the command alone. Only the last is migrated: a command must not change the tables of a database that others use, and
 * least of all make some where there are none, because its URL or schema was a wrong one.
 */
import type { StoreConfig } from '../config.ts';
import { hasEmbedded, runningEmbeddedUrl } from '../store/embedded/running.ts';
import { migrate, requireMigrated } from '../store/postgres/migrate.ts';
import { databaseError } from './explain.ts';
import { StartupError } from './startup-error.ts';

/** Where a command works. */
export interface CommandDatabase {
  readonly databaseUrl: string;
  readonly directDatabaseUrl: string | undefined;
}

/**
 * Opens it for `work`, and closes it after that.
 * @param options.makesTables whether the command may make tables, or bring them up to date, wherever it is sent
 * @throws StartupError, EmbeddedPostgresError, DurableError with a line for people
 */
export async function withDatabase<Result>(
  config: Pick<StoreConfig, 'databaseUrl' | 'directDatabaseUrl' | 'schema'> & { readonly dataDir: string },
  options: { readonly makesTables: boolean },
  work: (database: CommandDatabase) => Promise<Result>,
): Promise<Result> {
  const { schema, directDatabaseUrl } = config;
  const given = config.databaseUrl ?? (await runningEmbeddedUrl(config.dataDir));
  const own = given === undefined ? await startEmbedded(config.dataDir, options) : undefined;
  const databaseUrl = given ?? own?.url ?? '';
  try {
    const connectionString = directDatabaseUrl ?? databaseUrl;
    const prepare = options.makesTables || own !== undefined ? migrate : requireMigrated;
    await prepare({ connectionString, schema }).catch((error: unknown) => {
      throw databaseError(error, connectionString);
    });
    return await work({ databaseUrl, directDatabaseUrl });
  } finally {
    await own?.stop();
  }
}

async function startEmbedded(dataDir: string, { makesTables }: { readonly makesTables: boolean }) {
  if (!makesTables && !(await hasEmbedded(dataDir))) {
    throw new StartupError(
      `there is no database in ${dataDir}: say which with --database-url (DATABASE_URL), or where the embedded one is with --data-dir (PERDURE_DATA_DIR).`,
    );
  }
  // Nothing of it is loaded when a database is given.
  const { startEmbeddedPostgres } = await import('../store/embedded/embedded-postgres.ts');
  return startEmbeddedPostgres({ dataDir, log: (text) => void process.stderr.write(`${text}\n`) });
}
