-- Claims activities that have a limit for the whole task hub. A function, because the count must be made after the lock is
-- held, which takes two snapshots (each statement of a volatile function has its own), and because a lock must not wait for
-- a client between two statements. The lock is of one name in one hub: claims of it come one after the other, and nobody
-- else waits. Served by activity_tasks_owner (what runs) and activity_tasks_ready (what waits).
create function claim_limited_tasks(p_worker bigint, p_hub integer, p_name text, p_limit integer, p_hub_limit integer)
returns setof activity_tasks
language plpgsql volatile
set search_path from current
as $$
declare
  room integer;
begin
  perform pg_advisory_xact_lock(hashtextextended(format('perdure %s %s %s', current_schema(), p_hub, lower(p_name)), 0));
  select p_hub_limit - count(*) into room
  from activity_tasks q
  where q.owner is not null and q.hub_id = p_hub and lower(q.name) = lower(p_name);
  if room <= 0 then
    return;
  end if;
  return query
    with ready as (
      select q.id from activity_tasks q
      where q.hub_id = p_hub and q.owner is null and lower(q.name) = lower(p_name)
        and exists (select 1 from workers w where w.id = p_worker and w.expires_at > now())
      order by q.id
      limit least(room, p_limit)
      for update skip locked
    )
    update activity_tasks q set owner = p_worker
    from ready
    where q.id = ready.id
    returning q.*;
end
$$;
