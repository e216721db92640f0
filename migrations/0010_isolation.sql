-- Which code brought its worker down. A worker whose end is explained is blameless: nothing else that it owned is suspected.
alter table workers add column blameless boolean not null default false;
-- It runs suspects, one at a time: when it dies, the one that it owned is to blame.
alter table workers add column quarantine boolean not null default false;

-- Deaths of workers that owned it and that nothing explains.
alter table activity_tasks add column crash_count integer not null default 0;

-- Turns (task_scheduled_id -1) and attempts of activities that brought workers down, and how they last did. Rows are few: one
-- goes when its turn commits after all, or when its execution is over.
create table strikes (
  instance_key bigint not null,
  execution_id text not null,
  task_scheduled_id integer not null,
  count integer not null,
  failure text not null,
  primary key (instance_key, task_scheduled_id)
);
