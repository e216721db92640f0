-- Task hubs, instances, their history and inboxes, the activities queue and the workers.
-- No foreign keys between them: a commit touches rows of its own instances only (decision 10), and what a purge leaves
-- behind is discarded when somebody meets it.

create table task_hubs (
  id integer generated always as identity primary key,
  name text not null,
  created_at timestamptz not null default now()
);
create unique index task_hubs_name on task_hubs (lower(name));

-- A worker's lease, and the names of its functions as registered (they are compared without case).
create table workers (
  id bigint generated always as identity primary key,
  hub_id integer not null,
  name text not null,
  orchestrators text[] not null,
  activities text[] not null,
  started_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index workers_hub on workers (hub_id);

-- What stays of an instance: written when it starts and when it ends.
create table instances (
  -- Changes when an id is reused; everything else refers to it.
  key bigint generated always as identity primary key,
  hub_id integer not null,
  instance_id text collate "C" not null,
  name text not null,
  version text,
  execution_id text not null,
  -- How it ended. NULL while it is live: then its row in executions tells.
  status text,
  created_at timestamptz not null default now(),
  last_updated_at timestamptz not null default now(),
  completed_at timestamptz,
  scheduled_start_at timestamptz,
  -- Payloads are text as it was sent, never jsonb (A7). NULL is "nothing was sent", 'null' is a JSON null.
  input text,
  output text,
  custom_status text,
  failure text,
  constraint instances_status check (status in ('Completed', 'Failed', 'Terminated', 'Canceled'))
) with (
  -- Room for the version that the end writes: it changes no indexed column, so the update stays on its page.
  fillfactor = 70
);
create unique index instances_id on instances (hub_id, instance_id);
-- Not led by hub_id: on a young table it would look as good as instances_id for a look-up by id, and read the whole hub.
create index instances_created on instances (created_at, key);

-- The execution that a live instance is in: there is a row exactly while the instance is live. It is apart from the
-- instance because every turn writes it: narrow, few, and with few indexes.
create table executions (
  instance_key bigint primary key,
  hub_id integer not null,
  name text not null,
  execution_id text not null,
  status text not null,
  -- The fence: moved by compare-and-set in every commit, never goes back (decision 1).
  sequence bigint not null default 0,
  -- History rows up to this one belong to earlier executions.
  first_sequence bigint not null default 0,
  owner bigint,
  crash_count integer not null default 0,
  last_updated_at timestamptz not null default now(),
  custom_status text,
  constraint executions_status check (status in ('Pending', 'Running', 'Suspended'))
) with (
  -- Room for the next versions of a row on its own page: a commit between claim and release is a HOT update.
  fillfactor = 40,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0
);
create index executions_owner on executions (owner) where owner is not null;

-- One row for each turn (several when a turn is large), holding the events that it consumed and produced.
create table history (
  instance_key bigint not null,
  sequence bigint not null,
  -- Says whose row it is when the answer to a commit got lost (decision 13).
  commit_id uuid not null,
  events text not null,
  primary key (instance_key, sequence)
);

-- Inboxes. A timer is a message that becomes visible when it fires.
create table messages (
  id bigint generated always as identity,
  instance_key bigint not null,
  hub_id integer not null,
  visible_at timestamptz not null default now(),
  -- The execution that it is for; NULL means whichever runs.
  execution_id text,
  timer_id integer,
  event text not null,
  primary key (instance_key, id)
) with (
  -- Queue-like: rows live for moments, so dead ones are swept early and often.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0
);
create index messages_ready on messages (hub_id, visible_at);

-- Activities that no worker ran at once where they were scheduled.
create table activity_tasks (
  id bigint generated always as identity primary key,
  hub_id integer not null,
  name text not null,
  instance_key bigint not null,
  execution_id text not null,
  task_scheduled_id integer not null,
  attempt integer not null,
  first_scheduled_id integer not null,
  redelivery integer not null,
  version text,
  input text,
  owner bigint,
  created_at timestamptz not null default now()
) with (
  fillfactor = 80,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0
);
create index activity_tasks_ready on activity_tasks (hub_id, id) where owner is null;
create index activity_tasks_owner on activity_tasks (owner) where owner is not null;
create index activity_tasks_instance on activity_tasks (instance_key);
