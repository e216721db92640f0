/** The SQL around the migrations, as it is sent and as `perdure migrate --dry-run` prints it. */
import type { Migration } from './migrations.ts';
import type { SchemaState } from './schema-state.ts';

/** What there is of the bookkeeping. */
export type Bookkeeping = Pick<SchemaState, 'exists' | 'begun'>;

/** Makes what is missing: CREATE … IF NOT EXISTS asks for the right to create even when there is nothing to do. */
export function prepareBookkeeping(schema: string, { exists, begun }: Bookkeeping): string {
  return [
    ...(exists ? [] : [`create schema "${schema}";`]),
    `set local search_path to "${schema}";`,
    ...(begun
      ? []
      : ['create table migrations (name text primary key, applied_at timestamptz not null default now());']),
  ].join('\n');
}

/** The row that says that it was applied. */
export function record({ name, breaking }: Migration): string {
  return breaking
    ? `insert into migrations (name, breaking) values ('${name}', true);`
    : `insert into migrations (name) values ('${name}');`;
}

/**
 * Before a breaking migration: every lease ends, and an ended one is never renewed. No turn that was under way can be
 * committed: its fence has moved. Who is too old cannot register again.
 */
export const endOlderVersions = `lock table workers, executions in share row exclusive mode;
update workers set expires_at = now() where expires_at > now();
update executions set sequence = sequence + 1 where owner is not null;
`;

/** After a build on a connection that somebody else may get. */
export const forgetSettings = 'reset search_path; reset statement_timeout';

/** A script for psql that does what `migrate` would do now; empty when that is nothing. */
export function migrationScript(options: {
  readonly schema: string;
  readonly state: SchemaState;
  readonly version: string;
  readonly lock: number;
}): string {
  const { schema, state, version, lock } = options;
  if (state.pending.length === 0) return '';
  const begin = ['begin;', `select pg_advisory_xact_lock(${lock});`];
  const parts = [
    `-- Perdure ${version}: ${state.pending.length} migrations of schema ${schema}. Run it with psql -v ON_ERROR_STOP=1.`,
    ...begin,
    prepareBookkeeping(schema, state),
  ];
  for (const migration of state.pending) {
    const { name, sql, breaking, concurrentIndex } = migration;
    parts.push(`\n-- ${name}`);
    if (concurrentIndex === undefined) {
      parts.push((breaking ? endOlderVersions : '') + sql.trim(), record(migration));
    } else {
      parts.push(
        'commit;',
        `set search_path to "${schema}";`,
        `drop index concurrently if exists "${concurrentIndex}";`,
      );
      parts.push(sql.trim().replace(/;?$/, ';'), ...begin, `set local search_path to "${schema}";`, record(migration));
    }
  }
  return `${[...parts, 'commit;'].join('\n')}\n`;
}
