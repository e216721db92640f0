/**
 * Applies `migrations/*.sql` in order, each once. Any number of processes may call it at the same time: one works, the
 * others poll a try-lock (a blocked wait would deadlock with concurrent index builds).
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DurableError } from '../../model/errors.ts';
import { isRetryable, toStoreError } from './errors.ts';
import {
  endOlderVersions,
  forgetSettings,
  type Bookkeeping,
  migrationScript,
  prepareBookkeeping,
  record,
} from './migration-sql.ts';
import { type Migration, ownMigrations } from './migrations.ts';
import { checkSchema, readSchemaState, refuseBreaking } from './schema-state.ts';

/** Held by whoever migrates, in whatever schema. */
export const migrationLock = 7_071_2026;

/**
 * While a migration waits for the lock of a table, everybody queues behind it: it gives way and tries again. Sixty times,
 * which is four minutes.
 */
const lockTimeout = '3s';
const maxLockTries = 60;

/** What {@link migrate} needs; `connectionString` must not be a transaction pooler's. */
export interface MigrateOptions {
  readonly connectionString: string;
  readonly schema: string;
  /** Default: those of this version. */
  readonly migrations?: readonly Migration[];
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
 * @returns the names of what was applied here
 * @throws DurableError `StoreUnavailable` when the database cannot be reached, `SchemaMismatch` when a newer version has
 *   applied what this one cannot work with
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const { schema, log, migrations = ownMigrations() } = options;
  checkSchemaName(schema);
  return onDirectConnection(options.connectionString, async (client) => {
    const applied: string[] = [];
    for (let tries = 1; ;) {
      try {
        const step = await oneStep(client, { ...options, migrations });
        for (const name of step.applied) log?.(`applied migration ${name} to schema ${schema}`);
        applied.push(...step.applied);
        if (step.end) return applied;
        if (step.applied.length === 0) await delay(50);
      } catch (error) {
        // Another session held a table, or another migrator built an index.
        if (!isRetryable(error) || tries >= maxLockTries) throw error;
        tries += 1;
        await delay(1_000);
      }
    }
  });
}

/**
 * Looks whether the schema is up to date, for who may not change it.
 * @throws DurableError `SchemaMismatch` when it is not, `StoreUnavailable`
 */
export async function requireMigrated(options: Omit<MigrateOptions, 'log'>): Promise<void> {
  const { schema, migrations = ownMigrations() } = options;
  checkSchemaName(schema);
  await onDirectConnection(options.connectionString, (client) => checkSchema(client, schema, migrations));
}

/**
 * What {@link migrate} would do now. Changes nothing.
 * @returns the names of what is missing, and a script for psql; empty when that is nothing
 * @throws DurableError `StoreUnavailable`, `SchemaMismatch`
 */
export async function planMigrations(
  options: Omit<MigrateOptions, 'log'> & { readonly version: string },
): Promise<{ readonly pending: readonly string[]; readonly sql: string }> {
  const { schema, version, migrations = ownMigrations() } = options;
  checkSchemaName(schema);
  return onDirectConnection(options.connectionString, async (client) => {
    const state = await readSchemaState(client, schema, migrations);
    refuseBreaking(schema, state.breaking);
    return {
      pending: state.pending.map(({ name }) => name),
      sql: migrationScript({ schema, state, version, lock: migrationLock }),
    };
  });
}

async function onOwnConnection<Result>(
  connectionString: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // the query under way rejects with the same error
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** @throws DurableError for what the database has against it */
async function onDirectConnection<Result>(
  connectionString: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  return onOwnConnection(connectionString, work).catch((error: unknown) => {
    throw toStoreError(error);
  });
}

interface Step {
  readonly applied: readonly string[];
  /** Nothing is left to do. */
  readonly end: boolean;
}

/** As much as goes into one transaction, if nobody else is at it. */
async function oneStep(client: pg.Client, options: Required<Omit<MigrateOptions, 'log'>>): Promise<Step> {
  const { schema, migrations } = options;
  await client.query('begin');
  try {
    // Transaction-scoped: it cannot outlive a crash, and survives a pooler.
    const lock = await client.query<{ ok: boolean }>('select pg_try_advisory_xact_lock($1) as ok', [migrationLock]);
    if (lock.rows[0]?.ok !== true) {
      await client.query('rollback');
      return { applied: [], end: false };
    }
    await client.query(
      `set local lock_timeout = '${lockTimeout}'; set local statement_timeout = 0;
       set local idle_in_transaction_session_timeout = 0`,
    );
    const state = await readSchemaState(client, schema, migrations);
    refuseBreaking(schema, state.breaking);
    const [first] = state.pending;
    const apart = state.pending.findIndex(({ concurrentIndex }) => concurrentIndex !== undefined);
    const now =
      first?.concurrentIndex === undefined ? state.pending.slice(0, apart === -1 ? undefined : apart) : [first];
    await client.query(prepareBookkeeping(schema, state));
    for (const migration of now) await apply(client, migration, { ...options, state });
    await client.query('commit');
    return { applied: now.map(({ name }) => name), end: now.length === state.pending.length };
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

async function apply(
  client: pg.Client,
  migration: Migration,
  at: { readonly connectionString: string; readonly schema: string; readonly state: Bookkeeping },
): Promise<void> {
  if (migration.concurrentIndex !== undefined) await buildIndex(migration, migration.concurrentIndex, at);
  else await client.query((migration.breaking ? endOlderVersions : '') + migration.sql);
  await client.query(record(migration));
}

/**
 * On a connection of its own, while the lock is held on the other one: that has a transaction without a snapshot, for which a
 * concurrent build does not wait. What an earlier build left invalid is removed first; should one still be at it, because
 * its migrator lost the lock with its other connection, this waits for it.
 */
async function buildIndex(
  { sql }: Migration,
  index: string,
  { connectionString, schema }: { readonly connectionString: string; readonly schema: string },
): Promise<void> {
  await onOwnConnection(connectionString, async (builder) => {
    await builder.query(`set search_path to "${schema}"`);
    await builder.query('set statement_timeout = 0');
    const { rows } = await builder.query(
      `select 1 from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = $1 and c.relname = $2 and not i.indisvalid`,
      [schema, index],
    );
    if (rows.length > 0) await builder.query(`drop index concurrently if exists "${index}"`);
    await builder.query(sql);
    await builder.query(forgetSettings);
  });
}
