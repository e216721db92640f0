/**
 * The raw limit: no engine, only the rows that five durable steps in a row leave behind, written in batches. Tables and
 * indexes are shaped like Perdure's; the start brings its first history row, every later step is a compare-and-set on the
 * instance's execution and a history row with a text of its own, the last one removes the execution and completes the
 * instance. Texts travel joined, which is the fastest way that was found (a `text[]` has each element quoted and parsed).
 */
import pg from 'pg';
import { each, now } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const batch = 500;
const connections = 4;
const separator = '\u001e';
const time = 1_700_000_000_000;
const started = { type: 'OrchestratorStarted', timestamp: time };
const scheduled = (id) => ({
  type: 'TaskScheduled',
  timestamp: time,
  eventId: id,
  name: 'SayHello',
  input: `"${cities[id]}"`,
});
const completed = (id) => ({
  type: 'TaskCompleted',
  taskScheduledId: id,
  result: `"Hello ${cities[id]}!"`,
  timestamp: time,
});
const output = JSON.stringify(cities.map((city) => `Hello ${city}!`));

/** The events of step 0 to 5 of an instance. */
function eventsOf(step, executionId) {
  const began = { type: 'ExecutionStarted', name: 'Hello', executionId, timestamp: time };
  const ended = { type: 'ExecutionCompleted', timestamp: time, eventId: 5, status: 'Completed', result: output };
  return JSON.stringify([
    started,
    step === 0 ? began : completed(step - 1),
    step < cities.length ? scheduled(step) : ended,
  ]);
}

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
  text: `with n as materialized (
      select * from unnest($1::text[], string_to_array($2, E'\\x1e')) as n (id, events)
    ), i as (
      insert into instances (hub_id, instance_id, name, execution_id)
      select 1, id, 'Hello', id from n returning key, execution_id
    ), e as (
      insert into executions (instance_key, hub_id, name, execution_id, status, sequence, owner)
      select key, 1, 'Hello', execution_id, 'Running', 1, 1 from i
    ), h as (
      insert into history (instance_key, sequence, commit_id, events)
      select i.key, 1, $3::uuid, n.events from i join n on n.id = i.execution_id
    )
    select key, execution_id as id from i order by key`,
};
const turn = {
  name: 'turn',
  text: `with k as materialized (
      select * from unnest($1::bigint[], string_to_array($4, E'\\x1e')) as k (key, events)
    ), moved as (
      update executions e set sequence = e.sequence + 1, last_updated_at = now()
      from k
      where e.instance_key = k.key and e.sequence = $2 and coalesce(e.owner, 0) = 1
      returning e.instance_key as key, k.events
    )
    insert into history (instance_key, sequence, commit_id, events)
    select moved.key, $2::bigint + 1, $3::uuid, moved.events from moved`,
};
const end = {
  name: 'end',
  text: `with k as materialized (
      select * from unnest($1::bigint[], string_to_array($4, E'\\x1e'), string_to_array($5, E'\\x1e')) as k (key, events, output)
    ), ended as (
      delete from executions e using k
      where e.instance_key = k.key and e.sequence = $2 and coalesce(e.owner, 0) = 1
      returning e.instance_key as key, k.events, k.output
    ), finished as (
      update instances i set status = 'Completed', output = ended.output, last_updated_at = now(), completed_at = now()
      from ended where i.key = ended.key
    )
    insert into history (instance_key, sequence, commit_id, events)
    select ended.key, $2::bigint + 1, $3::uuid, ended.events from ended`,
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
      const texts = (step, of) => of.map((id) => eventsOf(step, id)).join(separator);
      const { rows } = await client.query({ ...start, values: [ids, texts(0, ids), crypto.randomUUID()] });
      const keys = `{${rows.map((row) => row.key).join(',')}}`;
      const own = rows.map((row) => row.id);
      for (let step = 1; step < cities.length; step++) {
        await client.query({ ...turn, values: [keys, step, crypto.randomUUID(), texts(step, own)] });
      }
      const outputs = own.map(() => output).join(separator);
      await client.query({
        ...end,
        values: [keys, cities.length, crypto.randomUUID(), texts(cities.length, own), outputs],
      });
      client.release();
    });
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  return { workloads: { hello: run }, close: () => pool.end() };
}

export default {
  version: `pg ${installedVersion('pg')}`,
  settings: `no engine; ${connections} connections, batches of ${batch}, 6 statements a batch`,
  open,
};
