/** Looks a database over: what weakens the promises, and what keeps work from being done. Changes nothing. */
import pg from 'pg';
import { warn, type Finding } from '../../../model/finding.ts';
import { toStoreError } from '../errors.ts';
import { checkSchemaName } from '../migrate.ts';
import { tablesOf } from '../sql.ts';
import { judgeClock, judgeConnections, judgePooler, judgeVersion } from './server.ts';
import { judgeSettings, settingsOf, settingsQuery } from './settings.ts';
import { judgeMigrations, judgeSnapshots, judgeTables } from './tables.ts';
import { judgeBacklog, judgeWorkers } from './work.ts';

/**
 * @throws DurableError `StoreUnavailable` when the database cannot be reached
 */
export async function diagnose(options: {
  readonly databaseUrl: string;
  readonly directDatabaseUrl: string | undefined;
  readonly schema: string;
}): Promise<readonly Finding[]> {
  const { databaseUrl, directDatabaseUrl } = options;
  const schema = checkSchemaName(options.schema);
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
    application_name: 'perdure doctor',
  });
  client.on('error', () => undefined); // the query under way rejects with the same error
  try {
    await client.connect();
    const settings = settingsOf((await client.query<{ name: string; setting: string }>(settingsQuery)).rows);
    const { finding, isThere } = await judgeMigrations(client, schema);
    const tables = tablesOf(schema);
    const attempt = async (check: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> => {
      try {
        return await look();
      } catch (error) {
        // A role may not see everything; the rest can be looked at all the same.
        if (!(error instanceof pg.DatabaseError)) throw error;
        return [warn(check, `this could not be looked at: ${error.message}`, 'try it with a role that may')];
      }
    };
    return [
      judgeVersion(settings),
      ...judgeSettings(settings),
      await judgeClock(client),
      await judgePooler(databaseUrl, client, directDatabaseUrl !== undefined && directDatabaseUrl !== databaseUrl),
      ...(await attempt('connections', async () => [await judgeConnections(client, settings)])),
      finding,
      ...(isThere ? await attempt('tables', () => judgeTables(client, schema)) : []),
      ...(await attempt('snapshots', async () => [await judgeSnapshots(client)])),
      ...(isThere ? await attempt('workers', () => judgeWorkers(client, tables)) : []),
      ...(isThere ? await attempt('stuck', () => judgeBacklog(client, tables)) : []),
    ];
  } catch (error) {
    throw toStoreError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
