/**
 * How queries over many instances read: in windows. One statement looks at so many rows of an index, whatever it finds
 * there, and what few of them match is filtered out of those. So no statement takes longer than a window, in a hub of
 * millions too, and no filter needs an index of its own on tables that every turn writes to.
 */
import { sql, type AliasedExpression, type Kysely, type RawBuilder, type SqlBool } from 'kysely';
import type { InstanceFilter, RuntimeStatus, Tags } from '../../model/instance.ts';
import { orderOf, type ListingQuery } from '../continuation-token.ts';
import type { Database } from './database.ts';

/** Rows of one window. 10,000 take about 20 ms. */
export const windowSize = 10_000;

/** A row of a window. */
export interface WindowRow {
  readonly key: string;
  readonly hub_id: number;
  readonly instance_id: string;
  readonly name: string;
  readonly version: string | null;
  readonly tags: Tags | null;
  readonly created_at: Date;
  /** How it ended, if it has. */
  readonly ended: RuntimeStatus | null;
  /** From 1. */
  readonly n: string;
}

const columns = ['i.hub_id', 'i.instance_id', 'i.name', 'i.version', 'i.tags', 'i.created_at'] as const;

/**
 * The next rows of the index that the filter's order goes by: `instances_id`, `instances_created`, or, of live instances,
 * that of executions. Only what bounds the index is asked for here; the rest is up to {@link matching}.
 * @param after where the window begins, behind the row that this is the cursor of
 */
export function windowOf(
  db: Kysely<Database>,
  { hubId, filter }: ListingQuery,
  after: readonly string[] | undefined,
): AliasedExpression<WindowRow, 'w'> {
  const [first = '', key = ''] = after ?? [];
  switch (orderOf(filter)) {
    case 'id':
      return db
        .selectFrom('instances as i')
        .select(['i.key', ...columns, 'i.status as ended'])
        .select(sql<string>`row_number() over (order by i.instance_id)`.as('n'))
        .where('i.hub_id', '=', hubId)
        .where((eb) => eb.and(beginningWith(sql<string>`i.instance_id`, filter)))
        .$if(after !== undefined, (query) => query.where('i.instance_id', '>', first))
        .orderBy('i.instance_id')
        .limit(windowSize)
        .as('w');
    case 'created':
      // Not by hub: this index does not know it, and no other must be thought of.
      return db
        .selectFrom('instances as i')
        .select(['i.key', ...columns, 'i.status as ended'])
        .select(sql<string>`row_number() over (order by i.created_at, i.key)`.as('n'))
        .where((eb) => eb.and(createdWithin(sql<Date>`i.created_at`, filter)))
        .$if(after !== undefined, (query) =>
          query.where(sql<SqlBool>`(i.created_at, i.key) > (${first}::timestamptz, ${key}::bigint)`),
        )
        .orderBy('i.created_at')
        .orderBy('i.key')
        .limit(windowSize)
        .as('w');
    case 'key':
      // LATERAL with LIMIT makes each a look-up of its own.
      return db
        .selectFrom('executions as x')
        .innerJoinLateral(
          (eb) =>
            eb
              .selectFrom('instances as j')
              .select(['j.hub_id', 'j.instance_id', 'j.name', 'j.version', 'j.tags', 'j.created_at', 'j.status'])
              .whereRef('j.key', '=', 'x.instance_key')
              .limit(1)
              .as('i'),
          (join) => join.onTrue(),
        )
        .select(['x.instance_key as key', ...columns, 'i.status as ended'])
        .select(sql<string>`row_number() over (order by x.instance_key)`.as('n'))
        .$if(after !== undefined, (query) => query.where('x.instance_key', '>', first))
        .orderBy('x.instance_key')
        .limit(windowSize)
        .as('w');
  }
}

/** Everything that a filter says, about a row `w`. */
export function matching(db: Kysely<Database>, { hubId, filter }: ListingQuery): RawBuilder<SqlBool> {
  const { instanceIdPrefix, name, version, tags, runtimeStatus = [] } = filter;
  const all = [
    sql<SqlBool>`w.hub_id = ${hubId}`,
    ...createdWithin(sql<Date>`w.created_at`, filter),
    ...beginningWith(sql<string>`w.instance_id`, filter),
  ];
  // The range serves an index, this is exact; neither knows wildcards.
  if (instanceIdPrefix) all.push(sql<SqlBool>`starts_with(w.instance_id, ${instanceIdPrefix})`);
  if (name !== undefined) all.push(sql<SqlBool>`lower(w.name) = lower(${name})`);
  if (version !== undefined) all.push(sql<SqlBool>`w.version = ${version}`);
  if (tags !== undefined) all.push(sql<SqlBool>`coalesce(w.tags, '{}') @> ${JSON.stringify(tags)}::jsonb`);
  if (runtimeStatus.length > 0) all.push(sql<SqlBool>`${statusOf(db)} = any(${[...runtimeStatus]}::text[])`);
  return sql<SqlBool>`(${sql.join(all, sql` and `)})`;
}

/** The status of a row `w`. While an instance is live its execution has it, which is looked up for those only. */
export function statusOf(db: Kysely<Database>): RawBuilder<RuntimeStatus> {
  const live = db
    .selectFrom('executions as e')
    .select('e.status')
    .where(sql<SqlBool>`e.instance_key = w.key`);
  return sql<RuntimeStatus>`coalesce(w.ended, ${live})`;
}

/** Rows know microseconds, callers milliseconds: an instance counts as created in the whole of its millisecond. */
function createdWithin(createdAt: RawBuilder<Date>, { createdFrom, createdTo }: InstanceFilter): RawBuilder<SqlBool>[] {
  return [
    ...(createdFrom === undefined ? [] : [sql<SqlBool>`${createdAt} >= ${createdFrom}`]),
    ...(createdTo === undefined
      ? []
      : [sql<SqlBool>`${createdAt} < ${createdTo}::timestamptz + interval '1 millisecond'`]),
  ];
}

function beginningWith(instanceId: RawBuilder<string>, { instanceIdPrefix }: InstanceFilter): RawBuilder<SqlBool>[] {
  if (!instanceIdPrefix) return [];
  const end = behindPrefix(instanceIdPrefix);
  return [
    sql<SqlBool>`${instanceId} >= ${instanceIdPrefix}`,
    ...(end === undefined ? [] : [sql<SqlBool>`${instanceId} < ${end}`]),
  ];
}

/** The first text behind all that begin with a prefix, in the order of code points; `undefined`: there is none. */
function behindPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (one) => one.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    // Surrogates are no characters of their own.
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}
