/**
 * The plans of the hot statements on a store that holds many instances: by index only, and touching no more than the work
 * asks for, whatever the planner knows of the tables.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { Hub, newTask, turnOf } from '../contract/store/fixture.ts';
import { turnStarted } from '../support/builders.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';

/** A statement as the store sent it. */
interface Sent {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Settings of the store's connections. */
  readonly options: string | undefined;
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Shared Hit Blocks'?: number;
  readonly 'Shared Read Blocks'?: number;
  readonly Plans?: readonly PlanNode[];
}

const completed = 50_000;
const waiting = 10_000;
const ready = 40;

/** Fills a store as years of use would: ended instances, live ones that wait for timers, and a few with something to do. */
async function fill(client: pg.Client, hubId: number): Promise<void> {
  await client.query(
    `with ended as (
       insert into instances (hub_id, instance_id, name, execution_id, status, completed_at, input, output)
       select $1, 'done-' || n, 'Order', 'e' || n, 'Completed', now(), '"input"', '"output"' from generate_series(1, $2) n
       returning key
     )
     insert into history (instance_key, sequence, commit_id, events)
     select key, part, gen_random_uuid(), '[]' from ended, generate_series(1, 3) part`,
    [hubId, completed],
  );
  await client.query(
    `with live as (
       insert into instances (hub_id, instance_id, name, execution_id)
       select $1, 'live-' || n, 'Order', 'e' || n from generate_series(1, $2) n
       returning key, hub_id, execution_id
     ), begun as (
       insert into executions (instance_key, hub_id, name, execution_id, status, sequence)
       select key, hub_id, 'Order', execution_id, 'Running', 2 from live
     ), told as (
       insert into history (instance_key, sequence, commit_id, events)
       select key, part, gen_random_uuid(), '[]' from live, generate_series(1, 2) part
     )
     insert into messages (instance_key, hub_id, execution_id, visible_at, timer_id, event)
     select key, hub_id, execution_id, now() + interval '1 day', 0, '{"type":"TimerFired","timerId":0,"fireAt":0}' from live`,
    [hubId, waiting],
  );
  await client.query(
    `with made as (
       insert into instances (hub_id, instance_id, name, execution_id)
       select $1, '@counter@' || n, '@counter', 'e' || n from generate_series(1, $2) n
       returning key, hub_id, execution_id
     ), begun as (
       insert into executions (instance_key, hub_id, name, execution_id, status)
       select key, hub_id, '@counter', execution_id, 'Running' from made
     )
     insert into entities (instance_key, hub_id, state, commit_id)
     select key, hub_id, '1', gen_random_uuid() from made`,
    [hubId, waiting],
  );
}

const large = ['instances', 'executions', 'history', 'messages', 'activity_tasks', 'entities'];

function isLarge(table: string | undefined): boolean {
  return table !== undefined && large.includes(table);
}

/** What the store does all the time. */
const hot = [
  'claim',
  'read messages',
  'read history',
  'commit',
  'commit with messages',
  'heartbeat',
  'claim tasks',
  'complete tasks',
  'look-up',
  'send',
  'start',
  'claim all but some versions',
  'send to an entity',
  'read entities',
  'commit of entities',
  'commit with messages to entities',
] as const;

describe.each([
  ['the planner knows the tables', true],
  ['the planner has never looked at the tables', false],
])('on a store with many instances, when %s,', async (_, analyzed) => {
  const database = await testDatabase();
  let sent: ReadonlyMap<(typeof hot)[number], Sent>;
  let client: pg.Client;

  beforeAll(async () => {
    client = await connect(database);
    sent = await recordAll();
  }, 120_000);
  afterAll(() => client.end());

  /** Does everything that is hot once, with many members where there can be many, and keeps the statements. */
  async function recordAll(): Promise<ReadonlyMap<(typeof hot)[number], Sent>> {
    const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
    try {
      const hub = new Hub(store, await store.ensureHub('busy'));
      for (const table of large) {
        if (!analyzed) await client.query(`alter table ${table} set (autovacuum_enabled = off)`);
      }
      await fill(client, hub.id);
      if (analyzed) await client.query('analyze');
      const worker = await hub.worker();
      const found = new Map<(typeof hot)[number], Sent>();
      const record = async (what: (typeof hot)[number], has: string, run: () => Promise<unknown>): Promise<void> => {
        const statement = await recording(has, run);
        if (statement === undefined) throw new Error(`nothing was sent for ${what}`);
        found.set(what, statement);
      };
      await record('start', 'insert into', () => Promise.all(Array.from({ length: ready }, () => hub.start())));
      let claims = await worker.claim({ limit: 1 });
      await record('claim', 'for no key update', async () => (claims = await worker.claim({ limit: ready })));
      const keys = claims.map((claim) => claim.key);
      const requests = keys.map((key) => ({ key, withHistory: true, withTasks: false }));
      await record('read messages', 'm.event', () => store.readClaimed(requests));
      await record('read history', 'h.events', () => store.readClaimed(requests));
      const turns = claims.map((claim, index) =>
        turnOf(claim, {
          status: index % 2 === 0 ? 'Completed' : 'Running',
          events: [turnStarted()],
          queuedTasks: [newTask(0)],
          timers: [{ timerId: 1, fireAt: 0 }],
          cancelledTimers: [2],
        }),
      );
      await record('commit', 'with turn as', () => worker.commit(turns));
      const senders = await worker.claim({ limit: ready });
      await record('commit with messages', 'outgoing as', () =>
        worker.commit(
          senders.map((claim, index) =>
            turnOf(claim, {
              messages: [
                {
                  target: { kind: 'id', instanceId: `live-${index + 70}` },
                  event: { type: 'EventRaised', name: 'Go' },
                },
                { target: { kind: 'key', key: claim.key }, event: { type: 'EventRaised', name: 'Go' } },
              ],
            }),
          ),
        ),
      );
      await record('heartbeat', 'with beat as', () => worker.beat());
      let tasks = await worker.claimTasks({ limit: 1 });
      await record('claim tasks', 'skip locked', async () => (tasks = await worker.claimTasks({ limit: ready })));
      await record('complete tasks', 'finished', () =>
        store.completeActivities(
          worker.id,
          tasks.map((task) => ({ task, outcome: { kind: 'completed' } })),
        ),
      );
      await record('look-up', 'instance_id', () =>
        Promise.all(Array.from({ length: ready }, (__, n) => store.getInstance(hub.id, `done-${n + 7}`))),
      );
      await record('send', 'insert into', () =>
        Promise.all(Array.from({ length: ready }, (__, n) => hub.raise(`live-${n + 7}`, 'Go'))),
      );
      await record('claim all but some versions', 'for no key update', async () => {
        for (let n = 0; n < ready; n += 1) await hub.start();
        const who = { workerId: worker.id, hubId: hub.id, includeDeadOwners: false };
        const without = ['order\n2.0', 'order\n3.0'];
        await store.claimOrchestrations({ ...who, names: ['Order'], limit: ready, without });
      });
      const entityIds = Array.from({ length: ready }, (__, n) => `@counter@${n + 7}`);
      const event = { type: 'EntityOperationSignaled', requestId: 'r', operation: 'add' } as const;
      await record('send to an entity', 'entity_made', () =>
        Promise.all(entityIds.map((instanceId) => store.sendToEntity({ hubId: hub.id, instanceId, event }))),
      );
      const counters = await worker.claim({ names: ['@counter'], limit: ready });
      await record('read entities', 'm.event', () =>
        store.readEntities(counters.map(({ key }) => ({ key, withRecord: true }))),
      );
      await record('commit of entities', 'batch as materialized', () =>
        store.commitEntities(
          worker.id,
          counters.map(({ key, sequence }, index) => ({
            ...{ key, fence: sequence, record: { state: '2', lock: null, parked: 0 } },
            ...{ consumedMessages: [], parkedMessages: [], unpark: false, starts: [], keepOwnership: false },
            outgoing: [{ kind: 'entity', instanceId: `@counter@${index + 700}`, event }],
          })),
        ),
      );
      for (let n = 0; n < ready; n += 1) await hub.start();
      const callers = await worker.claim({ limit: ready });
      await record('commit with messages to entities', 'entity_outgoing as', () =>
        worker.commit(
          callers.map((claim, index) =>
            turnOf(claim, { entityMessages: [{ instanceId: `@counter@${index + 1_700}`, event }] }),
          ),
        ),
      );
      return found;
    } finally {
      await store.close();
    }
  }

  it.each(hot)('%s goes by indexes and touches little', async (what) => {
    const statement = sent.get(what);
    if (statement === undefined) throw new Error(`nothing was recorded for ${what}`);
    const plan = await explain(database, statement);
    const whole = scansOf(plan).filter((node) => node['Node Type'] === 'Seq Scan' && isLarge(node['Relation Name']));
    expect(whole, JSON.stringify(plan)).toEqual([]);
    const touched = (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
    // All tables together have more than ten thousand pages; one execution of one of these is about a dozen look-ups of
    // a few pages for each of its forty members.
    expect(touched, JSON.stringify(plan)).toBeLessThan(ready * 12 * 5);
  });
});

async function connect(database: TestDatabase, options = ''): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: database.url,
    options: `${options} -c search_path=${database.schema}`,
  });
  await client.connect();
  return client;
}

/** The last statement holding a text that the driver sends while `run` runs. */
async function recording(has: string, run: () => Promise<unknown>): Promise<Sent | undefined> {
  let found: Sent | undefined;
  const query = pg.Client.prototype.query;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config] = args;
    if (isQuery(config) && config.text.includes(has)) {
      found = { text: config.text, values: config.values, options: optionsOf(this) };
    }
    return Reflect.apply(query, this, args);
  });
  try {
    await run();
  } finally {
    spy.mockRestore();
  }
  return found;
}

function isQuery(value: unknown): value is { readonly text: string; readonly values: readonly unknown[] } {
  return typeof value === 'object' && value !== null && 'text' in value && 'values' in value;
}

function optionsOf(client: object): string | undefined {
  const parameters: unknown = 'connectionParameters' in client ? client.connectionParameters : undefined;
  return typeof parameters === 'object' && parameters !== null && 'options' in parameters
    ? String(parameters.options)
    : undefined;
}

/** Executes a statement once more, prepared and with the store's settings, and takes everything back. */
async function explain(database: TestDatabase, { text, values, options }: Sent): Promise<PlanNode> {
  const client = await connect(database, options);
  try {
    await client.query('begin');
    await client.query(`prepare hot as ${text}`);
    const given = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`;
    const { rows } = await client.query<{ readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(
      `explain (analyze, buffers, timing off, format json) execute hot${given}`,
    );
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
    if (plan === undefined) throw new Error('there is no plan');
    return plan;
  } finally {
    await client.end();
  }
}

function scansOf(node: PlanNode): readonly PlanNode[] {
  const below = (node.Plans ?? []).flatMap(scansOf);
  return node['Relation Name'] === undefined ? below : [node, ...below];
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return pg.escapeLiteral(`{${value.map(element).join(',')}}`);
  return pg.escapeLiteral(text(value));
}

function element(value: unknown): string {
  return value === null || value === undefined ? 'NULL' : `"${text(value).replace(/["\\]/g, '\\$&')}"`;
}

function text(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}
