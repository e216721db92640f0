-- How much work waits in a task hub: for metrics, and for whoever scales workers by it (a KEDA trigger is one query).
-- Counts end at 10,000, so that looking costs little however much waits. Served by messages_ready, the keys of executions,
-- executions_owner, activity_tasks_ready and activity_tasks_owner; locks nothing.
create function backlog(p_hub text)
returns table (
  -- What a worker could take at once, and how many of these nobody alive has registered.
  instances bigint,
  unserved_instances bigint,
  oldest_instance_seconds double precision,
  activities bigint,
  oldest_activity_seconds double precision,
  workers bigint
)
language sql stable
set search_path from current
as $$
  with hub as materialized (
    select h.id from task_hubs h where lower(h.name) = lower(p_hub)
  ), alive as materialized (
    select w.id, w.orchestrators from workers w where w.hub_id = (select id from hub) and w.expires_at > now()
  ), dead as materialized (
    select w.id, w.expires_at from workers w where w.hub_id = (select id from hub) and w.expires_at <= now()
  ), served as materialized (
    select distinct lower(n) as name from alive, unnest(alive.orchestrators) as n
  ), ready as materialized (
    select m.instance_key, m.visible_at from messages m
    where m.hub_id = (select id from hub) and m.visible_at <= now()
    order by m.visible_at
    limit 10000
  ), waiting as (
    select e.instance_key, lower(e.name) as name, min(r.visible_at) as since
    from ready r join executions e on e.instance_key = r.instance_key
    where e.owner is null
    group by e.instance_key, e.name
    union all
    (select e.instance_key, lower(e.name), d.expires_at
     from dead d join executions e on e.owner = d.id
     limit 10000)
  ), queued as (
    (select q.created_at as since from activity_tasks q
     where q.hub_id = (select id from hub) and q.owner is null
     order by q.id
     limit 10000)
    union all
    (select d.expires_at from dead d join activity_tasks q on q.owner = d.id limit 10000)
  )
  select i.n, i.unserved, i.age, q.n, q.age, (select count(*) from alive)
  from (
    select least(count(*), 10000) as n,
      least(count(*) filter (where w.name not in (select s.name from served s)), 10000) as unserved,
      coalesce(extract(epoch from now() - min(w.since)), 0)::float8 as age
    from waiting w
  ) i, (
    select least(count(*), 10000) as n, coalesce(extract(epoch from now() - min(since)), 0)::float8 as age from queued
  ) q
$$;
