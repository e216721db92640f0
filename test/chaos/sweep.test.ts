/**
 * The sweep: one orchestration that uses every feature, broken at each of its commits in turn. Whatever is done to the
 * worker at commit k, the instance ends as the model says: after the connection was cut before the commit and after it,
 * after the worker was gone for good, and after it stood still for longer than its lease (F15 - F20, F34 - F36).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { entity, EntityId } from '../../src/index.ts';
import { activity, orchestration, type FunctionDefinition } from '../../src/model/functions.ts';
import { assertReplays } from '../../src/testing/index.ts';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const double = activity('Double', (input: number) => input * 2);
const flaky = activity('Flaky', (input: string, ctx) => {
  if (ctx.attempt === 1) throw new Error('the first time, as planned');
  return input;
});
const child = orchestration('Child', async (ctx, input: number) => (await ctx.callActivity(double, input)) + 1);
const counter = entity('Counter', {
  initialState: () => 0,
  operations: { add: (context, amount: number) => (context.state += amount) },
});

/** Two generations: the first does everything, the second waits for what was sent to the first. */
const everything = orchestration('Everything', async (ctx, seen?: readonly unknown[]) => {
  if (seen !== undefined) return [...seen, await ctx.waitForExternalEvent('Late')];
  const flakiness = await ctx.callActivity(flaky, 'flaky', {
    retry: { firstRetryIntervalInMilliseconds: 10, maxNumberOfAttempts: 2 },
  });
  const doubled = await ctx.all([1, 2, 3].map((value) => ctx.callActivity(double, value)));
  ctx.setCustomStatus('half');
  const born = await ctx.callSubOrchestrator(child, 5);
  const early = ctx.waitForExternalEvent('Early');
  const deadline = ctx.createTimer(3_600_000);
  if ((await ctx.any([early, deadline])) !== early) throw new Error('nobody waits for an hour');
  deadline.cancel();
  await ctx.createTimer(10);
  const own = new EntityId('Counter', ctx.instanceId);
  const held = await ctx.lock([own]);
  const first = await ctx.callEntity(own, 'add', 1);
  held.release();
  ctx.signalEntity(own, 'add', 10);
  const last = await ctx.callEntity(own, 'add', 100);
  ctx.continueAsNew([flakiness, doubled, born, await early, first, last]);
  return undefined;
});

/** What it returns, by another way than the engine's. */
const expected = ['flaky', [2, 4, 6], 5 * 2 + 1, 'early', 1, 1 + 10 + 100, 'late'];

const functions: readonly FunctionDefinition[] = [double, flaky, child, counter, everything];

/** The statements that change something for an instance, as far as a worker sends them. */
const commits = ['perdure_commit_', 'perdure_complete_tasks'] as const;

/** Points that are tried at the same time. */
const lanes = 3;

const modes = ['cut before', 'cut after', 'gone', 'paused longer than the lease'] as const;
type Mode = (typeof modes)[number];

const leaseMs = 1_000;

describe('an instance that is broken at commit k', async () => {
  const database = await testDatabase();

  async function open(url: string, taskHub: string, worker: boolean): Promise<TaskHub> {
    const hub = createTaskHub({
      databaseUrl: url,
      schema: database.schema,
      taskHub,
      functions,
      ...{ worker, pollMs: 100, leaseMs, stopGraceMs: 200 },
    });
    await hub.start();
    return hub;
  }

  /** @returns whether there was a commit k */
  async function breakAt(statement: string, mode: Mode, k: number): Promise<boolean> {
    const proxy = await TcpProxy.open(database.url, { whenFinished: () => undefined });
    const taskHub = freshName();
    const client = await open(database.url, taskHub, false);
    const hubs = [client];
    let isSprung = false;
    try {
      hubs.push(await open(proxy.url, taskHub, true));
      const cut = {
        'cut before': 'before',
        'cut after': 'after',
        gone: 'after',
        'paused longer than the lease': 'hold',
      } as const;
      const sprung = proxy.cut(statement, cut[mode], 1, k).then(async () => {
        isSprung = true;
        if (mode === 'gone') proxy.refuse();
        // Somebody else who can take over.
        if (mode === 'gone' || mode === 'paused longer than the lease')
          hubs.push(await open(database.url, taskHub, true));
      });
      const id = await client.client.startNew(everything);
      await client.client.raiseEvent(id, 'Late', 'late');
      await client.client.raiseEvent(id, 'Early', 'early');
      if (mode === 'paused longer than the lease') {
        void sprung.then(async () => {
          await waitFor(() => leaseEnded(taskHub), { what: 'the lease to end', timeoutMs: 20_000 });
          proxy.release();
        });
      }
      const ended = await client.client.waitForCompletion(id, { timeoutMs: 100_000 });
      const { runtimeStatus, output = null } = ended ?? {};
      expect({ runtimeStatus, output }, `${mode}, ${statement} ${k}`).toEqual({
        runtimeStatus: 'Completed',
        output: JSON.stringify(expected),
      });
      await assertReplays((await client.client.getHistory(id))!, everything);
      return isSprung;
    } finally {
      proxy.heal();
      await Promise.all(hubs.map((hub) => hub.stop()));
      await proxy.close();
    }
  }

  async function leaseEnded(taskHub: string): Promise<boolean> {
    const rows = await execute(
      database,
      `select 1 from workers w join task_hubs h on h.id = w.hub_id where h.name = '${taskHub}' and w.expires_at <= now()`,
    );
    return rows.length > 0;
  }

  /** How many statements of each kind an instance takes that nothing happens to. */
  async function countCommits(): Promise<readonly { readonly statement: string; readonly k: number }[]> {
    const proxy = await TcpProxy.open(database.url, { whenFinished: () => undefined });
    const hub = await open(proxy.url, freshName(), true);
    const counts = commits.map((statement) => ({ statement, count: proxy.count(statement) }));
    const id = await hub.client.startNew(everything);
    await hub.client.raiseEvent(id, 'Late', 'late');
    await hub.client.raiseEvent(id, 'Early', 'early');
    await hub.client.waitForCompletion(id, { timeoutMs: 30_000 });
    await hub.stop();
    await proxy.close();
    return counts.flatMap(({ statement, count }) => Array.from({ length: count() }, (_, k) => ({ statement, k })));
  }

  let points: Awaited<ReturnType<typeof countCommits>> = [];
  beforeAll(async () => {
    points = await countCommits();
  }, 60_000);

  it.concurrent.for(modes)('ends as the model says: %s', { timeout: 240_000 }, async (mode) => {
    const queue = [...points];
    let broken = 0;
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (let point = queue.shift(); point; point = queue.shift()) {
          if (await breakAt(point.statement, mode, point.k)) broken += 1;
        }
      }),
    );
    // Turns may take more at once than they did when they were counted.
    expect(broken).toBeGreaterThan(10);
  });
});
