-- What calls with an Idempotency-Key were answered, for whoever repeats them.
create table idempotent_calls (
  -- SHA-256 of task hub, caller, route and key.
  id bytea primary key,
  -- SHA-256 of what was asked: with the same key nothing else may be.
  request_hash bytea not null,
  created_at timestamptz not null default now(),
  -- Until then the first call may still be at work, though its transaction has ended.
  under_way_until timestamptz,
  -- NULL: it was at work when it was last heard of.
  status integer,
  body text,
  -- The instance that it started. Its links are made anew for a repetition: they hold keys, which are not stored.
  started text collate "C"
);
create index idempotent_calls_created on idempotent_calls (created_at);
