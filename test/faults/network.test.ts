/** Faults between a node and its database (reliability.md 4.4): lost, slow, silent, crowded. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { openPostgresStore, type PostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/index.ts';
import { freshHub, turnOf } from '../contract/store/fixture.ts';
import { turnStarted } from '../support/builders.ts';
import { gate } from '../support/gate.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName } from '../support/task-hubs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';
import { openNode, scaled, slack, timed, untilItWorks } from './support.ts';

/** What cannot be collected, in bytes. */
function heldMemory(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('there is no gc');
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('faults of the network and of connections', async () => {
  const database = await testDatabase();
  const { schema } = database;

  function openStore(url: string, options: Partial<PostgresStoreOptions> = {}): PostgresStore {
    const store = openPostgresStore({ connectionString: url, schema, ...options });
    onTestFinished(() => store.close());
    return store;
  }

  /** A session of somebody else's; ended with the test. */
  async function stranger(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: database.url, options: `-c search_path=${schema}` });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => client.end());
    return client;
  }

  /** Ends sessions of this database, as an administrator does. */
  const terminate = (where: string): Promise<unknown> =>
    execute(
      database,
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and ${where}`,
    );

  it('F47: connections that are killed one after the other lose nothing', async () => {
    const node = await openNode({ databaseUrl: database.url, schema, taskHub: freshName() });
    const accepted: string[] = [];
    for (let round = 0; round < 30; round += 1) {
      await terminate(`pid = (select pid from pg_stat_activity where datname = current_database()
        and application_name like 'perdure %' order by random() limit 1)`);
      const answer = await node.api.post('/orchestrators/Acts', { body: `n${round}` });
      expect([202, 503]).toContain(answer.statusCode);
      if (answer.statusCode === 202) accepted.push(String(answer.json().id));
    }
    expect(accepted.length).toBeGreaterThan(0);
    for (const id of accepted) await node.api.reach(id, 'Completed');
  });

  it('F48: when all connections are killed at once work goes on within B + P, and reconnects are spread out', async () => {
    const taskHub = freshName();
    const proxy = await TcpProxy.open(database.url);
    const nodes = await Promise.all([1, 2, 3].map(() => openNode({ databaseUrl: proxy.url, schema, taskHub })));
    const [first] = nodes;
    if (first === undefined) throw new Error('no node');
    await untilItWorks(first);
    proxy.resetAll();
    expect(await untilItWorks(first)).toBeLessThan(scaled.backOff + scaled.poll + slack);
    // Each node takes back what it needs, not all that it may have.
    expect(proxy.connections).toBeLessThan(3 * 18);
  });

  it('F50: without a database calls get 503 within 2 s, log and memory do not grow, and it goes on by itself', async () => {
    const proxy = await TcpProxy.open(database.url);
    const node = await openNode({ databaseUrl: proxy.url, schema, taskHub: freshName() });
    const id = await node.api.running('WaitGo');
    const late = await node.api.running('Nap', 1);
    const { length: saidBefore } = node.said;
    // If something of each call were kept, it would be noticed: 100 MB are sent.
    const body = 'x'.repeat(500_000);
    let key = 0;
    const callAll = () =>
      [
        node.api.post('/orchestrators/Echo', { body }),
        node.api.post('/orchestrators/Echo', { body: 1, headers: { 'idempotency-key': `start-${(key += 1)}` } }),
        node.api.post(`/instances/${id}/raiseEvent/Go`, { body }),
        node.api.post(`/instances/${id}/terminate?reason=x`),
        node.api.get(`/instances/${id}`),
        node.api.get('/instances'),
        node.api.delete(`/instances/${id}`),
        node.api.delete('/instances?createdTimeFrom=2020-01-01'),
      ].map((call) => timed(call));
    proxy.refuse();
    const begun = performance.now();
    let [rounds, held, resources] = [0, 0, 0];
    while (performance.now() - begun < 3_000 || rounds < 100) {
      for (const call of callAll()) {
        const { value, ms } = await call;
        expect([value.statusCode, value.headers['retry-after']]).toEqual([503, '5']);
        expect(ms).toBeLessThan(2_000 + slack);
      }
      expect((await node.api.send('GET', '/livez')).statusCode).toBe(200);
      expect((await node.api.send('GET', '/readyz')).json()).toEqual({ status: 'unavailable' });
      rounds += 1;
      if (rounds === 10) [held, resources] = [heldMemory(), process.getActiveResourcesInfo().length];
    }
    const lines = node.said.length - saidBefore;
    const seconds = (performance.now() - begun) / 1_000;
    expect(lines).toBeGreaterThan(0);
    expect(lines).toBeLessThanOrEqual(seconds + 1);
    // What is on its way out may take its time.
    await waitFor(() => heldMemory() - held < 30 * 1_048_576, {
      ...{ timeoutMs: 20_000, intervalMs: 200, what: 'the memory of calls to be free' },
    });
    expect(process.getActiveResourcesInfo().length - resources).toBeLessThan(30);
    // Nobody refuses, nobody answers.
    proxy.blackhole();
    for (const call of callAll()) {
      const { value, ms } = await call;
      expect([value.statusCode, value.headers['retry-after']]).toEqual([503, '5']);
      expect(ms).toBeLessThan(2_000 + slack);
    }
    proxy.heal();
    expect(await untilItWorks(node)).toBeLessThan(scaled.backOff + scaled.poll + slack);
    expect((await node.api.send('GET', '/readyz')).statusCode).toBe(200);
    expect(await node.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
    // Connections that were good a moment ago.
    proxy.blackhole();
    const headers = { 'idempotency-key': 'half-open' };
    const { value, ms } = await timed(node.api.post('/orchestrators/Echo', { body: 1, headers }));
    expect([value.statusCode, value.headers['retry-after']]).toEqual([503, '5']);
    expect(ms).toBeLessThan(2_000 + slack);
    proxy.resetAll();
    proxy.heal();
    await node.api.reach(late, 'Completed');
  });

  it('F52: a connection that is half open in a transaction is found on both ends, and its locks are freed', async () => {
    const proxy = await TcpProxy.open(database.url);
    const queryTimeoutMs = 1_000;
    const store = openStore(proxy.url, { queryTimeoutMs });
    const hub = await freshHub(openStore(database.url));
    const instanceId = 'half-open';
    await hub.ended({ instanceId });
    await store.ping();
    const silent = proxy.silence('commit\u0000', 'before');
    const purged = timed(store.purgeInstance(hub.id, instanceId));
    await silent;
    // The server holds the rows of a client that says nothing any more.
    const other = await stranger();
    const freed = await timed(other.query(`select from instances where instance_id = '${instanceId}' for update`));
    expect(freed.ms).toBeLessThan(queryTimeoutMs + slack);
    expect((await purged).value).toEqual({ kind: 'purged' });
    expect((await purged).ms).toBeLessThan(queryTimeoutMs + slack);
  });

  it('F53: a slow database makes everything slower, and no lease is lost', async () => {
    const proxy = await TcpProxy.open(database.url);
    const node = await openNode({ databaseUrl: proxy.url, schema, taskHub: freshName(), leaseMs: 3_000 });
    await untilItWorks(node);
    proxy.delay(40);
    const ids = await Promise.all(Array.from({ length: 10 }, (_, n) => node.api.start('Acts', `slow ${n}`)));
    for (const [n, id] of ids.entries()) {
      await node.api.reach(id, 'Completed');
      expect(await node.api.status(id)).toMatchObject({ output: `SLOW ${n}` });
    }
    expect(node.said.filter((line) => line.includes('lease has ended'))).toEqual([]);
  });

  it('F54: the work of a node that is cut off is taken over within L + P, and what it writes later is refused', async () => {
    const taskHub = freshName();
    const proxy = await TcpProxy.open(database.url);
    const [begun, release] = [gate(), gate()];
    const held = activity('Held', async (_input, { redelivery }) => {
      if (redelivery > 0) return 'the other';
      begun.open();
      await release.passed;
      return 'the one that was cut off';
    });
    const functions = [held, orchestration('Body', (ctx) => ctx.callActivity(held))];
    const cutOff = await openNode({ databaseUrl: proxy.url, schema, taskHub, functions });
    const id = await cutOff.hub.client.startNew('Body');
    await begun.passed;
    const other = await openNode({ databaseUrl: database.url, schema, taskHub, functions });
    proxy.blackhole();
    const { value, ms } = await timed(other.hub.client.waitForCompletion(id, { timeoutMs: 20_000 }));
    expect(value).toMatchObject({ runtimeStatus: 'Completed', output: '"the other"' });
    expect(ms).toBeLessThan(scaled.lease + scaled.poll + slack);
    proxy.heal();
    proxy.resetAll();
    release.open();
    await waitFor(async () => (await cutOff.api.send('GET', '/readyz')).statusCode === 200, { timeoutMs: 20_000 });
    expect(await cutOff.hub.client.getStatus(id)).toMatchObject({ output: '"the other"' });
  });

  it('F55: what waits for a lock of somebody else is tried 5 times and handed back; the rest of its batch is written', async () => {
    const store = openStore(database.url, { queryTimeoutMs: 500 });
    const hub = await freshHub(store);
    const worker = await hub.worker();
    for (let n = 0; n < 8; n += 1) await hub.start();
    const claims = await worker.claim();
    const [locked] = claims;
    if (locked === undefined) throw new Error('no claim');
    const other = await stranger();
    await other.query('begin');
    await other.query('select from executions where instance_key = $1 for update', [locked.key]);
    const outcomes = await worker.commit(claims.map((claim) => turnOf(claim, { events: [turnStarted(1)] })));
    expect(outcomes.map(({ key, kind }) => [key, kind])).toEqual(
      claims.map(({ key }) => [key, key === locked.key ? 'lost' : 'committed']),
    );
    expect(store.metrics.conflicts).toBeGreaterThanOrEqual(5);
    await other.query('rollback');
    const [again] = await store.takeBackInstances(worker.id, [locked.key]);
    if (again === undefined) throw new Error('it was not given back');
    expect(await worker.commitOne(again, { events: [turnStarted(1)] })).toMatchObject({ kind: 'committed' });
  });

  it('F55: deadlocks of two stores that steer the same instances end in answers', async () => {
    const node = await openNode({ databaseUrl: database.url, schema, taskHub: freshName() });
    const twin = await openNode({ databaseUrl: database.url, schema, taskHub: freshName(), worker: false });
    const query = `?taskHub=${node.hub.clients.defaultTaskHub}`;
    const ids = await Promise.all(Array.from({ length: 10 }, () => node.api.running('WaitGo')));
    const answers = await Promise.all(
      ids.flatMap((id, at) => [
        node.api.post(`/instances/${id}/terminate`),
        twin.api.post(`/instances/${ids.at(-1 - at)}/raiseEvent/Go${query}`, { body: at }),
        node.api.post(`/instances/${id}/restart`),
      ]),
    );
    for (const { statusCode, body } of answers) expect(statusCode, body).toBeLessThan(500);
  });

  it('F58: when all connections of clients are taken they get 503; heartbeats and health go on, nothing leaks', async () => {
    const taskHub = freshName();
    const node = await openNode({ databaseUrl: database.url, schema, taskHub });
    const ids = await Promise.all(Array.from({ length: 30 }, () => node.api.start('Echo', 1)));
    for (const id of ids) await node.api.reach(id, 'Completed');
    const other = await stranger();
    await other.query('begin');
    await other.query(`select from instances where instance_id = any($1) for update`, [ids]);
    const stuck = ids.map((id) => timed(node.api.delete(`/instances/${id}`)));
    const expiry = async () => {
      const [row] = await execute<{ readonly at: Date }>(
        database,
        'select max(w.expires_at) as at from workers w join task_hubs h on h.id = w.hub_id where h.name = $1',
        [taskHub],
      );
      return row?.at.getTime() ?? 0;
    };
    const before = await expiry();
    for (const path of ['/livez', '/readyz']) expect((await node.api.send('GET', path)).statusCode).toBe(200);
    await waitFor(async () => (await expiry()) > before, { what: 'a heartbeat' });
    const late = await timed(node.api.delete(`/instances/${ids[0]}`));
    expect([late.value.statusCode, late.value.headers['retry-after']]).toEqual([503, '5']);
    expect(late.ms).toBeLessThan(2_000 + slack);
    await other.query('rollback');
    for (const { value } of await Promise.all(stuck)) expect([200, 503]).toContain(value.statusCode);
    await untilItWorks(node);
    const busy = `select from pg_stat_activity where datname = current_database() and application_name = 'perdure client' and state <> 'idle'`;
    await waitFor(async () => (await execute(database, busy)).length === 0, { what: 'all connections to be idle' });
  });

  it('F60: without notifications work is found within P, and LISTEN comes back within B', async () => {
    const taskHub = freshName();
    const [one, two] = [
      await openNode({ databaseUrl: database.url, schema, taskHub }),
      await openNode({ databaseUrl: database.url, schema, taskHub, worker: false }),
    ];
    const listening = async (): Promise<number> => {
      const [row] = await execute<{ readonly n: number }>(
        database,
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'perdure listen'`,
      );
      return row?.n ?? 0;
    };
    await waitFor(async () => (await listening()) >= 2);
    await terminate(`application_name = 'perdure listen'`);
    const begun = performance.now();
    expect(await untilItWorks(two)).toBeLessThan(3 * scaled.poll + slack);
    await waitFor(async () => (await listening()) >= 2, { what: 'LISTEN to be back' });
    expect(performance.now() - begun).toBeLessThan(scaled.backOff + slack);
    expect(one.said.concat(two.said).some((line) => line.includes('notifications are off'))).toBe(true);
  });
});
