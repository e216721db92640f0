/**
 * Applies `migrations/*.sql` in order, each once. Any number of processes may call it at the same time: one works, the
 * others poll a try-lock (a blocked wait would deadlock with concurrent index builds).
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DurableError } from '../../model/errors.ts';
import { toStoreError } from './errors.ts';

export const migrationsFolder = new URL('../../../migrations/', import.meta.url);
/** Held by whoever migrates, in whatever schema. */
export const migrationLock = 7_071_2026;

/** What {@link migrate} needs; `connectionString` must not be a transaction pooler's. */
export interface MigrateOptions {
  readonly connectionString: string;
  readonly schema: string;
  /** Called with one line for each migration applied. */
  readonly log?: (text: string) => void;
}

/** @throws Error for a name that Postgres would have to fold or cut: it must be plain lower case */
export function checkSchemaName(schema: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new DurableError(
      'InvalidArgument',
      `'${schema}' cannot be the schema: use lower-case letters, digits and _, at most 63, not beginning with a digit.`,
    );
  }
  return schema;
}

/**
 * Brings the schema up to date.
 * @throws DurableError `StoreUnavailable` when the database cannot be reached
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  const schema = checkSchemaName(options.schema);
  const client = new pg.Client({ connectionString: options.connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // the query under way rejects with the same error
  try {
    await client.connect();
    await applyAll(client, schema, options.log);
  } catch (error) {
    throw toStoreError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function applyAll(client: pg.Client, schema: string, log?: (text: string) => void): Promise<void> {
  for (;;) {
    await client.query('begin');
    try {
      // Transaction-scoped: it cannot outlive a crash, and survives a pooler.
      const lock = await client.query<{ ok: boolean }>('select pg_try_advisory_xact_lock($1) as ok', [migrationLock]);
      if (lock.rows[0]?.ok === true) {
        await applyPending(client, schema, log);
        await client.query('commit');
        return;
      }
      await client.query('rollback');
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw error;
    }
    await delay(50);
  }
}

async function applyPending(client: pg.Client, schema: string, log?: (text: string) => void): Promise<void> {
  // Looked up first: CREATE … IF NOT EXISTS asks for the right to create even when there is nothing to do.
  const found = await client.query('select 1 from pg_namespace where nspname = $1', [schema]);
  if (found.rowCount === 0) await client.query(`create schema ${pg.escapeIdentifier(schema)}`);
  const table = await client.query(`select 1 from pg_tables where schemaname = $1 and tablename = 'migrations'`, [
    schema,
  ]);
  await client.query(`set local search_path to ${pg.escapeIdentifier(schema)}`);
  if (table.rowCount === 0) {
    await client.query(
      'create table migrations (name text primary key, applied_at timestamptz not null default now())',
    );
  }
  const applied = await client.query<{ name: string }>('select name from migrations');
  const done = new Set(applied.rows.map((row) => row.name));
  const files = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).sort();
  for (const name of files) {
    if (done.has(name)) continue;
    await client.query(await readFile(new URL(name, migrationsFolder), 'utf8'));
    await client.query('insert into migrations (name) values ($1)', [name]);
    log?.(`applied migration ${name} to schema ${schema}`);
  }
}
