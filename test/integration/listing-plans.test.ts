/** Queries over many instances, in a hub that holds very many: each statement looks at one window of an index. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { InstanceFilter } from '../../src/model/instance.ts';
import { openPostgresStore, type PostgresStore } from '../../src/store/postgres/index.ts';
import { windowSize } from '../../src/store/postgres/listing-window.ts';
import { testDatabase } from '../support/postgres.ts';

const ended = 130_000;
const live = 2_000;

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly Plans?: readonly PlanNode[];
}

describe('in a hub of very many instances', async () => {
  const database = await testDatabase();
  let store: PostgresStore;
  let client: pg.Client;
  let hubId: number;

  beforeAll(async () => {
    store = openPostgresStore({ connectionString: database.url, schema: database.schema });
    hubId = await store.ensureHub('full');
    client = new pg.Client({
      connectionString: database.url,
      options: `-c search_path=${database.schema} -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off`,
    });
    await client.connect();
    // Of the ended ones the last has failed, and only that was a Refund.
    await client.query(
      `insert into instances (hub_id, instance_id, name, execution_id, status, created_at, completed_at)
       select $1, 'done-' || lpad(n::text, 7, '0'), case when n = $2 then 'Refund' else 'Order' end, 'e' || n,
         case when n = $2 then 'Failed' else 'Completed' end, timestamptz '2024-01-01' + n * interval '1 s', now()
       from generate_series(1, $2) n`,
      [hubId, ended],
    );
    await client.query(
      `with live as (
         insert into instances (hub_id, instance_id, name, execution_id, created_at)
         select $1, 'live-' || lpad(n::text, 7, '0'), 'Order', 'e' || n, timestamptz '2025-01-01' + n * interval '1 s'
         from generate_series(1, $2) n returning key, hub_id, execution_id
       )
       insert into executions (instance_key, hub_id, name, execution_id, status)
       select key, hub_id, 'Order', execution_id, 'Running' from live`,
      [hubId, live],
    );
    await client.query('analyze');
  }, 120_000);

  afterAll(async () => {
    await client.end();
    await store.close();
  });

  /** What the store sends as `run` runs. */
  async function recorded(
    run: () => Promise<unknown>,
  ): Promise<readonly (readonly [text: string, values: unknown[]])[]> {
    const sent: [string, unknown[]][] = [];
    const query = pg.Client.prototype.query;
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      const [text, values] = args;
      if (typeof text === 'string' && text.includes('row_number()')) sent.push([text, values as unknown[]]);
      return Reflect.apply(query, this, args);
    });
    try {
      await run();
    } finally {
      spy.mockRestore();
    }
    return sent;
  }

  const cases: readonly (readonly [what: string, filter: InstanceFilter, statements: number])[] = [
    ['nothing', {}, 1],
    ['a name that all have', { name: 'order' }, 1],
    ['a name that one has', { name: 'refund' }, 10],
    ['a status that one has', { runtimeStatus: ['Failed'] }, 10],
    ['a tag that none has', { tags: { a: 'b' } }, 10],
    ['a short prefix', { instanceIdPrefix: 'done-00000' }, 1],
    ['live ones', { runtimeStatus: ['Running'] }, 1],
    ['live ones of a name that none has', { runtimeStatus: ['Running'], name: 'refund' }, 1],
    ['a time in which there were few', { createdFrom: new Date('2025-01-01T00:30:00Z') }, 1],
  ];

  it.each(cases)('a page that asks for %s goes by windows of an index', async (_, filter, statements) => {
    const sent = await recorded(() => store.listInstances(hubId, filter, { limit: 100 }));
    expect(sent).toHaveLength(statements);
    const [text = '', values = []] = sent[0] ?? [];
    const { rows } = await client.query<{ readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(
      `explain (analyze, timing off, format json) ${text}`,
      values,
    );
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
    if (plan === undefined) throw new Error('there is no plan');
    for (const node of nodesOf(plan)) {
      expect(node['Node Type'], JSON.stringify(plan)).not.toMatch(/Sort|Seq Scan|Hash/);
      if (node['Relation Name'] === undefined) continue;
      // Postgres 15 counts one row more.
      expect((node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 0)).toBeLessThanOrEqual(windowSize + 1);
    }
  });

  it.each([
    ['the live ones', 'look_at_live', (one: PostgresStore) => one.lookAtLive(hubId, '0')],
    ['the new ones', 'look_at_new', (one: PostgresStore) => one.lookAtNew(hubId, '0')],
    ['some by key', 'find_by_keys', (one: PostgresStore) => one.findByKeys(['1', '130001'])],
    [
      'webhooks that are due',
      'take_due_webhooks',
      (one: PostgresStore) => one.webhooks.takeDue({ limit: 20, leaseMs: 1 }),
    ],
    [
      'webhooks of some that ended',
      'take_ended_webhooks',
      (one: PostgresStore) => one.webhooks.takeDue({ limit: 20, leaseMs: 1, keys: ['1', '2', '3'] }),
    ],
  ] as const)('a look at %s is bounded', async (_, name, look) => {
    let found: { readonly text: string; readonly values: unknown[] } | undefined;
    const query = pg.Client.prototype.query;
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      const [config] = args;
      if (typeof config === 'object' && config !== null && 'name' in config && String(config.name).endsWith(name)) {
        found = config as unknown as { text: string; values: unknown[] };
      }
      return Reflect.apply(query, this, args);
    });
    try {
      await look(store);
    } finally {
      spy.mockRestore();
    }
    if (found === undefined) throw new Error(`nothing was sent for ${name}`);
    const { rows } = await client.query<{ readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(
      `explain (analyze, timing off, format json) ${found.text}`,
      found.values,
    );
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
    if (plan === undefined) throw new Error('there is no plan');
    for (const node of nodesOf(plan)) {
      if (node['Relation Name'] !== 'instances' && node['Relation Name'] !== 'executions') continue;
      expect(node['Node Type'], JSON.stringify(plan)).not.toMatch(/Seq Scan/);
      // Postgres 15 counts one row more.
      expect((node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 0)).toBeLessThanOrEqual(windowSize + 1);
    }
  });

  it('what few match is found all the same, over pages that may be empty', async () => {
    const pages: number[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await store.listInstances(
        hubId,
        { runtimeStatus: ['Failed'] },
        { limit: 5, ...(continuationToken === undefined ? {} : { continuationToken }) },
      );
      pages.push(page.instances.length);
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined && pages.length < 10);
    expect(pages).toEqual([0, 1]);
  });

  it('counts are of all, window by window', async () => {
    const sent = await recorded(async () => {
      expect(await store.countInstances(hubId, {})).toMatchObject({ Completed: ended - 1, Failed: 1, Running: live });
    });
    expect(sent).toHaveLength(Math.ceil((ended + live) / windowSize));
    expect(await store.countInstances(hubId, { createdFrom: new Date(0), name: 'Refund' })).toMatchObject({
      Completed: 0,
      Failed: 1,
      Running: 0,
    });
    const stopped = await recorded(() => store.countInstances(hubId, {}, AbortSignal.abort()));
    expect(stopped).toHaveLength(1);
  });
});

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}
