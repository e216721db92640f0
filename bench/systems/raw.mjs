/**
 * The raw limit: no engine, only the rows that five durable steps in a row leave behind, written in batches. Tables and
 * indexes are shaped like Perdure's; every step is a compare-and-set on the instance's execution and a history row, the
 * last one removes the execution and completes the instance.
 */
import pg from 'pg';
import { each, now } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const steps = 6;
const batch = 500;
const connections = 4;
const events = JSON.stringify([
  { type: 'OrchestratorStarted', timestamp: 1_700_000_000_000 },
  { type: 'TaskCompleted', taskScheduledId: 1, result: '"Hello Tokyo!"', timestamp: 1_700_000_000_000 },
  { type: 'TaskScheduled', eventId: 2, name: 'SayHello', input: '"Seattle"', timestamp: 1_700_000_000_000 },
]);
const output = JSON.stringify(['Hello Tokyo!', 'Hello Seattle!', 'Hello London!', 'Hello Paris!', 'Hello Nairobi!']);

const schema = `
  create table instances (
    key bigint generated always as identity primary key, hub_id integer not null, instance_id text collate "C" not null,
    name text not null, execution_id text not null, status text, created_at timestamptz not null default now(),
    last_updated_at timestamptz not null default now(), completed_at timestamptz, input text, output text
  ) with (fillfactor = 70);
  create unique index on instances (hub_id, instance_id);
  create index on instances (created_at, key);
  create table executions (
    instance_key bigint primary key, hub_id integer not null, name text not null, execution_id text not null,
    status text not null, sequence bigint not null default 0, owner bigint,
    last_updated_at timestamptz not null default now()
  ) with (fillfactor = 40);
  create index on executions (owner) where owner is not null;
  create table history (
    instance_key bigint not null, sequence bigint not null, commit_id uuid not null, events text not null,
    primary key (instance_key, sequence)
  )`;
const start = {
  name: 'start',
  text: `with i as (
      insert into instances (hub_id, instance_id, name, execution_id)
      select 1, id, 'Hello', id from unnest($1::text[]) as id returning key, execution_id
    ), e as (
      insert into executions (instance_key, hub_id, name, execution_id, status, owner)
      select key, 1, 'Hello', execution_id, 'Running', 1 from i
    )
    select key from i order by key`,
};
const turn = {
  name: 'turn',
  text: `with moved as (
      update executions e set sequence = e.sequence + 1, last_updated_at = now()
      from unnest($1::bigint[]) as k (key)
      where e.instance_key = k.key and e.sequence = $2 and coalesce(e.owner, 0) = 1
      returning e.instance_key as key
    )
    insert into history (instance_key, sequence, commit_id, events)
    select moved.key, $2::bigint + 1, $3::uuid, $4 from moved`,
};
const end = {
  name: 'end',
  text: `with ended as (
      delete from executions e using unnest($1::bigint[]) as k (key)
      where e.instance_key = k.key and e.sequence = $2 and coalesce(e.owner, 0) = 1
      returning e.instance_key as key
    ), finished as (
      update instances i set status = 'Completed', output = $5, last_updated_at = now(), completed_at = now()
      from ended where i.key = ended.key
    )
    insert into history (instance_key, sequence, commit_id, events)
    select ended.key, $2::bigint + 1, $3::uuid, $4 from ended`,
};

async function open({ databaseUrl }) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections });
  await pool.query(schema);

  async function run({ count, warmUp = 0 }) {
    if (warmUp > 0) await run({ count: warmUp });
    const startedAt = now();
    await each(Math.ceil(count / batch), connections, async (index) => {
      const ids = Array.from({ length: Math.min(batch, count - index * batch) }, () => crypto.randomUUID());
      const client = await pool.connect();
      const { rows } = await client.query({ ...start, values: [ids] });
      const keys = rows.map((row) => row.key);
      for (let sequence = 0; sequence < steps - 1; sequence++) {
        await client.query({ ...turn, values: [keys, sequence, crypto.randomUUID(), events] });
      }
      await client.query({ ...end, values: [keys, steps - 1, crypto.randomUUID(), events, output] });
      client.release();
    });
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  return { workloads: { hello: run }, close: () => pool.end() };
}

export default {
  version: `pg ${installedVersion('pg')}`,
  settings: `no engine; ${connections} connections, batches of ${batch}, 7 statements a batch`,
  open,
};
