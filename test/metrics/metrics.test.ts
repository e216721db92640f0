/** What Prometheus gets, from a hub that has worked. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import { readConfig, type StartFlags } from '../../src/config.ts';
import { createMonitor } from '../../src/http/monitor.ts';
import { createServer } from '../../src/http/server.ts';
import { HubMetrics } from '../../src/metrics/hub-metrics.ts';
import { activity, createTaskHub, entity, http, orchestration, type TaskHub } from '../../src/index.ts';
import type { MetricsStore } from '../../src/store/metrics-store.ts';
import { WorkerCounters } from '../../src/worker/counters.ts';
import { countStore } from '../../src/worker/counting.ts';
import { testDatabase } from '../support/postgres.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';
import { MetricsPage } from './page.ts';

const work = activity('Work', (fails: boolean) => {
  if (fails) throw new Error('no luck');
});
const Calls = orchestration('Calls', async (ctx, fails: boolean) => {
  await ctx.callActivity(work, fails);
});
const Renews = orchestration('Renews', (ctx, left: number) => {
  if (left > 0) ctx.continueAsNew(left - 1);
});
const counter = entity('Counter', {
  initialState: () => 0,
  operations: {
    add: (ctx, n: number) => {
      ctx.state += n;
    },
    break: () => {
      throw new Error('no luck');
    },
  },
});
const Counts = orchestration('Counts', async (ctx) => {
  await ctx.callEntity(counter.id('a'), 'add', 1);
  try {
    await ctx.callEntity(counter.id('a'), 'break');
  } catch {
    // counted
  }
});
const hello = http('Hello', { methods: ['GET'], route: 'hello/{name}' }, () => ({ status: 200 }));

const database = await testDatabase();
let hub: TaskHub;
let app: FastifyInstance;

function options() {
  return { databaseUrl: database.url, schema: database.schema, taskHub: freshName(), pollMs: 100 };
}

async function page(server = app): Promise<MetricsPage> {
  const answer = await server.inject({ url: '/metrics' });
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  return new MetricsPage(answer.body);
}

beforeAll(async () => {
  hub = createTaskHub({ ...options(), functions: [work, Calls, Renews, Counts, counter] });
  app = await createServer(hub, { triggers: [hello] });
  await hub.start();
  const { client } = hub;
  const ids = await Promise.all([
    client.startNew(Calls, { input: false }),
    client.startNew('calls', { input: false }),
    client.startNew(Calls, { input: true }),
    client.startNew(Renews, { input: 2 }),
    client.startNew(Counts),
  ]);
  for (const id of ids) await client.waitForCompletion(id, { timeoutMs: 15_000 });
});

afterAll(async () => {
  await app.close();
  await hub.stop();
});

describe('metrics of a hub', () => {
  test('count executions by name and end, whatever the case of the caller', async () => {
    const seen = await page();
    expect(seen.value('perdure_orchestrations_started_total', { name: 'Calls' })).toBe(3);
    expect(seen.value('perdure_orchestrations_ended_total', { name: 'Calls', status: 'Completed' })).toBe(2);
    expect(seen.value('perdure_orchestrations_ended_total', { name: 'Calls', status: 'Failed' })).toBe(1);
    expect(seen.value('perdure_orchestrations_started_total', { name: 'Renews' })).toBe(3);
    expect(seen.value('perdure_orchestrations_ended_total', { name: 'Renews', status: 'ContinuedAsNew' })).toBe(2);
    expect(seen.value('perdure_orchestration_duration_seconds_count', { name: 'Calls' })).toBe(3);
    expect(seen.value('perdure_orchestration_schedule_to_start_seconds_count', { name: 'Calls' })).toBe(3);
  });

  test('count activities and operations on entities', async () => {
    const seen = await page();
    expect(seen.value('perdure_activities_ended_total', { name: 'Work', status: 'Completed' })).toBe(2);
    expect(seen.value('perdure_activities_ended_total', { name: 'Work', status: 'Failed' })).toBe(1);
    expect(seen.value('perdure_activity_duration_seconds_count', { name: 'Work' })).toBe(3);
    expect(seen.value('perdure_activity_schedule_to_start_seconds_count', { name: 'Work' })).toBe(3);
    expect(seen.value('perdure_entity_operations_total', { name: 'Counter', status: 'Completed' })).toBe(1);
    expect(seen.value('perdure_entity_operations_total', { name: 'Counter', status: 'Failed' })).toBe(1);
  });

  test('tell turns, commits, connections, tables and workers', async () => {
    // It connects beside everything else.
    const seen = await waitFor(async () => {
      const read = await page();
      return read.value('perdure_notifications_listening') === 1 && read;
    });
    expect(seen.value('perdure_turns_total')).toBeGreaterThanOrEqual(10);
    expect(seen.value('perdure_commit_turns_count')).toBe(seen.value('perdure_commit_duration_seconds_count'));
    expect(seen.value('perdure_database_up')).toBe(1);
    expect(seen.value('perdure_workers')).toBe(1);
    expect(seen.value('perdure_pool_max_connections', { pool: 'client' })).toBe(10);
    expect(seen.value('perdure_table_bytes', { table: 'history' })).toBeGreaterThan(0);
    expect(seen.value('process_cpu_seconds_total')).toBeGreaterThan(0);
  });

  test('count requests by route, never by URL', async () => {
    for (const url of ['/runtime/webhooks/durabletask/instances/own-id', '/api/hello/own-id', '/own-id']) {
      await app.inject({ url });
    }
    const seen = await page();
    const count = (route: string, status: string) =>
      seen.value('perdure_http_request_duration_seconds_count', { route, status });
    expect(count('/runtime/webhooks/durabletask/instances/:instanceId', '404')).toBe(1);
    expect(count('/api/*', '200')).toBe(1);
    expect(count('other', '404')).toBe(1);
    expect(seen.samples.filter(({ labels }) => Object.values(labels).some((text) => text.includes('own-id')))).toEqual(
      [],
    );
  });

  test('have histograms whose buckets add up', async () => {
    const seen = await page();
    const buckets = seen.all('perdure_activity_duration_seconds_bucket', { name: 'Work' });
    const values = buckets.map((bucket) => bucket.value);
    expect(values).toEqual(values.toSorted((one, other) => one - other));
    expect(buckets.at(-1)).toMatchObject({ labels: { le: '+Inf' }, value: 3 });
  });

  test('are those that the documentation lists', async () => {
    const served = [...(await page()).types.keys()].filter((name) => name.startsWith('perdure_')).sort();
    const text = await readFile(new URL('../../docs/observability.md', import.meta.url), 'utf8');
    const documented = [...text.matchAll(/^\| `(perdure_\w+)` \| (\w+) \|/gm)];
    expect(documented.map(([, name]) => name).sort()).toEqual(served);
    const { types } = await page();
    for (const [, name = '', type] of documented) expect([name, type]).toEqual([name, types.get(name)]);
  });

  test('come as a registry, for a page of the embedder', async () => {
    const registry = await hub.metrics.registry();
    expect(await registry.getSingleMetricAsString('perdure_turns_total')).toMatch(
      /^perdure_turns_total\{hub=".+"\} \d+$/m,
    );
  });
});

describe('who may read them', () => {
  test('anybody on this machine, and who has a key', async () => {
    const server = await createServer(hub, { systemKey: 'k' });
    const ask = async (remoteAddress: string, query = ''): Promise<number> =>
      (await server.inject({ url: `/metrics${query}`, remoteAddress })).statusCode;
    expect([await ask('127.0.0.1'), await ask('10.1.2.3'), await ask('10.1.2.3', '?code=k')]).toEqual([200, 401, 200]);
    await server.close();
  });
});

describe('the monitoring port', () => {
  test('serves health and metrics, and nothing else', async () => {
    const monitor = createMonitor(hub, { systemKey: 'k', logger: pino({ level: 'silent' }) });
    try {
      const ask = async (url: string, remoteAddress = '127.0.0.1'): Promise<number> =>
        (await monitor.inject({ url, remoteAddress })).statusCode;
      expect(await Promise.all(['/livez', '/readyz', '/healthz'].map((url) => ask(url, '10.1.2.3')))).toEqual([
        200, 200, 200,
      ]);
      expect([
        await ask('/metrics'),
        await ask('/metrics', '10.1.2.3'),
        await ask('/metrics?code=k', '10.1.2.3'),
      ]).toEqual([200, 401, 200]);
      expect(await ask('/runtime/webhooks/durabletask/instances')).toBe(404);
      expect((await page(monitor)).value('perdure_database_up')).toBe(1);
    } finally {
      await monitor.close();
    }
  });

  test('is a setting, also of processes without HTTP, and lets nobody in whom the API would not', () => {
    const read = (flags: StartFlags) => readConfig({ flags, env: {} });
    expect(read({ http: false }).monitor).toBe(undefined);
    expect(read({ http: false, monitorPort: '9464' }).monitor).toEqual({
      ...{ host: '127.0.0.1', port: 9464, systemKey: undefined, requireKeys: false },
    });
    expect(() => read({ http: false, monitorPort: '9464', host: '0.0.0.0' })).toThrow(/would let everybody in/);
    expect(() => read({ http: false, monitorPort: 'x' })).toThrow(
      "--monitor-port (PERDURE_MONITOR_PORT) must be a whole number from 0 to 65535, not 'x'.",
    );
  });
});

describe('work that waits', () => {
  test('is counted, and so is what nobody has registered', async () => {
    const idle = createTaskHub({ ...options(), worker: false });
    const server = await createServer(idle);
    try {
      await idle.start();
      for (let n = 0; n < 3; n += 1) await idle.client.startNew('Calls', { input: false });
      const seen = await page(server);
      expect(seen.value('perdure_backlog_instances')).toBe(3);
      expect(seen.value('perdure_backlog_unserved_instances')).toBe(3);
      expect(seen.value('perdure_backlog_oldest_instance_seconds')).toBeGreaterThan(0);
      expect(seen.value('perdure_backlog_activities')).toBe(0);
      expect(seen.value('perdure_workers')).toBe(0);
    } finally {
      await server.close();
      await idle.stop();
    }
  });
});

describe('metrics that are put together', () => {
  const store: MetricsStore = {
    readBacklog: () => Promise.reject(new Error('no database')),
    readTables: () => Promise.reject(new Error('no database')),
    pools: [],
    isListening: false,
    conflicts: 4,
  };
  const names = { orchestrators: ['Known'], activities: [], entities: [] };
  const rest = {
    ...{ ownedInstances: 2, cachedInstances: 0, turnsUnderWay: 0, activitiesRunning: 0, activitiesWaiting: 0 },
  };

  test('say that the database is away, and all that is known without it', async () => {
    const metrics = new HubMetrics({ taskHub: 'hub', store, version: '1' });
    const seen = new MetricsPage(await metrics.text());
    expect(seen.value('perdure_database_up')).toBe(0);
    expect(seen.value('perdure_backlog_instances')).toBe(undefined);
    expect(seen.value('perdure_serialization_retries_total')).toBe(4);
  });

  test('add up the workers of several threads, whose snapshots are plain data', async () => {
    const metrics = new HubMetrics({ taskHub: 'hub', store, version: '1' });
    const snapshots = [1, 2].map((waited) => {
      const counters = new WorkerCounters(names);
      counters.startWaited('known', waited * 1_000);
      counters.startWaited('made up by a caller', waited * 1_000);
      return { ...counters.counts, ...rest };
    });
    metrics.addWorkers(() => Promise.resolve(structuredClone(snapshots)));
    const seen = new MetricsPage(await metrics.text());
    const metric = 'perdure_orchestration_schedule_to_start_seconds';
    expect(seen.value(`${metric}_count`, { name: 'Known' })).toBe(2);
    expect(seen.value(`${metric}_sum`, { name: 'Known' })).toBe(3);
    expect(seen.value(`${metric}_count`, { name: 'other' })).toBe(2);
    expect(seen.value(`${metric}_bucket`, { name: 'Known', le: '1' })).toBe(1);
    expect(seen.value('perdure_live_instances', { state: 'owned' })).toBe(4);
  });

  test('never fall: what a worker has counted stays when it is gone, but not what it was doing', async () => {
    const metrics = new HubMetrics({ taskHub: 'hub', store, version: '1' });
    const workers = Array.from({ length: 40 }, () => new WorkerCounters(names));
    for (const worker of workers) worker.startWaited('Known', 1_000);
    let there = workers;
    metrics.addWorkers(() => there.map((worker) => ({ ...worker.counts, ...rest })));
    const look = async () => {
      const seen = new MetricsPage(await metrics.text());
      const metric = 'perdure_orchestration_schedule_to_start_seconds';
      return [
        seen.value(`${metric}_count`, { name: 'Known' }),
        seen.value(`${metric}_bucket`, { name: 'Known', le: '1' }),
        seen.value('perdure_live_instances', { state: 'owned' }),
      ];
    };
    // What a page says is good for a moment.
    const soon = (wanted: readonly number[]) => waitFor(async () => isDeepStrictEqual(await look(), wanted));
    await soon([40, 40, 80]);
    there = workers.slice(0, 1);
    await soon([40, 40, 2]);
    there = workers.slice(38);
    await soon([40, 40, 4]);
    workers[39]?.startWaited('Known', 1_000);
    await soon([41, 41, 4]);
  });

  test('count what a worker loses', async () => {
    const counters = new WorkerCounters(names);
    const answers = {
      heartbeat: () => Promise.resolve({ kind: 'expired' }),
      commitTurns: () => Promise.resolve([{ kind: 'lost' }, { kind: 'refused' }, { kind: 'committed' }]),
      claimOrchestrations: () => Promise.resolve([{ takenOver: true }, { takenOver: false }]),
      readClaimed: () =>
        Promise.resolve([
          { history: [{}, {}], messages: [] },
          { history: [], messages: [] },
        ]),
    };
    const counted = countStore(answers as never as Parameters<typeof countStore>[0], counters);
    await counted.heartbeat({ workerId: '1', hubId: 1, leaseMs: 1, claimedTasks: [] });
    await counted.commitTurns('1', []);
    await counted.claimOrchestrations({ workerId: '1', hubId: 1, names: [], limit: 1, includeDeadOwners: true });
    await counted.readClaimed([]);
    expect(counters.totals).toMatchObject({
      ...{ lostLeases: 1, lostFences: 1, refusedTurns: 1, takenOverInstances: 1, replays: 1, replayedEvents: 2 },
    });
  });
});
