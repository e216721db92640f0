/** Faults of the server itself (reliability.md 4.4): it crashes, is crowded, is replaced, is not swept, runs full. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { canMount, fill, ownCluster } from '../support/own-cluster.ts';
import { management, reach, send, type Answer } from '../support/http.ts';
import { startService, type Service } from '../support/service.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';
import { openNode, scaled, slack, untilItWorks, type Node } from './support.ts';

const mayMount = await canMount();

describe('faults of the server', async () => {
  const cluster = await ownCluster({ autovacuum: 'off' });
  const { schema } = cluster;

  beforeAll(() => {
    build({ onlyIfStale: true, quiet: true });
  }, 240_000);

  const open = (): Promise<Node> => openNode({ databaseUrl: cluster.url, schema, taskHub: freshName() });

  /** Starts one after the other until it is told to stop. */
  function startsAllTheTime({ api }: Node, body: () => string = () => 'a') {
    const accepted: string[] = [];
    const refused = new Set<number>();
    let goesOn = true;
    const lane = async (): Promise<void> => {
      while (goesOn) {
        const answer = await api.post('/orchestrators/Acts', { body: body() });
        if (answer.statusCode === 202) accepted.push(String(answer.json().id));
        else refused.add(answer.statusCode);
      }
    };
    const lanes = [lane(), lane(), lane(), lane()];
    const stop = async (): Promise<void> => {
      goesOn = false;
      await Promise.all(lanes);
    };
    onTestFinished(stop);
    return { accepted, refused, stop };
  }

  it('F49: what was acknowledged before Postgres crashed is there after it, and work goes on within B + P', async () => {
    const node = await open();
    const starts = startsAllTheTime(node);
    await waitFor(() => starts.accepted.length >= 100, { timeoutMs: 20_000, what: 'starts' });
    await cluster.crash();
    await waitFor(() => starts.refused.size > 0, { what: 'a start to be refused' });
    await cluster.start();
    expect(await cluster.log()).toContain('was not properly shut down');
    expect(await untilItWorks(node)).toBeLessThan(scaled.backOff + scaled.poll + slack);
    await starts.stop();
    expect([...starts.refused]).toEqual([503]);
    for (const id of starts.accepted) await node.api.reach(id, 'Completed');
  }, 60_000);

  it('F59: while max_connections is reached calls get 503 and a process that starts tries less and less often; both go on by themselves', async () => {
    const node = await open();
    const { close, refusals } = await crowd();
    const answer = await node.api.post('/orchestrators/Acts', { body: 'a' });
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
    const hub = freshName();
    const service = startService({
      modules: ['test/faults/fixtures/work.mjs'],
      flags: ['--database-url', cluster.url, '--task-hub', hub],
    });
    await waitFor(async () => (await refusals()) >= 20, { timeoutMs: 20_000, what: 'some refusals' });
    const [before, begun] = [await refusals(), performance.now()];
    await waitFor(() => performance.now() - begun > 3_000, { intervalMs: 100 });
    const perSecond = ((await refusals()) - before) / ((performance.now() - begun) / 1_000);
    // Of two processes with four pools each.
    expect(perSecond).toBeLessThan(25);
    await close();
    expect(await untilItWorks(node)).toBeLessThan(scaled.backOff + scaled.poll + slack);
    expect((await service).output()).toContain('the database cannot serve yet, trying again');
  }, 90_000);

  /** Takes every connection that there is, from everybody. */
  async function crowd() {
    const strangers: pg.Client[] = [];
    const close = async (): Promise<void> => {
      await Promise.all(strangers.splice(0).map((client) => client.end()));
    };
    onTestFinished(close);
    const take = async (): Promise<boolean> => {
      const client = new pg.Client({ connectionString: cluster.url, application_name: 'stranger' });
      client.on('error', () => undefined);
      try {
        await client.connect();
      } catch (error) {
        if (error instanceof pg.DatabaseError && error.code === '53300') return false;
        throw error;
      }
      strangers.push(client);
      return true;
    };
    while (await take());
    const [first] = strangers;
    await first?.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'perdure %'`,
    );
    // Whoever is quicker gets a place that has become free.
    await waitFor(
      async () => {
        while (await take());
        const left = await first?.query(`select from pg_stat_activity where application_name like 'perdure %'
          and pg_terminate_backend(pid)`);
        return left?.rowCount === 0;
      },
      { timeoutMs: 20_000, what: 'all places to be taken' },
    );
    const refusals = async (): Promise<number> => (await cluster.log()).split('too many clients').length - 1;
    return { close, refusals };
  }

  it('F72: power is lost, of Postgres and all nodes at once: what was acknowledged is there and completes, and only what was under way runs again', async () => {
    await cluster.query(`create table runs (instance_id text, task_id text, redelivery integer, pid integer,
      at timestamptz not null default clock_timestamp())`);
    const [taskHub, start] = [freshName(), () => Promise.all([service(), service()])];
    const service = (): Promise<Service> =>
      startService({
        modules: ['test/faults/fixtures/work.mjs'],
        env: { RUNS_URL: cluster.url },
        flags: ['--database-url', cluster.url, '--task-hub', taskHub, '--lease-ms', '2000', '--poll-ms', '100'],
      });
    const nodes = await start();
    const accepted: string[] = [];
    const raised: string[] = [];
    let goesOn = true;
    const post = async (path: string, body: unknown): Promise<Answer | undefined> => {
      const node = nodes[accepted.length % 2] ?? nodes[0];
      // Cut off when the power goes: nothing was promised.
      const answer = await send('POST', `${management(node.url)}/${path}`, body).catch(() => undefined);
      return answer?.status === 202 ? answer : undefined;
    };
    const lane = async (): Promise<void> => {
      while (goesOn) {
        const chain = await post('orchestrators/Chain', { steps: 3, ms: 150 });
        if (chain !== undefined) accepted.push(String(chain.body.id));
        const wait = await post('orchestrators/Wait', null);
        if (wait !== undefined && (await post(`instances/${wait.body.id}/raiseEvent/go`, 'told')) !== undefined) {
          raised.push(String(wait.body.id));
        }
      }
    };
    const lanes = Array.from({ length: 3 }, lane);
    await waitFor(async () => accepted.length >= 40 && (await cluster.query('select from runs')).length >= 60, {
      timeoutMs: 30_000,
      intervalMs: 100,
      what: 'work to be under way',
    });
    await Promise.all([...nodes.map((node) => node.end('SIGKILL')), cluster.crash()]);
    const lostAt = new Date();
    goesOn = false;
    await Promise.all(lanes);
    await cluster.start();
    const [node] = await start();
    const result = async (id: string): Promise<unknown> =>
      (
        await reach(`${management(node.url)}/instances/${id}`, (status) => status.runtimeStatus === 'Completed', {
          what: id,
        })
      ).body.output;
    for (const id of accepted) expect(await result(id)).toHaveLength(3);
    for (const id of raised) expect(await result(id)).toBe('told');
    // What runs again was under way when the power went, and the second run knows that it is one.
    const runs = await cluster.query(`select array_agg(redelivery order by at) as redeliveries,
      min(at) < '${lostAt.toISOString()}' and max(at) > '${lostAt.toISOString()}' as spans from runs group by task_id`);
    expect(runs.length).toBeGreaterThanOrEqual(3 * accepted.length);
    const again = runs.filter(({ redeliveries }) => Array.isArray(redeliveries) && redeliveries.length > 1);
    for (const run of again) expect(run).toEqual({ redeliveries: [0, 1], spans: true });
    expect(again.length).toBeLessThan(runs.length / 2);
  }, 120_000);

  it('F51: a standby gets no work; when it is promoted work goes on from what it has, not from what was in memory', async () => {
    const node = await open();
    const id = await node.api.running('Twice');
    await cluster.stop();
    const becomeStandby = await cluster.copy();
    await cluster.start();
    await untilItWorks(node);
    // It has one of two events, in memory and in the database that will be lost.
    await raise(node, id, 'lost');
    await waitFor(async () => (await cluster.query('select from messages')).length === 0, {
      what: 'the event to be taken',
    });
    await cluster.crash();
    await becomeStandby();
    await cluster.start();
    expect(await cluster.query('select pg_is_in_recovery() as standby')).toEqual([{ standby: true }]);
    const answer = await node.api.post('/orchestrators/Acts', { body: 'a' });
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
    await cluster.query('select pg_promote()');
    expect(await untilItWorks(node)).toBeLessThan(scaled.backOff + scaled.poll + slack);
    expect(node.said.join('\n')).toContain('it was replaced');
    await raise(node, id, 'first');
    await raise(node, id, 'second');
    expect(await node.api.reach(id, 'Completed')).toMatchObject({ output: ['first', 'second'] });
  }, 90_000);

  async function raise({ api }: Node, id: string, value: string): Promise<void> {
    const answer = await api.post(`/instances/${id}/raiseEvent/Go`, { body: value });
    expect(answer.statusCode, answer.body).toBe(202);
  }

  it('F62: when vacuum does not come, or a session keeps it from its work, there is a warning; results are right', async () => {
    const node = await open();
    const store = openPostgresStore({ connectionString: cluster.url, schema });
    onTestFinished(() => store.close());
    const deadRows = 50;
    await cluster.query('vacuum');
    // With no time of grace any statement that happens to run holds a snapshot.
    await waitFor(async () => (await store.checks.findWarnings({ deadRows, forMs: 0 })).length === 0, {
      timeoutMs: 20_000,
      what: 'no warning at first',
    });
    const holder = new pg.Client({ connectionString: cluster.url });
    onTestFinished(() => holder.end());
    await holder.connect();
    await holder.query('begin isolation level repeatable read');
    await holder.query('select from perdure.instances limit 1');
    const ids = await Promise.all(Array.from({ length: 400 }, (_, n) => node.api.start('Acts', `n${n}`)));
    for (const [n, id] of ids.entries()) {
      expect(await node.api.reach(id, 'Completed')).toMatchObject({ output: `N${n}` });
    }
    // More than the tests before may have left alive. Sessions tell what they have done when they end.
    await node.stop();
    // Other tables may be full of dead rows, too.
    for (const text of [/vacuum does not keep up: dead rows in .*\bexecutions \(/, /holds an old snapshot/]) {
      await waitFor(
        async () => (await store.checks.findWarnings({ deadRows, forMs: 0 })).some((line) => text.test(line)),
        { timeoutMs: 20_000, intervalMs: 200, what: `the warning: ${text}` },
      );
    }
    await holder.query('rollback');
    await cluster.query('vacuum');
    await waitFor(async () => (await store.checks.findWarnings({ deadRows, forMs: 0 })).length === 0, {
      timeoutMs: 20_000,
      what: 'the end of the warnings',
    });
  }, 60_000);

  it.skipIf(!mayMount)(
    'F56: a full disk of the write-ahead log stops Postgres: calls get 503, nothing is lost, work goes on by itself (skipped where no disk can be mounted: not root)',
    async () => {
      await cluster.stop();
      const disk = await cluster.limitWal(128 * 1_024 * 1_024);
      await cluster.start();
      const node = await open();
      await untilItWorks(node);
      const starts = startsAllTheTime(node, () => randomBytes(300_000).toString('base64'));
      await waitFor(() => starts.accepted.length > 0, { what: 'a start' });
      await fill(join(disk, 'full'));
      await waitFor(async () => !(await cluster.runs()), { timeoutMs: 40_000, what: 'Postgres to stop' });
      expect(await cluster.log()).toContain('No space left on device');
      const answer = await node.api.post('/orchestrators/Acts', { body: 'a' });
      expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
      await starts.stop();
      await rm(join(disk, 'full'));
      await cluster.start();
      expect(await untilItWorks(node)).toBeLessThan(scaled.backOff + scaled.poll + slack);
      expect([...starts.refused]).toEqual([503]);
      for (const id of starts.accepted) await node.api.reach(id, 'Completed');
    },
    90_000,
  );
});
