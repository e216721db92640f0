/** Databases for tests: each file that asks gets its own, cloned from a migrated template in a few milliseconds. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { waitFor } from './wait-for.ts';

/** A database that lives as long as the test file (or `describe`) that asked for it. */
export interface TestDatabase {
  /** Connection URL; the role owns the database. */
  readonly url: string;
  /** The migrated schema. */
  readonly schema: string;
}

/**
 * Makes a migrated database and drops it after the last test of the calling file or `describe`. Fails when connections
 * to it are still open then: somebody forgot to end a pool.
 *
 * @param options.migrated `false` for an empty database
 */
export async function testDatabase(options: { readonly migrated?: boolean } = {}): Promise<TestDatabase> {
  const adminUrl = inject('adminUrl');
  const name = `perdure_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  const template = options.migrated === false ? 'template1' : inject('templateDatabase');
  // Several files may clone at once; Postgres then says that the template is in use (55006).
  await waitFor(() => tryCreate(adminUrl, `create database ${name} template ${template}`), {
    what: `a clone of ${template}`,
  });
  afterAll(async () => {
    const leaked = await leftConnections(adminUrl, name);
    await execute(adminUrl, `drop database if exists ${name} with (force)`);
    if (leaked.length > 0) {
      throw new Error(`leaked database connections (end every pool in the test): ${leaked.join('; ')}`);
    }
  });
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, schema: 'perdure' };
}

async function tryCreate(adminUrl: string, statement: string): Promise<boolean> {
  try {
    await execute(adminUrl, statement);
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '55006') return false;
    throw error;
  }
}

/** What clients still have open, after those that have ended had time to be noticed by the server. */
async function leftConnections(adminUrl: string, database: string): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await waitFor(
    async () => {
      const rows = await execute(
        adminUrl,
        `select application_name || ' ' || coalesce(left(query, 80), '') as text
           from pg_stat_activity where datname = '${database}' and backend_type = 'client backend'`,
      );
      left = rows.map((row) => row.text);
      return left.length === 0;
    },
    { timeoutMs: 2_000, intervalMs: 50, what: 'the last connection to end' },
  ).catch(() => undefined);
  return left;
}

async function execute(url: string, statement: string): Promise<readonly { readonly text: string }[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<{ text: string }>(statement);
    return result.rows;
  } finally {
    await client.end();
  }
}
