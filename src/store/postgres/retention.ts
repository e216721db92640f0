/** Removing what ended long ago: each statement looks at, or removes, a bounded number of rows, and waits for nobody. */
import type pg from 'pg';
import { retainedStatuses, shortestRetention, type RetentionRules } from '../../model/retention.ts';
import type { DueRoot, DueWindow, RetentionStore, SweepPlace, SweepRecord, TreeMember } from '../retention-store.ts';
import { again } from './again.ts';
import { toStoreError } from './errors.ts';
import { statement, type Runner, type Statement, type Tables } from './sql.ts';

/** Rows of one look: some milliseconds. */
export const retentionWindow = 2_000;

const inMs = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;
/** Imported instances are as old as their import. */
const endOf = (row: string) => `greatest(${row}.completed_at, ${row}.imported_at)`;

function statements(t: Tables) {
  return {
    // A hub's first sweep inserts. Others that come at the same time wait for that, and then find it taken.
    take: statement(
      'take_sweep',
      `insert into ${t.retentionSweeps} as s (hub_id, holder, held_until, rules)
       values ($1, $2, now() + ${inMs('$3')}, $4)
       on conflict (hub_id) do update set
         holder = $2, held_until = now() + ${inMs('$3')}, rules = $4, ended_at = null,
         begun_at = case when s.ended_at is null and s.rules = $4 then s.begun_at else now() end,
         after_created = case when s.ended_at is null and s.rules = $4 then s.after_created else '-infinity' end,
         after_key = case when s.ended_at is null and s.rules = $4 then s.after_key else 0 end,
         removed = case when s.ended_at is null and s.rules = $4 then s.removed else 0 end,
         kept = case when s.ended_at is null and s.rules = $4 then s.kept else 0 end
       where (s.held_until is null or s.held_until < now())
         and (s.ended_at is null or s.rules <> $4 or s.ended_at <= now() - ${inMs('$5')})
       returning after_created::text as created, after_key as key, removed::float8 as removed`,
    ),
    keep: statement(
      'keep_sweep',
      `update ${t.retentionSweeps} set held_until = now() + ${inMs('$3')}, error = null,
         after_created = $4::timestamptz, after_key = $5::bigint, removed = removed + $6::bigint,
         removed_total = removed_total + $6::bigint, kept = kept + $7::bigint
       where hub_id = $1 and holder = $2 returning hub_id`,
    ),
    leave: statement(
      'leave_sweep',
      `update ${t.retentionSweeps} set holder = null, held_until = null, error = $4,
         ended_at = case when $3::boolean then now() end
       where hub_id = $1 and holder = $2`,
    ),
    read: statement(
      'read_sweep',
      `select rules, begun_at, ended_at, held_until > now() as running, removed::float8 as removed, kept::float8 as kept,
         removed_total::float8 as removed_total, error,
         case when isfinite(after_created) then after_created end as reached
       from ${t.retentionSweeps} where hub_id = $1`,
    ),
    // Along instances_created, and no further than what was created so long ago that it can be due. A parent is looked up
    // only for what is due otherwise.
    due: statement(
      'find_due',
      `with ages as materialized (
         select lower(n.name) as name, n.status, n.ms from unnest($5::text[], $6::text[], $7::float8[]) as n (name, status, ms)
       ), looked as (
         select w.key, w.name, w.status, w.created_at, w.n, w.ended, w.parent_key,
           case when w.hub_id = $1 and w.status is not null then now() - nullif(coalesce(
             (select a.ms from ages a where a.name = lower(w.name) and a.status = w.kind),
             (select a.ms from ages a where a.name is null and a.status = w.kind)
           ), 0) * interval '1 millisecond' end as cutoff
         from (
           select i.key, i.hub_id, i.name, i.status, i.created_at, i.parent_key, ${endOf('i')} as ended,
             case i.status when 'Completed' then 'completed' when 'Failed' then 'failed' else 'terminated' end as kind,
             row_number() over (order by i.created_at, i.key) as n
           from ${t.instances} i
           where (i.created_at, i.key) > ($2::timestamptz, $3::bigint) and i.created_at < now() - ${inMs('$4')}
           order by i.created_at, i.key
           limit ${retentionWindow}
         ) w
       ), judged as (
         select l.*, case when l.ended < l.cutoff then
           l.parent_key is null or (select p.key from ${t.instances} p where p.key = l.parent_key limit 1) is null
         end as due
         from looked l
       )
       select key, name, status, ended, created_at::text as created, cutoff::text as cutoff, coalesce(due, false) as due,
         n = ${retentionWindow} as more
       from judged where due or n = ${retentionWindow}
       order by created_at, key limit $8`,
    ),
    // Level by level along instances_parent, as in trees.ts, and no further than the limit.
    trees: statement(
      'read_due_trees',
      `with recursive tree as (
         select i.key, i.key as root, i.execution_id, i.status, ${endOf('i')} as ended, k.cutoff, 0 as depth
         from unnest($1::bigint[], $2::timestamptz[]) as k (key, cutoff)
         cross join lateral (select * from ${t.instances} i where i.key = k.key limit 1) i
         union all
         select c.key, p.root, c.execution_id, c.status, ${endOf('c')}, p.cutoff, p.depth + 1
         from tree p join ${t.instances} c on c.parent_key = p.key
       )
       select tree.key, tree.root, tree.execution_id, coalesce(tree.status is not null and tree.ended < tree.cutoff, false)
         as may_go, coalesce(h.sequence, 0)::float8 as rows
       from (select * from tree limit $3) tree
       left join lateral (
         select h.sequence from ${t.history} h where h.instance_key = tree.key order by h.sequence desc limit 1
       ) h on true
       order by tree.depth desc, tree.key desc`,
    ),
    // What has been rewound or replaced meanwhile stays. Locks are those of the rows that go: nobody writes to them.
    remove: statement(
      'remove_due',
      `with gone as (
         delete from ${t.instances} i
         where i.key = any($1::bigint[]) and i.execution_id = any($2::text[]) and i.status is not null returning i.key
       ), inboxes as (
         delete from ${t.messages} m using gone where m.instance_key = gone.key
       ), tasks as (
         delete from ${t.tasks} q using gone where q.instance_key = gone.key
       ), histories as (
         delete from ${t.history} h using gone where h.instance_key = gone.key
       )
       select count(*)::int as removed from gone`,
    ),
  };
}

interface DueRow {
  readonly key: string;
  readonly name: string;
  readonly status: string;
  readonly ended: Date;
  readonly created: string;
  readonly cutoff: string;
  readonly due: boolean;
  readonly more: boolean;
}

export class PostgresRetention implements RetentionStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async takeSweep(
    request: Parameters<RetentionStore['takeSweep']>[0],
  ): Promise<{ readonly place: SweepPlace; readonly removed: number } | undefined> {
    const { hubId, holder, leaseMs, rules, everyMs } = request;
    const [row] = await this.#rows<SweepPlace & { readonly removed: number }>(this.#sql.take, [
      ...[hubId, holder, leaseMs],
      ...[rules, everyMs],
    ]);
    return row && { place: { created: row.created, key: row.key }, removed: row.removed };
  }

  async keepSweep(request: Parameters<RetentionStore['keepSweep']>[0]): Promise<boolean> {
    const { hubId, holder, leaseMs, place, removed, kept } = request;
    const rows = await this.#rows(this.#sql.keep, [hubId, holder, leaseMs, place.created, place.key, removed, kept]);
    return rows.length > 0;
  }

  async leaveSweep(request: Parameters<RetentionStore['leaveSweep']>[0]): Promise<void> {
    await this.#rows(this.#sql.leave, [request.hubId, request.holder, request.ended, request.error]);
  }

  async readSweep(hubId: number): Promise<SweepRecord | undefined> {
    const [row] = await this.#rows<{
      readonly rules: string;
      readonly begun_at: Date;
      readonly ended_at: Date | null;
      readonly running: boolean | null;
      readonly reached: Date | null;
      readonly removed: number;
      readonly kept: number;
      readonly removed_total: number;
      readonly error: string | null;
    }>(this.#sql.read, [hubId]);
    return (
      row && {
        rules: row.rules,
        begunAt: row.begun_at,
        endedAt: row.ended_at,
        running: row.running ?? false,
        reached: row.reached,
        removed: row.removed,
        kept: row.kept,
        removedTotal: row.removed_total,
        error: row.error,
      }
    );
  }

  async findDue(request: Parameters<RetentionStore['findDue']>[0]): Promise<DueWindow> {
    const { hubId, rules, after, limit } = request;
    const shortest = shortestRetention(rules);
    if (shortest === 0) return { roots: [], next: undefined };
    const rows = await this.#rows<DueRow>(this.#sql.due, [
      ...[hubId, after.created, after.key, shortest],
      ...agesOf(rules),
      // One more tells that there are more in this window, or that it is full.
      limit + 1,
    ]);
    const roots = rows.slice(0, limit).filter((row) => row.due);
    const last = rows.length > limit ? roots.at(-1) : rows.find((row) => row.more);
    return { roots: roots.map(toRoot), next: last && { created: last.created, key: last.key } };
  }

  async readTrees(roots: readonly DueRoot[], limit: number): Promise<readonly TreeMember[] | undefined> {
    if (roots.length === 0) return [];
    const rows = await this.#rows<{
      readonly key: string;
      readonly root: string;
      readonly execution_id: string;
      readonly may_go: boolean;
      readonly rows: number;
    }>(this.#sql.trees, [
      roots.map((root) => root.key),
      roots.map((root) => root.cutoff),
      roots.length === 1 ? null : limit + 1,
    ]);
    if (roots.length > 1 && rows.length > limit) return undefined;
    return rows.map((row) => ({
      key: row.key,
      root: row.root,
      executionId: row.execution_id,
      mayGo: row.may_go,
      rows: row.rows,
    }));
  }

  async removeMembers(members: readonly TreeMember[]): Promise<number> {
    const [row] = await this.#rows<{ readonly removed: number }>(this.#sql.remove, [
      members.map((member) => member.key),
      members.map((member) => member.executionId),
    ]);
    return row?.removed ?? 0;
  }

  /** Everything here may be repeated when the connection is lost; then less is counted than went. */
  async #rows<Row extends pg.QueryResultRow>(what: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return await again(() => this.#runner.rows<Row>(what, values), { repeatAfterConnectionLoss: true });
    } catch (error) {
      throw toStoreError(error);
    }
  }
}

function toRoot({ key, name, status, ended, cutoff, created }: DueRow): DueRoot {
  return { key, name, status, endedAt: ended, cutoff, place: { created, key } };
}

/** Three columns: name (NULL for all), status, ms. */
function agesOf({ all, names }: RetentionRules): readonly [(string | null)[], string[], number[]] {
  const rows = [{ name: null, ages: all }, ...names].flatMap(({ name, ages }) =>
    retainedStatuses.map((status) => ({ name, status, ms: ages[status] })),
  );
  return [rows.map((row) => row.name), rows.map((row) => row.status), rows.map((row) => row.ms)];
}
