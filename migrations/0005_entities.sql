-- Durable entities. An entity is an instance (`@name@key`) with an execution that never ends; what is its own is here.
create table entities (
  instance_key bigint primary key,
  hub_id integer not null,
  -- JSON text as user code made it (A7). NULL: it has no state, that is, for callers it does not exist.
  state text,
  -- Who holds it locked: an orchestration, one execution of it, and the critical section that the lock belongs to.
  locked_by text collate "C",
  locked_by_execution text,
  critical_section text,
  -- Messages that wait for the lock: they are in the inbox and invisible.
  parked integer not null default 0,
  -- Says whose the row is when the answer to a commit got lost (decision 13).
  commit_id uuid not null,
  constraint entities_lock check ((locked_by is null) = (critical_section is null) and (parked = 0 or locked_by is not null))
) with (
  -- Every batch of operations writes its row: room for the next versions on the same page.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0
);
create index entities_locked on entities (hub_id, instance_key) where locked_by is not null;
create index entities_empty on entities (hub_id, instance_key) where state is null and locked_by is null;

-- When a message became visible that is parked behind a lock: meanwhile its visible_at is infinite.
alter table messages add column arrived_at timestamptz;

-- A message for an entity creates it. Two transactions may do so at the same time: the second waits for the first, and
-- then does not see in its snapshot what the first created. It has to be repeated, which it asks for with this error.
create function known_key(key bigint) returns bigint language plpgsql as $$
begin
  if key is null then
    raise exception 'an instance was created by another transaction at the same time' using errcode = '40001';
  end if;
  return key;
end $$;
