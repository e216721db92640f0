/** Removing very many: by index, in short transactions, and beside work that goes on. */
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { openRetention } from '../../src/retention/open-retention.ts';
import { openPostgresStore, type PostgresStore } from '../../src/store/postgres/index.ts';
import { retentionWindow } from '../../src/store/postgres/retention.ts';
import { sweepStart, type DueRoot } from '../../src/store/retention-store.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

const old = 20_000;
const young = 5_000;

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Ended instances with three rows of history each; every tenth of the old ones was called by the one before it. */
async function fill(client: pg.Client, hubId: number): Promise<void> {
  await client.query(
    `with ended as (
       insert into instances (hub_id, instance_id, name, execution_id, status, created_at, completed_at, input, output)
       select $1, 'done-' || n, 'Order', 'e' || n, 'Completed', at, at, '"input"', '"output"'
       from generate_series(1, $2) n
       cross join lateral (select case when n <= $3 then now() - interval '200 days' + n * interval '1 s' else now() end) a (at)
       returning key
     )
     insert into history (instance_key, sequence, commit_id, events)
     select key, part, gen_random_uuid(), '[{"type":"OrchestratorStarted","timestamp":0}]' from ended, generate_series(1, 3) part`,
    [hubId, old + young, old],
  );
  await client.query(
    'update instances set parent_key = key - 1 where key % 10 = 0 and created_at < now() - $1::interval',
    ['100 days'],
  );
}

describe.each([
  ['the planner knows the tables', true],
  ['the planner has never looked at the tables', false],
])('in a hub where very many are due, when %s,', async (_, analyzed) => {
  const database = await testDatabase();
  let store: PostgresStore;
  let client: pg.Client;
  let hubId: number;
  const rules = { all: { completed: 86_400_000, failed: 0, terminated: 0 }, names: [] };

  beforeAll(async () => {
    store = openPostgresStore({ connectionString: database.url, schema: database.schema });
    hubId = await store.ensureHub('full');
    client = new pg.Client({
      connectionString: database.url,
      options:
        `-c search_path=${database.schema} -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off ` +
        '-c plan_cache_mode=force_generic_plan',
    });
    await client.connect();
    if (!analyzed) {
      for (const table of ['instances', 'history']) {
        await client.query(`alter table ${table} set (autovacuum_enabled = off)`);
      }
    }
    await fill(client, hubId);
    if (analyzed) await client.query('analyze');
  }, 60_000);
  afterAll(async () => {
    await client.end();
    await store.close();
  });

  /** The plan of the one statement that `run` sends, and what came of it. */
  async function planOf(run: () => Promise<unknown>): Promise<PlanNode> {
    let sent: { readonly text: string; readonly values: unknown[] } | undefined;
    const query = pg.Client.prototype.query;
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      const [config] = args;
      if (typeof config === 'object' && config !== null && 'text' in config) {
        sent = config as unknown as { text: string; values: unknown[] };
      }
      return Reflect.apply(query, this, args);
    });
    try {
      await client.query('begin');
      await run();
      await client.query('rollback');
    } finally {
      spy.mockRestore();
    }
    if (sent === undefined) throw new Error('nothing was sent');
    await client.query('begin');
    const { rows } = await client.query<{ readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(
      `explain (analyze, timing off, format json) ${sent.text}`,
      sent.values,
    );
    await client.query('rollback');
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
    if (plan === undefined) throw new Error('there is no plan');
    return plan;
  }

  function expectBounded(plan: PlanNode, most: number): void {
    for (const node of nodesOf(plan)) {
      if (node['Relation Name'] === undefined) continue;
      expect(node['Node Type'], JSON.stringify(plan)).not.toMatch(/Seq Scan/);
      expect((node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 0), JSON.stringify(plan)).toBeLessThanOrEqual(most);
    }
  }

  it('each statement looks at few rows, by index', async () => {
    let roots: readonly DueRoot[] = [];
    const due = await planOf(async () => {
      ({ roots } = await store.retention.findDue({ hubId, rules, after: sweepStart, limit: 100 }));
    });
    expect(roots).toHaveLength(100);
    expectBounded(due, retentionWindow);
    const trees = await planOf(() => store.retention.readTrees(roots, 1_000));
    expectBounded(trees, 150);
    // Of those that stay after all: the plan is made for what goes.
    const members = ((await store.retention.readTrees(roots, 1_000)) ?? []).map((one) => ({
      ...one,
      executionId: 'another',
    }));
    // Too many for one look: the caller asks for fewer trees. One tree is read whole.
    expect(await store.retention.readTrees(roots, 50)).toBeUndefined();
    expect(await store.retention.readTrees(roots.slice(0, 1), 0)).toHaveLength(1);
    expect(members.length).toBeGreaterThan(100);
    const removal = await planOf(() => store.retention.removeMembers(members));
    expectBounded(removal, 500);
  });
});

it('a large purge leaves most of the throughput to what runs, and takes no long transaction', async () => {
  const database = await testDatabase();
  const client = new pg.Client({ connectionString: database.url, options: `-c search_path=${database.schema}` });
  const hello = activity('Hello', (name: string) => `Hello, ${name}!`);
  const sequence = orchestration('Sequence', async (ctx) => [
    await ctx.callActivity(hello, 'Tokyo'),
    await ctx.callActivity(hello, 'Seattle'),
    await ctx.callActivity(hello, 'London'),
  ]);
  const common = { databaseUrl: database.url, schema: database.schema, taskHub: 'busy' };
  const hub = createTaskHub({ ...common, functions: [sequence, hello], retention: false });
  const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
  const open = () =>
    openRetention({ store, taskHub: 'busy', retention: { after: '90d' }, log: pino({ level: 'silent' }) });
  try {
    await client.connect();
    await hub.start();
    await fill(client, await store.ensureHub('busy'));
    await client.query('analyze');
    /** Sequences that end in a second. */
    const measure = async (): Promise<number> => {
      const end = performance.now() + 1_000;
      let ended = 0;
      const run = async (): Promise<void> => {
        while (performance.now() < end) {
          await hub.client.waitForCompletion(await hub.client.startNew(sequence));
          ended += 1;
        }
      };
      await Promise.all(Array.from({ length: 50 }, run));
      return ended;
    };
    const left = async (): Promise<number> => {
      const { rows } = await client.query<{ readonly n: number }>(
        `select count(*)::int as n from instances where created_at < now() - interval '90 days'`,
      );
      return rows[0]?.n ?? 0;
    };
    await measure();
    let longest = 0;
    let removed = 0;
    const ratios: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const alone = await measure();
      const retention = open();
      const sweep = retention.sweep({ everyMs: 0 });
      let watching = true;
      const watch = (async () => {
        while (watching) {
          const { rows } = await client.query<{ readonly ms: number }>(
            `select coalesce(max(extract(epoch from clock_timestamp() - xact_start)) * 1000, 0)::float8 as ms
             from pg_stat_activity where datname = current_database() and query like '%gone as%history%' and state <> 'idle'`,
          );
          longest = Math.max(longest, rows[0]?.ms ?? 0);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      const due = await left();
      await waitFor(async () => (await left()) < due, { what: 'the sweep to be at work', timeoutMs: 20_000 });
      const beside = await measure();
      watching = false;
      await Promise.all([retention.stop(), watch]);
      removed += (await sweep)?.removed ?? 0;
      ratios.push(beside / alone);
    }
    const median = ratios.sort((a, b) => a - b)[1] ?? 0;
    expect(removed).toBeGreaterThan(100);
    // 0.9 on an idle machine.
    expect(median, JSON.stringify(ratios)).toBeGreaterThan(0.5);
    expect(longest).toBeLessThan(1_000);
    // What was left is done by the next sweep.
    const rest = open();
    await waitFor(() => rest.sweep({ everyMs: 0 }), { what: 'the sweep to be free' });
    expect(await left()).toBe(0);
  } finally {
    await hub.stop();
    await store.close();
    await client.end();
  }
}, 60_000);

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}
