/** The tables: whether they are there and up to date, logged, and not full of what is dead. */
import type pg from 'pg';
import { fail, ok, warn, type Finding } from '../../../model/finding.ts';
import { ownMigrations } from '../migrations.ts';
import { readSchemaState } from '../schema-state.ts';

const manyDead = 50_000;
const longTransaction = '10 minutes';

/** @returns the finding, and whether there are tables to look at */
export async function judgeMigrations(
  client: pg.Client,
  schema: string,
): Promise<{ readonly finding: Finding; readonly isThere: boolean }> {
  const own = ownMigrations();
  const { begun, pending, unknown, breaking } = await readSchemaState(client, schema, own);
  if (!begun) {
    const text = `there are no tables in schema '${schema}'`;
    const fix = "'perdure start' makes them; --schema and --database-url say where else they may be";
    return { finding: fail('migrations', text, fix), isThere: false };
  }
  if (breaking.length > 0) {
    const text = `the tables belong to a newer version (${breaking.join(', ')}), with which this one cannot work`;
    return { finding: fail('migrations', text, 'install the newer version'), isThere: true };
  }
  if (pending.length > 0) {
    const text = `${pending.length} migrations are pending: ${pending.map(({ name }) => name).join(', ')}`;
    return {
      finding: fail('migrations', text, "the next start of this version applies them, or 'perdure migrate'"),
      isThere: true,
    };
  }
  if (unknown.length > 0) {
    const text = `the tables were made by a newer version (${unknown.join(', ')})`;
    return { finding: warn('migrations', text, 'use the newer version for this check too'), isThere: true };
  }
  return { finding: ok('migrations', `all ${own.length} migrations are applied`), isThere: true };
}

export async function judgeTables(client: pg.Client, schema: string): Promise<readonly Finding[]> {
  const unlogged = await client.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'r' and c.relpersistence = 'u'`,
    [schema],
  );
  const names = unlogged.rows.map(({ name }) => name);
  const logged =
    names.length === 0
      ? ok('unlogged', 'all tables are logged')
      : fail('unlogged', `tables that a crash empties: ${names.join(', ')}`, 'alter table … set logged;');
  const { rows } = await client.query<{ name: string; live: number; dead: number; vacuumed: string | null }>(
    `select relname as name, n_live_tup::float8 as live, n_dead_tup::float8 as dead,
       to_char(greatest(last_vacuum, last_autovacuum), 'YYYY-MM-DD HH24:MI') as vacuumed
     from pg_stat_user_tables where schemaname = $1 and n_dead_tup > $2 and n_dead_tup > 2 * n_live_tup`,
    [schema, manyDead],
  );
  const bloated = rows.map(
    ({ name, live, dead, vacuumed }) => `${name} (${dead} dead rows, ${live} live, vacuumed ${vacuumed ?? 'never'})`,
  );
  const bloat =
    bloated.length === 0
      ? ok('bloat', 'no table is full of dead rows')
      : warn(
          'bloat',
          `dead rows: ${bloated.join(', ')}`,
          'vacuum them, and see what keeps autovacuum away (snapshots)',
        );
  return [logged, bloat];
}

/** What keeps dead rows from being removed. */
export async function judgeSnapshots(client: pg.Client): Promise<Finding> {
  const { rows } = await client.query<{ who: string }>(
    `select format('process %s (%s) in a transaction since %s', pid, coalesce(nullif(application_name, ''), usename, 'unnamed'),
       to_char(xact_start, 'YYYY-MM-DD HH24:MI')) as who
     from pg_stat_activity
     where backend_xmin is not null and xact_start < now() - interval '${longTransaction}' and pid <> pg_backend_pid()
     union all
     select format('prepared transaction %s since %s', gid, to_char(prepared, 'YYYY-MM-DD HH24:MI')) from pg_prepared_xacts
     where prepared < now() - interval '${longTransaction}'
     union all
     select format('replication slot %s, which nobody reads', slot_name) from pg_replication_slots where not active`,
  );
  const all = rows.map(({ who }) => who);
  return all.length === 0
    ? ok('snapshots', `nothing older than ${longTransaction} keeps dead rows`)
    : warn(
        'snapshots',
        `dead rows and WAL are kept by ${all.join('; ')}`,
        'end them: select pg_terminate_backend(pid), or drop the slot',
      );
}
