/** What keeps a live instance, beside what its history says. */
import type { HoldingWorker, Obstacles, WaitingTask } from '../../model/explanation.ts';
import type { InstanceKey } from '../../model/work.ts';
import { nowMs, statement, type Runner, type Tables } from './sql.ts';

const mostTasks = 100;

function ms(column: string): string {
  return `(extract(epoch from ${column}) * 1000)::float8`;
}

/** Locks nothing; look-ups by key: executions and messages by their primary keys, tasks by activity_tasks_instance. */
function statements(t: Tables) {
  const workerOf = (owner: string, worker: string): string =>
    `case when ${owner} is not null then json_build_object('id', ${owner}::text, 'name', ${worker}.name,
       'isLive', coalesce(${worker}.expires_at > now(), false), 'expiresAt', ${ms(`${worker}.expires_at`)}) end`;
  const lists = (names: string, name: string): string =>
    `exists (select 1 from ${t.workers} l where l.hub_id = e.hub_id and l.expires_at > now()
       and lower(${name}) in (select lower(n) from unnest(l.${names}) n))`;
  return {
    find: statement(
      'find_obstacles',
      `select ${nowMs} as now,
         ${workerOf('e.owner', 'o')} as owner,
         (select ${ms('min(m.visible_at)')} from ${t.messages} m
          where m.instance_key = e.instance_key and m.visible_at <= now()) as ready_since,
         (select count(*)::int from ${t.workers} l where l.hub_id = e.hub_id and l.expires_at > now()) as live_workers,
         ${lists('orchestrators', 'e.name')} as is_listed,
         (select json_agg(json_build_object('taskScheduledId', q.task_scheduled_id, 'name', q.name,
            'createdAt', ${ms('q.created_at')}, 'redelivery', q.redelivery, 'owner', ${workerOf('q.owner', 'w')},
            'isListed', ${lists('activities', 'q.name')}))
          from (select * from ${t.tasks} a where a.instance_key = e.instance_key order by a.id limit ${mostTasks}) q
          left join ${t.workers} w on w.id = q.owner) as tasks
       from ${t.executions} e left join ${t.workers} o on o.id = e.owner
       where e.instance_key = $1`,
    ),
  };
}

interface ObstaclesRow {
  readonly now: number;
  readonly owner: HoldingWorker | null;
  readonly ready_since: number | null;
  readonly live_workers: number;
  readonly is_listed: boolean;
  readonly tasks: readonly WaitingTask[] | null;
}

export class ObstacleQueries {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async find(key: InstanceKey): Promise<Obstacles | undefined> {
    const [row] = await this.#runner.rows<ObstaclesRow>(this.#sql.find, [key]);
    if (row === undefined) return undefined;
    return {
      key,
      now: row.now,
      owner: row.owner,
      readySince: row.ready_since,
      liveWorkers: row.live_workers,
      isListed: row.is_listed,
      tasks: row.tasks ?? [],
    };
  }
}
