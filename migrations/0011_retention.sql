-- Removing what ended long ago, and bringing it back.

-- When an instance was imported. It ended long before that, and would be removed again at once.
alter table instances add column imported_at timestamptz;

-- The walk through a hub that removes what is old: who is at it (one process at a time), where it is, what came of it. No
-- index serves it: it goes along instances_created, for nothing ends before it was created. One by the end would be written
-- by every end.
create table retention_sweeps (
  hub_id integer primary key,
  -- What is removed, for people and to notice that it changed.
  rules text not null,
  holder uuid,
  held_until timestamptz,
  begun_at timestamptz not null default now(),
  -- NULL while it is under way, or was broken off.
  ended_at timestamptz,
  after_created timestamptz not null default '-infinity',
  after_key bigint not null default 0,
  removed bigint not null default 0,
  -- Trees that stay because something in them has not ended, or not long enough ago.
  kept bigint not null default 0,
  -- Of all sweeps.
  removed_total bigint not null default 0,
  error text
);
