/** The work: whether somebody does it. Looks are bounded, by the indexes that workers use. */
import type pg from 'pg';
import { ok, warn, type Finding } from '../../../model/finding.ts';
import type { Tables } from '../sql.ts';

/** Of what waits, the first so many are looked at. */
const mostLookedAt = 10_000;
const stuckAfter = '1 minute';

export async function judgeWorkers(client: pg.Client, t: Tables): Promise<readonly Finding[]> {
  const { rows } = await client.query<{ live: number; dead: string[] | null }>(
    `select count(*) filter (where w.expires_at > now())::int as live,
       array_agg(format('%s (#%s) since %s', w.name, w.id, to_char(w.expires_at, 'YYYY-MM-DD HH24:MI:SS')))
         filter (where w.expires_at < now() - interval '${stuckAfter}' and (
           exists (select 1 from ${t.executions} e where e.owner = w.id) or exists (select 1 from ${t.tasks} q where q.owner = w.id)
         )) as dead
     from ${t.workers} w`,
  );
  const { live = 0, dead = null } = rows[0] ?? {};
  const text = `${live} ${live === 1 ? 'worker lives' : 'workers live'}`;
  const living =
    live > 0
      ? ok('workers', text)
      : warn('workers', 'no worker lives: nothing moves', "start one: 'perdure start <module>'");
  const gone =
    dead === null
      ? ok('dead-workers', `no worker that died more than ${stuckAfter} ago still has work`)
      : warn(
          'dead-workers',
          `dead workers have work that nobody has taken over: ${dead.slice(0, 5).join(', ')}`,
          'start a worker that runs the same functions',
        );
  return [living, gone];
}

export async function judgeBacklog(client: pg.Client, t: Tables): Promise<readonly Finding[]> {
  // In the order of messages_ready, the oldest first.
  const { rows } = await client.query<{ name: string; hub: string; count: number; listed: boolean; id: string | null }>(
    `with waiting as (
       select m.instance_key, m.hub_id from ${t.messages} m
       where m.visible_at < now() - interval '${stuckAfter}' order by m.hub_id, m.visible_at limit ${mostLookedAt}
     ), instances as (
       select e.name, e.hub_id, count(distinct e.instance_key)::int as count, min(e.instance_key) as first
       from waiting join ${t.executions} e on e.instance_key = waiting.instance_key
       where e.owner is null and e.status <> 'Suspended' group by 1, 2
     )
     select n.name, h.name as hub, n.count, (select i.instance_id from ${t.instances} i where i.key = n.first) as id,
       exists (select 1 from ${t.workers} w where w.hub_id = n.hub_id and w.expires_at > now()
         and lower(n.name) in (select lower(o) from unnest(w.orchestrators) o)) as listed
     from instances n join ${t.hubs} h on h.id = n.hub_id order by n.count desc`,
  );
  const told = (some: typeof rows): string =>
    some
      .slice(0, 10)
      .map(({ name, hub, count, id }) => `${name} in '${hub}' (${count}, such as ${id ?? '?'})`)
      .join(', ');
  const unknown = rows.filter(({ listed }) => !listed);
  const stuck = rows.filter(({ listed }) => listed);
  return [
    unknown.length === 0
      ? ok('names', `nothing waits longer than ${stuckAfter} for a worker that runs its name`)
      : warn(
          'names',
          `instances wait for names that no live worker runs: ${told(unknown)}`,
          'start a worker that runs them',
        ),
    stuck.length === 0
      ? ok('stuck', `no instance has waited longer than ${stuckAfter} for a worker`)
      : warn(
          'stuck',
          `instances have waited longer than ${stuckAfter} for a worker: ${told(stuck)}`,
          "start more workers; 'perdure explain <instanceId>' says what keeps one",
        ),
  ];
}
