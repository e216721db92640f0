/** Rewinding: a failed instance goes on under a new execution id (decision 20). What counts no longer is decided elsewhere. */
import { eventOfTimer } from '../../model/work.ts';
import type { InstanceRewind, RewindOutcome } from '../store.ts';
import { again } from './again.ts';
import { auditRow, auditValues, insertAudit } from './audit-sql.ts';
import { deletions, type LockedRow } from './deletions.ts';
import { toEvents, toHistoryTexts, toMessageText } from './rows.ts';
import { nowMs, type Runner, type Tables } from './sql.ts';

function statements(t: Tables) {
  return {
    ...deletions(t),
    recordAudit: `${insertAudit(t)} values (${auditRow(1)})`,
    history: `select h.sequence, h.events, ${nowMs} as now from ${t.history} h where h.instance_key = $1 order by h.sequence`,
    append: `insert into ${t.history} (instance_key, sequence, commit_id, events) values ($1, $2, gen_random_uuid(), $3)`,
    // Sequences go on behind the history, so that no fence of the old execution holds.
    begin: `insert into ${t.executions} (instance_key, hub_id, name, execution_id, status, sequence, custom_status)
       select i.key, i.hub_id, i.name, $2, 'Running', $3, i.custom_status from ${t.instances} i where i.key = $1`,
    reopen: `update ${t.instances} set status = null, execution_id = $2, output = null, failure = null, custom_status = null,
         completed_at = null, last_updated_at = greatest(last_updated_at, now())
       where key = $1`,
    link: `update ${t.instances} set parent = $2 where key = $1`,
    wake: `insert into ${t.messages} (instance_key, hub_id, execution_id, event) values ($1, $2, $3, $4)`,
    timer: `insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, timer_id, event)
       select $1, $2, to_timestamp(n.fire_at / 1000.0), $3, n.timer_id, n.event
       from unnest($4::int[], $5::float8[], $6::text[]) as n (timer_id, fire_at, event)`,
    task: `insert into ${t.tasks}
         (hub_id, name, instance_key, execution_id, task_scheduled_id, attempt, first_scheduled_id, redelivery, version, input, tags)
       select $2, n.name, $1, $3, n.task_id, n.attempt, n.first_id, n.redelivery, n.version, n.input, n.tags
       from unnest($4::text[], $5::int[], $6::int[], $7::int[], $8::int[], $9::text[], $10::text[], $11::text[])
         as n (name, task_id, attempt, first_id, redelivery, version, input, tags)`,
  };
}

export class Rewinds {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  /** Repeated after a lost connection: the second time it finds its own execution id. */
  async rewind(request: InstanceRewind): Promise<RewindOutcome> {
    const { hubId, instanceId, executionId } = request;
    const outcome = await again(
      () =>
        this.#runner.transaction(async (client): Promise<RewindOutcome> => {
          const found = await client.query<LockedRow>(this.#sql.lock, [hubId, instanceId]);
          const row = found.rows[0];
          if (row === undefined) return { kind: 'not-found' };
          const { key } = row;
          if (row.execution_id === executionId) return { kind: 'rewound', key };
          if (row.status !== 'Failed') return { kind: 'not-failed', status: row.status };
          const stored = await client.query<{ sequence: string; events: string; now: number }>(this.#sql.history, [
            key,
          ]);
          const last = stored.rows.at(-1);
          const plan = request.plan(
            stored.rows.flatMap((one) => toEvents(one.events)),
            last?.now ?? 0,
          );
          let sequence = Number(last?.sequence ?? 0);
          for (const text of toHistoryTexts([plan.event])) {
            sequence += 1;
            await client.query(this.#sql.append, [key, sequence, text]);
          }
          await client.query(this.#sql.begin, [key, executionId, sequence]);
          await client.query(this.#sql.reopen, [key, executionId]);
          if (request.parent !== undefined) await client.query(this.#sql.link, [key, JSON.stringify(request.parent)]);
          await client.query(this.#sql.deleteTasks, [key]);
          await client.query(this.#sql.deleteMessages, [key]);
          const wake = toMessageText({ ...plan.event, ignores: [], ignoredIds: [] });
          await client.query(this.#sql.wake, [key, hubId, executionId, wake]);
          const { timers, queuedTasks: tasks } = plan;
          if (timers.length > 0) {
            await client.query(this.#sql.timer, [
              key,
              hubId,
              executionId,
              timers.map(({ timerId }) => timerId),
              timers.map(({ fireAt }) => fireAt),
              timers.map((timer) => toMessageText(eventOfTimer(timer))),
            ]);
          }
          if (tasks.length > 0) {
            await client.query(this.#sql.task, [
              key,
              hubId,
              executionId,
              tasks.map(({ name }) => name),
              tasks.map(({ taskScheduledId }) => taskScheduledId),
              tasks.map(({ attempt }) => attempt),
              tasks.map(({ firstScheduledId }) => firstScheduledId),
              tasks.map(({ redelivery }) => redelivery),
              tasks.map(({ version }) => version ?? null),
              tasks.map(({ input }) => input ?? null),
              tasks.map(({ tags }) => (tags === undefined ? null : JSON.stringify(tags))),
            ]);
          }
          if (request.audit !== undefined)
            await client.query(this.#sql.recordAudit, [...auditValues(request.audit.entry)]);
          return { kind: 'rewound', key };
        }),
      { repeatAfterConnectionLoss: true },
    );
    if (outcome.kind === 'rewound') request.audit?.stored();
    return outcome;
  }
}
