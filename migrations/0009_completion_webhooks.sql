-- Whom to tell of the end of an instance: given at its start, gone when that is done. Instances without have no row here, and
-- nothing that ends one looks at it.
create table completion_webhooks (
  instance_key bigint primary key,
  url text not null,
  -- Deliveries that were begun; none while the instance is live.
  attempts integer not null default 0,
  -- When it is looked at again: whether the instance has ended, or whether the receiver answers now.
  next_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);
create index completion_webhooks_next on completion_webhooks (next_at);
