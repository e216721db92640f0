-- Sub-orchestrations know who called them.
alter table instances
  -- The instance that created it; it may be gone.
  add column parent_key bigint,
  -- Whom it tells of its end: execution, name and call of the parent, as JSON.
  add column parent text;
-- For what is done to a whole tree. Instances that nobody called, which are most, are not in it.
create index instances_parent on instances (parent_key) where parent_key is not null;
