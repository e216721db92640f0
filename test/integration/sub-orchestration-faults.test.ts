/**
 * Sub-orchestrations, continueAsNew and trees while connections and workers are lost: a child is created, a parent told and
 * the next execution begun with the commit of the turn that asks for it, or not at all (C13, C14, C15).
 */
import { expect, it, onTestFinished } from 'vitest';
import { activity, orchestration, type FunctionDefinition } from '../../src/model/functions.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const one = activity('One', (n: number) => n + 1);
const child = orchestration('Child', async (ctx, n: number) => await ctx.callActivity(one, n));
/** Three children with ids of their own making, and one whose id is given: twice, so that it is replaced. */
const family = orchestration('Family', async (ctx, n: number) => {
  const derived = await ctx.all([0, 1, 2].map((index) => ctx.callSubOrchestrator(child, n + index)));
  const instanceId = `${ctx.instanceId}-given`;
  const given = await ctx.callSubOrchestrator(child, n, { instanceId });
  const again = await ctx.callSubOrchestrator(child, n + 1, { instanceId });
  return [...derived, given, again];
});
const familyOutput = (n: number) => [n + 1, n + 2, n + 3, n + 1, n + 2];

const collects = orchestration(
  'Collects',
  async (ctx, { left, taken }: { left: number; taken: readonly unknown[] }) => {
    const all = [...taken, await ctx.waitForExternalEvent('Item')];
    if (left > 1) ctx.continueAsNew({ left: left - 1, taken: all });
    return all;
  },
);

inBothModes('sub-orchestrations and continueAsNew, while things break,', ({ open, database }) => {
  async function behindProxy(functions: readonly FunctionDefinition[], maxLiveInstances: number) {
    const proxy = await TcpProxy.open(database.url);
    const taskHub = freshName();
    const worker = createTaskHub({
      ...{ databaseUrl: proxy.url, schema: database.schema, taskHub, functions, maxLiveInstances },
      ...{ pollMs: 100, leaseMs: 60_000, stopGraceMs: 500 },
    });
    onTestFinished(() => worker.stop());
    await worker.start();
    return { proxy, hub: await open({ taskHub, worker: false, functions: [] }) };
  }

  it.each(['after', 'before'] as const)(
    'C14: commits whose connection is cut %s they are executed create each child once, and tell each parent once',
    { timeout: 60_000 },
    async (cut) => {
      const { proxy, hub } = await behindProxy([family, child, one], 10_000);
      for (let round = 0; round < 4; round += 1) {
        void proxy.cut(round % 2 === 0 ? 'commit_turns' : 'born as', cut);
        const ids = await Promise.all([1, 2, 3].map((n) => hub.client.startNew('Family', { input: n })));
        for (const [index, id] of ids.entries()) {
          expect((await hub.finish(id)).output).toEqual(familyOutput(index + 1));
          const history = await historyOf(hub, id);
          expect(eventsOf(history, 'SubOrchestrationInstanceCreated')).toHaveLength(5);
          expect(eventsOf(history, 'SubOrchestrationInstanceCompleted')).toHaveLength(5);
        }
      }
    },
  );

  it.each(['after', 'before'] as const)(
    'C13: commits whose connection is cut %s they are executed begin each next execution once; no event is lost or doubled',
    { timeout: 60_000 },
    async (cut) => {
      const { proxy, hub } = await behindProxy([collects], 0);
      const items = Array.from({ length: 20 }, (_, n) => n);
      const id = await hub.client.startNew('Collects', { input: { left: items.length, taken: [] } });
      for (const item of items) {
        if (item % 5 === 0) void proxy.cut('commit_turns', cut);
        await hub.client.raiseEvent(id, 'Item', item);
      }
      expect((await hub.finish(id)).output).toEqual(items);
    },
  );

  it('C13, C14, C15: workers that lose their lease again and again change nothing', { timeout: 60_000 }, async () => {
    const taskHub = freshName();
    const quick = { taskHub, leaseMs: 1_000, pollMs: 100, functions: [family, child, one, collects] };
    const [hub] = [await open(quick), await open(quick)];
    const families = await Promise.all(Array.from({ length: 10 }, (_, n) => hub.client.startNew(family, { input: n })));
    const items = Array.from({ length: 30 }, (_, n) => n);
    const collector = await hub.client.startNew(collects, { input: { left: items.length, taken: [] } });
    for (const item of items) {
      await hub.client.raiseEvent(collector, 'Item', item);
      if (item % 6 !== 0) continue;
      await execute(
        database,
        "update workers set expires_at = now() - interval '1 second' where hub_id = (select id from task_hubs where name = $1)",
        [taskHub],
      );
    }
    expect((await hub.finish(collector)).output).toEqual(items);
    for (const [n, id] of families.entries()) expect((await hub.finish(id)).output).toEqual(familyOutput(n));
  });

  it('F32 C15: a recursive terminate reaches every child though the worker loses its lease meanwhile', async () => {
    const waits = orchestration('Waits', async (ctx) => await ctx.waitForExternalEvent('Go'));
    const parent = orchestration('Parent', async (ctx) => {
      const ids = [0, 1, 2].map((n) => `${ctx.instanceId}-${n}`);
      return await ctx.all(ids.map((instanceId) => ctx.callSubOrchestrator(waits, undefined, { instanceId })));
    });
    const taskHub = freshName();
    const quick = { taskHub, leaseMs: 1_000, pollMs: 100, functions: [parent, waits] };
    const hub = await open(quick);
    const id = await hub.client.startNew(parent);
    for (const n of [0, 1, 2]) await hub.reach(`${id}-${n}`, 'Running');
    await hub.client.terminate(id, 'all', { recursive: true });
    await execute(database, "update workers set expires_at = now() - interval '1 second'");
    for (const name of [id, `${id}-0`, `${id}-1`, `${id}-2`]) {
      expect(await hub.finish(name)).toMatchObject({ runtimeStatus: 'Terminated', output: 'all' });
    }
    // Nothing is left that nobody could take.
    await waitFor(async () => {
      const rows = await execute(
        database,
        'select from messages where hub_id = (select id from task_hubs where name = $1)',
        [taskHub],
      );
      return rows.length === 0;
    });
  });
});
