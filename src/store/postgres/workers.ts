/** Worker rows: one lease for each worker, which holds for everything it owns. */
import type { FunctionNames, InstanceKey, WorkerId } from '../../model/work.ts';
import { toExecutableNames, toFunctionNames } from '../executable-names.ts';
import type { Heartbeat, WorkerStore } from '../store.ts';
import { isNotSuperseded, knownMigrations, superseded, type SchemaGate } from './schema-gate.ts';
import { nowMs, statement, type Runner, type Tables } from './sql.ts';

function statements(t: Tables) {
  // Rows of dead workers are kept for ten minutes.
  const crashed = (hub: string): string => `exists (
           select 1 from ${t.workers} w where w.hub_id = ${hub} and w.expires_at <= now() and not w.blameless
         )`;
  return {
    register: statement(
      'register_worker',
      `insert into ${t.workers} (hub_id, name, orchestrators, activities, expires_at, quarantine)
       select $1::integer, $2::text, $3::text[], $4::text[], now() + $5 * interval '1 millisecond', $6::boolean
       where ${isNotSuperseded(t, '$7')}
       returning id, ${nowMs} as now,
         not exists (select 1 from ${t.workers} w where w.hub_id = $1 and w.expires_at > now()) as alone, ${crashed('$1')} as crashed`,
    ),
    // The only statement of an idle worker: so it also asks whether this version still fits. An ended lease is never renewed (decision 8). OFFSET 0 keeps the planner
    // from answering the question about dead workers by reading all tasks (Postgres 18).
    heartbeat: statement(
      'heartbeat',
      `with beat as (
         update ${t.workers} set expires_at = now() + $3 * interval '1 millisecond'
         where id = $1 and expires_at > now()
         returning orchestrators, activities
       )
       select ${nowMs} as now,
         ${isNotSuperseded(t, '$5')} as fits,
         exists (
           select 1 from ${t.messages} m join ${t.executions} e on e.instance_key = m.instance_key
           where m.hub_id = $2 and m.visible_at <= now() and e.owner is null and lower(e.name) in (select lower(n) from unnest(beat.orchestrators) n)
         ) as instances_ready,
         exists (
           select 1 from ${t.tasks} q
           where q.hub_id = $2 and q.owner is null and lower(q.name) in (select lower(n) from unnest(beat.activities) n)
         ) as activities_ready,
         exists (
           select 1 from ${t.workers} w
           where w.hub_id = $2 and w.expires_at <= now() and (
             exists (select 1 from ${t.executions} e where e.owner = w.id offset 0)
             or exists (select 1 from ${t.tasks} q where q.owner = w.id offset 0)
           )
         ) as dead_workers,
         not exists (
           select 1 from ${t.workers} w where w.hub_id = $2 and w.id <> $1 and w.expires_at > now()
         ) as alone,
         ${crashed('$2')} as crashed,
         array(
           select e.instance_key from ${t.executions} e
           where e.owner = $1
             and exists (select 1 from ${t.messages} m where m.instance_key = e.instance_key and m.visible_at <= now())
         ) as inbox_keys,
         (select ceil(extract(epoch from min(m.visible_at)) * 1000)::float8
          from ${t.messages} m where m.hub_id = $2 and m.visible_at > now()) as next_due_at,
         array(select e.instance_key from ${t.executions} e where e.owner = $1) as owned_instances,
         array(select q.id from ${t.tasks} q where q.owner = $1) as owned_tasks,
         array(
           select c.id from unnest($4::bigint[]) as c (id)
           where not exists (select 1 from ${t.tasks} q where q.id = c.id and q.owner = $1)
         ) as lost_tasks
       from beat`,
    ),
    // Tasks can be claimed the moment this commits. What is still owned of instances is taken over from the ended lease:
    // something may be lost that only a takeover looks for. So the row stays for a while. It has not crashed.
    deregister: statement(
      'deregister_worker',
      `with tasks as (update ${t.tasks} set owner = null where owner = $1)
       update ${t.workers} set expires_at = now(), blameless = true where id = $1`,
    ),
    endAll: statement(
      'end_leases',
      `update ${t.workers} set expires_at = now() where hub_id = $1 and expires_at > now()`,
    ),
    names: statement(
      'live_function_names',
      `select orchestrators as executables, activities from ${t.workers} where hub_id = $1 and expires_at > now()`,
    ),
    removeDead: statement(
      'remove_dead_workers',
      `delete from ${t.workers} w
       where w.hub_id = $1 and w.expires_at < now() - interval '10 minutes'
         and not exists (select 1 from ${t.executions} e where e.owner = w.id)
         and not exists (select 1 from ${t.tasks} q where q.owner = w.id)`,
    ),
  };
}

interface RegisteredRow {
  readonly id: string;
  readonly now: number;
  readonly alone: boolean;
  readonly crashed: boolean;
}

interface HeartbeatRow {
  readonly now: number;
  readonly fits: boolean;
  readonly instances_ready: boolean;
  readonly activities_ready: boolean;
  readonly dead_workers: boolean;
  readonly alone: boolean;
  readonly crashed: boolean;
  readonly inbox_keys: readonly InstanceKey[];
  readonly owned_instances: readonly InstanceKey[];
  readonly owned_tasks: readonly string[];
  readonly next_due_at: number | null;
  readonly lost_tasks: readonly string[];
}

export class Workers {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async register(worker: {
    readonly hubId: number;
    readonly name: string;
    readonly functions: FunctionNames;
    readonly leaseMs: number;
    readonly quarantine?: boolean;
  }): ReturnType<WorkerStore['registerWorker']> {
    const [row] = await this.#runner.rows<RegisteredRow>(this.#sql.register, [
      worker.hubId,
      worker.name,
      toExecutableNames(worker.functions),
      worker.functions.activities,
      worker.leaseMs,
      worker.quarantine ?? false,
      knownMigrations(),
    ]);
    if (row === undefined) throw superseded();
    return { workerId: row.id, now: row.now, alone: row.alone, ...(row.crashed ? { crashed: true } : {}) };
  }

  /** @param gate hears whether this version still fits */
  async heartbeat(
    request: {
      readonly workerId: WorkerId;
      readonly hubId: number;
      readonly leaseMs: number;
      readonly claimedTasks: readonly string[];
    },
    gate: SchemaGate,
  ): Promise<Heartbeat> {
    const [row] = await this.#runner.rows<HeartbeatRow>(this.#sql.heartbeat, [
      request.workerId,
      request.hubId,
      request.leaseMs,
      request.claimedTasks,
      knownMigrations(),
    ]);
    if (row === undefined) return { kind: 'expired' };
    gate.said(row.fits);
    return {
      kind: 'alive',
      now: row.now,
      instancesReady: row.instances_ready,
      activitiesReady: row.activities_ready,
      deadWorkers: row.dead_workers,
      alone: row.alone,
      ...(row.crashed ? { crashed: true } : {}),
      inboxKeys: row.inbox_keys,
      ownedInstances: row.owned_instances,
      ownedTasks: row.owned_tasks,
      lostTasks: row.lost_tasks,
      // What waits for the lock of an entity is never due.
      ...(row.next_due_at === null || row.next_due_at === Infinity ? {} : { nextDueAt: row.next_due_at }),
    };
  }

  async deregister(workerId: WorkerId): Promise<void> {
    await this.#runner.rows(this.#sql.deregister, [workerId]);
  }

  async endLeases(hubId: number): Promise<void> {
    await this.#runner.rows(this.#sql.endAll, [hubId]);
  }

  async liveNames(hubId: number): Promise<FunctionNames | undefined> {
    const rows = await this.#runner.rows<{ executables: string[]; activities: string[] }>(this.#sql.names, [hubId]);
    return rows.length === 0 ? undefined : toFunctionNames(rows);
  }

  async removeDead(hubId: number): Promise<void> {
    await this.#runner.rows(this.#sql.removeDead, [hubId]);
  }
}
