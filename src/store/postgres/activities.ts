/** The activities queue: claim, complete, give back. What schedules activities is in `orchestrations.ts`. */
import type { ActivityCompletion, FunctionNames, QueuedActivity, WorkerId } from '../../model/work.ts';
import { activityNotRegistered } from '../activity-not-registered.ts';
import type { ActivityClaim } from '../store.ts';
import { errorCode, isMemberError } from './errors.ts';
import { toMessageText, toQueuedActivity, type ActivityRow } from './rows.ts';
import { lowerNames, ownLeaseHolds, statement, strikesOf, suspectFilter, type Runner, type Tables } from './sql.ts';

/** Leaves versions alone that are not served (a parameter). */
function servedOnly(parameter: string): string {
  return `and lower(q.name) || E'\\n' || coalesce(q.version, '') <> all(${parameter}::text[])`;
}

function statements(t: Tables) {
  const returned = `q.id, q.name, q.instance_key, q.execution_id, q.task_scheduled_id, q.attempt,
         q.first_scheduled_id, q.redelivery, q.version, q.input, q.tags,
         extract(epoch from now() - q.created_at)::float8 * 1000 as waited_ms,
         (select concat_ws(E'\\x1f', i.instance_id, i.trace_context) from ${t.instances} i where i.key = q.instance_key) as instance`;
  const claimText = (filter: string): string => `with ready as (
         select q.id from ${t.tasks} q
         where q.hub_id = $2 and q.owner is null and lower(q.name) = any(${lowerNames}) and ${ownLeaseHolds(t)} ${filter}
         order by q.id
         limit $4
         for update skip locked
       )
       update ${t.tasks} q set owner = $1
       from ready
       where q.id = ready.id
       returning ${returned}`;
  const takeOverText = (filter: string): string => `with dead as (
         select id, blameless from ${t.workers} where hub_id = $2 and expires_at <= now()
       ), orphans as (
         select q.id, case when w.blameless then 0 else 1 end as crashes
         from ${t.tasks} q join dead w on w.id = q.owner
         where q.owner in (select id from dead) and ${suspectFilter('$5', 'q', 'w')} and lower(q.name) = any(${lowerNames}) and ${ownLeaseHolds(t)} ${filter}
         limit $4
         for update of q skip locked
       )
       update ${t.tasks} q
       set owner = $1, redelivery = q.redelivery + 1, crash_count = q.crash_count + o.crashes
       from orphans o
       where q.id = o.id
       returning ${returned}, q.crash_count,
         ${strikesOf(t, { key: 'q.instance_key', id: 'q.execution_id' }, 'q.task_scheduled_id')} as strikes`;
  return {
    // First in, first out by activity_tasks_ready; rows that another worker is taking are skipped.
    claim: statement('claim_tasks', claimText('')),
    claimServed: statement('claim_served_tasks', claimText(servedOnly('$5'))),
    // One name with a limit for the hub: see the migration for what it locks.
    claimLimited: statement(
      'claim_limited_tasks',
      `select ${returned} from ${t.claimLimitedTasks}($1, $2, ($3::text[])[1], $4, $5) q`,
    ),
    // What a dead worker held: it may have run, so the redelivery counts.
    takeOver: statement('take_over_tasks', takeOverText('')),
    takeOverServed: statement('take_over_served_tasks', takeOverText(servedOnly('$6'))),
    // The fence is the row with its owner: a second completion finds nothing. The result is left only for the execution
    // that asked, and only while it has not ended; its row is read, not locked.
    complete: statement(
      'complete_tasks',
      `with finished as (
         delete from ${t.tasks} q
         using unnest($2::bigint[], $3::text[]) as c (id, event)
         where q.id = c.id and q.owner = $1
         returning q.id, q.instance_key, q.execution_id, q.hub_id, c.event
       ), told as (
         insert into ${t.messages} (instance_key, hub_id, execution_id, event)
         select f.instance_key, f.hub_id, f.execution_id, f.event
         from finished f
         join ${t.executions} e on e.instance_key = f.instance_key and e.execution_id = f.execution_id
         order by f.id
       )
       select id from finished`,
    ),
    release: statement(
      'release_tasks',
      `update ${t.tasks} set owner = null where id = any($2::bigint[]) and owner = $1`,
    ),
    // Also rows of instances that are gone: nobody can claim those.
    sweep: statement(
      'sweep_tasks',
      `delete from ${t.tasks} q
       where q.hub_id = $1 and q.owner is null
         and not exists (select 1 from ${t.instances} i where i.key = q.instance_key)`,
    ),
    unregistered: statement(
      'unregistered_tasks',
      `select q.name, array_agg(q.id) as ids
       from ${t.tasks} q
       where q.hub_id = $1 and q.owner is null and q.created_at < now() - $2 * interval '1 millisecond'
         and not exists (
           select 1 from ${t.workers} w
           where w.hub_id = $1 and lower(q.name) in (select lower(n) from unnest(w.activities) n)
             and w.expires_at > now() - $2 * interval '1 millisecond'
         )
       group by q.name`,
    ),
    fail: statement(
      'fail_tasks',
      `with failed as (
         delete from ${t.tasks} q
         using unnest($1::bigint[], $2::text[]) as c (id, failure)
         where q.id = c.id and q.owner is null
         returning q.instance_key, q.execution_id, q.hub_id, q.task_scheduled_id, c.failure
       )
       insert into ${t.messages} (instance_key, hub_id, execution_id, event)
       select f.instance_key, f.hub_id, f.execution_id,
         '{"type":"TaskFailed","taskScheduledId":' || f.task_scheduled_id || ',"failure":' || f.failure || '}'
       from failed f
       join ${t.executions} e on e.instance_key = f.instance_key and e.execution_id = f.execution_id`,
    ),
  };
}

export class Activities {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async claim(request: ActivityClaim): Promise<readonly QueuedActivity[]> {
    const { workerId, hubId, names, limit, hubLimit, suspects = 'all' } = request;
    const left = hubLimit === undefined && request.without?.length ? [request.without] : [];
    const sql = this.#sql;
    const [takeOver, claim] = left.length === 0 ? [sql.takeOver, sql.claim] : [sql.takeOverServed, sql.claimServed];
    const orphans = request.includeDeadOwners
      ? await this.#runner.rows<ActivityRow>(takeOver, [workerId, hubId, names, limit, suspects, ...left])
      : [];
    const room = limit - orphans.length;
    // Suspects are among what dead workers left.
    if (room <= 0 || suspects === 'only') return orphans.map(toQueuedActivity);
    const ready =
      hubLimit === undefined
        ? await this.#runner.rows<ActivityRow>(claim, [workerId, hubId, names, room, ...left])
        : await this.#runner.rows<ActivityRow>(sql.claimLimited, [workerId, hubId, names, room, hubLimit]);
    return [...orphans, ...ready].map(toQueuedActivity);
  }

  async complete(workerId: WorkerId, completions: readonly ActivityCompletion[]): Promise<readonly string[]> {
    try {
      return await this.#completeAll(workerId, completions);
    } catch (error) {
      if (!isMemberError(error)) throw error;
      const [only] = completions;
      // One that Postgres cannot hold must not harm the others, nor be tried for ever (decision 11).
      if (only === undefined || completions.length > 1) return await this.#completeOneByOne(workerId, completions);
      return await this.#completeAll(workerId, [{ task: only.task, outcome: refused(only.task.name, error) }]);
    }
  }

  async #completeOneByOne(workerId: WorkerId, completions: readonly ActivityCompletion[]): Promise<readonly string[]> {
    const ids: string[] = [];
    for (const completion of completions) ids.push(...(await this.complete(workerId, [completion])));
    return ids;
  }

  async #completeAll(workerId: WorkerId, completions: readonly ActivityCompletion[]): Promise<readonly string[]> {
    const sorted = [...completions].sort((a, b) => Number(BigInt(a.task.id) - BigInt(b.task.id)));
    const rows = await this.#runner.rows<{ id: string }>(this.#sql.complete, [
      workerId,
      sorted.map((completion) => completion.task.id),
      sorted.map(({ task, outcome }) =>
        toMessageText(
          outcome.kind === 'completed'
            ? { type: 'TaskCompleted', taskScheduledId: task.taskScheduledId, result: outcome.result }
            : { type: 'TaskFailed', taskScheduledId: task.taskScheduledId, failure: outcome.failure },
        ),
      ),
    ]);
    return rows.map((row) => row.id);
  }

  async release(workerId: WorkerId, taskIds: readonly string[]): Promise<void> {
    await this.#runner.rows(this.#sql.release, [workerId, taskIds]);
  }

  /** Fails what nobody can run (decision 25) and sweeps tasks of purged instances. */
  async failUnregistered(request: {
    readonly hubId: number;
    readonly graceMs: number;
    readonly known: FunctionNames | undefined;
  }): Promise<readonly string[]> {
    await this.#runner.rows(this.#sql.sweep, [request.hubId]);
    const found = await this.#runner.rows<{ name: string; ids: string[] }>(this.#sql.unregistered, [
      request.hubId,
      request.graceMs,
    ]);
    const known = request.known?.activities ?? [];
    const failed = found.flatMap(({ name, ids }) =>
      ids.map((id) => ({
        id,
        failure: JSON.stringify(activityNotRegistered(name, { graceMs: request.graceMs, known })),
      })),
    );
    if (failed.length > 0) {
      await this.#runner.rows(this.#sql.fail, [failed.map((task) => task.id), failed.map((task) => task.failure)]);
    }
    return found.map((row) => row.name);
  }
}

function refused(name: string, error: unknown): ActivityCompletion['outcome'] {
  return {
    kind: 'failed',
    failure: {
      errorType: 'ResultRefused',
      message: `The database cannot store the result of activity '${name}' (${errorCode(error) ?? 'no code'}). It must be of a size that Postgres can hold.`,
      isNonRetriable: true,
    },
  };
}
