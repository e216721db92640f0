/** What of the migrations a schema has, and whether this version can work on it. */
import type pg from 'pg';
import { DurableError } from '../../model/errors.ts';
import type { Migration } from './migrations.ts';

/** How a schema stands to the migrations that this version brings. */
export interface SchemaState {
  /** Whether the schema exists at all. */
  readonly exists: boolean;
  /** Whether anything was ever applied. */
  readonly begun: boolean;
  /** What is missing, in order. */
  readonly pending: readonly Migration[];
  /** What a newer version has applied and older ones can live with. */
  readonly unknown: readonly string[];
  /** What a newer version has applied and this one cannot work with. */
  readonly breaking: readonly string[];
}

/** What is asked of: a client or a pool. */
export type Queryable = Pick<pg.Pool, 'query'> | Pick<pg.ClientBase, 'query'>;

/** Sees what other sessions commit between its statements: no transaction of one snapshot. */
export async function readSchemaState(
  on: Queryable,
  schema: string,
  migrations: readonly Migration[],
): Promise<SchemaState> {
  const { rows } = await on.query<{ exists: boolean; begun: boolean }>(
    `select exists (select 1 from pg_namespace where nspname = $1) as exists,
       exists (select 1 from pg_tables where schemaname = $1 and tablename = 'migrations') as begun`,
    [schema],
  );
  const { exists = false, begun = false } = rows[0] ?? {};
  // Of a schema from before 0013 the column is missing.
  const applied = begun
    ? (
        await on.query<{ name: string; breaking: boolean }>(
          `select name, coalesce((to_jsonb(m) ->> 'breaking')::boolean, false) as breaking
           from "${schema}".migrations m order by name`,
        )
      ).rows
    : [];
  const done = new Set(applied.map((row) => row.name));
  const known = new Set(migrations.map(({ name }) => name));
  const foreign = applied.filter((row) => !known.has(row.name));
  return {
    exists,
    begun,
    pending: migrations.filter(({ name }) => !done.has(name)),
    unknown: foreign.filter((row) => !row.breaking).map((row) => row.name),
    breaking: foreign.filter((row) => row.breaking).map((row) => row.name),
  };
}

/** @throws DurableError `SchemaMismatch` when a newer version has applied what this one cannot work with */
export function refuseBreaking(schema: string, breaking: readonly string[]): void {
  if (breaking.length === 0) return;
  throw new DurableError(
    'SchemaMismatch',
    `schema ${schema} belongs to a newer version of Perdure: it has ${breaking.join(', ')}, with which this version ` +
      'cannot work. Install the newer version.',
  );
}

/**
 * For who may not migrate.
 * @throws DurableError `SchemaMismatch` when something is missing, or a newer version has applied what this one cannot work with
 */
export async function checkSchema(on: Queryable, schema: string, migrations: readonly Migration[]): Promise<void> {
  const { pending, breaking, begun } = await readSchemaState(on, schema, migrations);
  refuseBreaking(schema, breaking);
  if (pending.length === 0) return;
  if (!begun) {
    throw new DurableError(
      'SchemaMismatch',
      `there are no tables of Perdure in schema ${schema} of this database. Is it the right one (--database-url, ` +
        '--schema)? perdure start and perdure migrate make them.',
    );
  }
  throw new DurableError(
    'SchemaMismatch',
    `schema ${schema} is behind this version of Perdure: ${pending.map(({ name }) => name).join(', ')} ` +
      `${pending.length === 1 ? 'is' : 'are'} missing. Run perdure migrate (--dry-run shows its SQL) first.`,
  );
}
