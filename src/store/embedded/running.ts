/** Finds embedded databases that others run. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';

/**
 * A service writes down where its embedded database listens, for as long as that runs.
 * @param dataDir folder of the installation, as for `startEmbeddedPostgres`
 * @returns the URL of the one that runs on the folder; `undefined` when none answers
 */
export async function runningEmbeddedUrl(dataDir: string): Promise<string | undefined> {
  const noted = await readFile(join(dataDir, 'database-url'), 'utf8').catch(() => undefined);
  if (noted === undefined) return undefined;
  const connectionString = noted.trim();
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    // What was killed with its server has left the note behind.
    await client.connect();
    return connectionString;
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Whether a database was ever made in the folder. */
export async function hasEmbedded(dataDir: string): Promise<boolean> {
  return stat(join(dataDir, 'postgres', 'PG_VERSION')).then(
    () => true,
    () => false,
  );
}
