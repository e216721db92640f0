-- Named keys of the HTTP API, the secrets that sign links, and what operators did.

create table access_keys (
  name text not null,
  scopes text[] not null,
  -- SHA-256: a key is 32 random bytes, so a slow hash would guard nothing more.
  hash bytea not null,
  -- The key before the last rotation, while it is still good.
  previous_hash bytea,
  previous_until timestamptz,
  created_at timestamptz not null default now(),
  rotated_at timestamptz,
  expires_at timestamptz
);
create unique index access_keys_name on access_keys (lower(name));

create table link_secrets (
  id integer generated always as identity primary key,
  secret bytea not null,
  created_at timestamptz not null default now(),
  -- NULL for the one that signs; after a rotation: until when its links are good.
  valid_until timestamptz
);

create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  task_hub text,
  action text not null,
  target text collate "C",
  reason text,
  outcome text not null,
  detail text,
  actor text not null,
  actor_kind text not null,
  address text,
  user_agent text,
  request_id text
);
create index audit_at on audit (at);
create index audit_target on audit (target, id) where target is not null;
