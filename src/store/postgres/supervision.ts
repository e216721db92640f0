/** What the supervisor of a process says about its workers: that they live, that one is stuck and where, that one is gone. */
import type { Culprit } from '../../model/culprit.ts';
import type { Failure } from '../../model/failure.ts';
import type { WorkerId } from '../../model/work.ts';
import type { SupervisorStore } from '../supervisor-store.ts';
import { turnOfStrike } from './rows.ts';
import { isNotSuperseded, knownMigrations, type SchemaGate } from './schema-gate.ts';
import { isSuspect, statement, type Runner, type Tables } from './sql.ts';

/** One more, or the first of another execution. */
const onceMore = `on conflict (instance_key, task_scheduled_id) do update set
           count = case when strikes.execution_id = excluded.execution_id then strikes.count + 1 else 1 end,
           execution_id = excluded.execution_id, failure = excluded.failure`;

function statements(t: Tables) {
  const found = (hub: string, id: string, execution: string): string => `select e.instance_key, e.execution_id
         from ${t.instances} i join ${t.executions} e on e.instance_key = i.key
         where i.hub_id = ${hub} and i.instance_id = ${id} and (${execution}::text is null or e.execution_id = ${execution})`;
  return {
    renew: statement(
      'renew_leases',
      `with renewed as (
         update ${t.workers} set expires_at = now() + $3 * interval '1 millisecond'
         where id = any($2::bigint[]) and expires_at > now()
       )
       select ${isNotSuperseded(t, '$4')} as fits, exists (
         select 1 from ${t.workers} w
         where w.hub_id = $1 and w.expires_at <= now() and (
           exists (select 1 from ${t.executions} e where e.owner = w.id and ${isSuspect('e', 'w')} offset 0)
           or exists (select 1 from ${t.tasks} q where q.owner = w.id and ${isSuspect('q', 'w')} offset 0)
         )
       ) as suspects`,
    ),
    // A worker that has ended from the beginning gets what others are to take over. What was just started there may be owned
    // by nobody yet: it is kept from the others, too.
    setAside: statement(
      'set_aside',
      `with ghost as (
         insert into ${t.workers} (hub_id, name, orchestrators, activities, expires_at, blameless)
         select hub_id, name, '{}', '{}', now(), $3::text is not null from ${t.workers} where id = $2
         returning id
       ), kept as (
         ${found('$1', '$3', '$4')}
       ), kept_unowned as (
         update ${t.executions} e set owner = $2 from kept k where e.instance_key = k.instance_key and e.owner is null
       ), moved as (
         update ${t.executions} e set owner = g.id from ghost g
         where e.owner = $2 and e.instance_key not in (select instance_key from kept)
       )
       update ${t.tasks} q set owner = g.id from ghost g
       where q.owner = $2
         and not (q.instance_key in (select instance_key from kept) and q.task_scheduled_id = coalesce($5::integer, -1))`,
    ),
    strike: statement(
      'strike',
      `with culprit as (
         ${found('$1', '$2', '$3')}
       ), suspected as (
         update ${t.executions} e set crash_count = greatest(e.crash_count, 2)
         from culprit c where e.instance_key = c.instance_key and $4 = ${turnOfStrike}
       ), suspected_task as (
         update ${t.tasks} q set crash_count = greatest(q.crash_count, 2)
         from culprit c
         where q.instance_key = c.instance_key and q.execution_id = c.execution_id and q.task_scheduled_id = $4
       )
       insert into ${t.strikes} as strikes (instance_key, execution_id, task_scheduled_id, count, failure)
       select instance_key, execution_id, $4::integer, 1, $5 from culprit
       ${onceMore}
       returning count`,
    ),
    // Once for each: the worker is blameless from then on.
    strikeQuarantined: statement(
      'strike_quarantined',
      `with dead as (
         update ${t.workers} set blameless = true, expires_at = least(expires_at, now())
         where id = any($1::bigint[]) and quarantine and not blameless
         returning id
       ), turns as (
         update ${t.executions} e set crash_count = greatest(e.crash_count, 2)
         from dead where e.owner = dead.id
         returning e.instance_key, e.execution_id, ${turnOfStrike} as task
       ), tasks as (
         update ${t.tasks} q set crash_count = greatest(q.crash_count, 2)
         from dead where q.owner = dead.id
         returning q.instance_key, q.execution_id, q.task_scheduled_id as task
       )
       insert into ${t.strikes} as strikes (instance_key, execution_id, task_scheduled_id, count, failure)
       select instance_key, execution_id, task, 1, $2 from (select * from turns union all select * from tasks) culprits
       ${onceMore}
       returning instance_key`,
    ),
    end: statement(
      'end_lease',
      `update ${t.workers} set expires_at = least(expires_at, now()), blameless = $2 where id = $1`,
    ),
    forget: statement(
      'forget_strikes',
      `delete from ${t.strikes} where instance_key = $1 and task_scheduled_id = ${turnOfStrike}`,
    ),
    sweep: statement(
      'sweep_strikes',
      `delete from ${t.strikes} s
       where not exists (
         select 1 from ${t.executions} e where e.instance_key = s.instance_key and e.execution_id = s.execution_id
       )`,
    ),
  };
}

export class Supervision implements SupervisorStore {
  readonly #runner: Runner;
  readonly #gate: SchemaGate;
  readonly #sql: ReturnType<typeof statements>;

  /** @param gate hears at each renewal whether this version still fits */
  constructor(runner: Runner, tables: Tables, gate: SchemaGate) {
    this.#runner = runner;
    this.#gate = gate;
    this.#sql = statements(tables);
  }

  async renewLeases(request: Parameters<SupervisorStore['renewLeases']>[0]): Promise<{ readonly suspects: boolean }> {
    const { hubId, workerIds, leaseMs } = request;
    const [row] = await this.#runner.rows<{ fits: boolean; suspects: boolean }>(this.#sql.renew, [
      hubId,
      workerIds,
      leaseMs,
      knownMigrations(),
    ]);
    if (row !== undefined) this.#gate.said(row.fits);
    return { suspects: row?.suspects === true };
  }

  async setAside({ hubId, workerId, culprit }: Parameters<SupervisorStore['setAside']>[0]): Promise<void> {
    const { instanceId = null, executionId = null, taskScheduledId = null } = culprit ?? {};
    await this.#runner.rows(this.#sql.setAside, [hubId, workerId, instanceId, executionId, taskScheduledId]);
  }

  async strike(request: {
    readonly hubId: number;
    readonly culprit: Culprit;
    readonly failure: Failure;
  }): Promise<number> {
    const { hubId, culprit, failure } = request;
    const { instanceId, executionId = null, taskScheduledId = turnOfStrike } = culprit;
    const values = [hubId, instanceId, executionId, taskScheduledId, JSON.stringify(failure)];
    const [row] = await this.#runner.rows<{ count: number }>(this.#sql.strike, values);
    return row?.count ?? 0;
  }

  async strikeQuarantined(workerIds: readonly WorkerId[], failure: Failure): Promise<number> {
    return (await this.#runner.rows(this.#sql.strikeQuarantined, [workerIds, JSON.stringify(failure)])).length;
  }

  async endLease(workerId: WorkerId, blameless: boolean): Promise<void> {
    await this.#runner.rows(this.#sql.end, [workerId, blameless]);
  }

  async forget(key: string): Promise<void> {
    await this.#runner.rows(this.#sql.forget, [key]);
  }

  /** Of executions that are over. */
  async sweep(): Promise<void> {
    await this.#runner.rows(this.#sql.sweep, []);
  }
}
