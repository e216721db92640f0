/** Hands on the tables, for what no client can do: standing in the way, or repeating what must not be repeated. */
import pg from 'pg';
import type { TestDatabase } from './postgres.ts';

/** Runs one statement on a connection of its own. */
export async function execute<Row extends pg.QueryResultRow>(
  { url, schema }: TestDatabase,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(statement, [...parameters]);
    return rows;
  } finally {
    await client.end();
  }
}

/** Keeps every turn from being committed while `during` runs; claims, reads and new messages go on. */
export async function holdingCommits<T>({ url, schema }: TestDatabase, during: () => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('lock table history in share mode');
    return await during();
  } finally {
    await client.end();
  }
}
