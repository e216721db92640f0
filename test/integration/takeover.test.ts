import { expect, it } from 'vitest';
import { activity, orchestration, type ActivityContext } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute, holdingCommits } from '../support/sql.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const quick = { leaseMs: 1_000, pollMs: 100 };

inBothModes('workers that come and go', ({ open, database }) => {
  it.each(['where it was scheduled', 'from the queue'])(
    'F35 F38 B149, B150: an activity whose worker loses its lease runs again, and its orchestrator sees one result (%s)',
    async (where) => {
      const taskHub = freshName();
      const runs: Pick<ActivityContext, 'taskId' | 'attempt' | 'redelivery'>[] = [];
      const [begun, release] = [gate(), gate()];
      const work = activity('Work', async (_input, { taskId, attempt, redelivery }) => {
        runs.push({ taskId, attempt, redelivery });
        const run = runs.length;
        begun.open();
        if (run === 1) await release.passed;
        return run;
      });
      const body = orchestration('Body', async (ctx) => [
        await ctx.callActivity('Work'),
        await ctx.waitForExternalEvent('Go'),
      ]);
      const isLocal = where === 'where it was scheduled';
      const hub = await open({ ...quick, taskHub, functions: isLocal ? [body, work] : [body] });
      const id = isLocal ? await hub.client.startNew(body) : undefined;
      const worker = isLocal ? hub : await open({ ...quick, taskHub, functions: [work] });
      const instanceId = id ?? (await hub.client.startNew(body));
      await begun.passed;
      // As if its heartbeats had not come through: others may take over what it holds.
      await execute(
        database,
        "update workers set expires_at = now() - interval '1 second' where 'Work' = any(activities) and hub_id = (select id from task_hubs where name = $1)",
        [taskHub],
      );
      await open({ ...quick, taskHub, functions: [body, work] });
      await waitFor(async () => eventsOf(await historyOf(hub, instanceId), 'TaskCompleted').length === 1);
      // The first run ends at last: too late.
      release.open();
      await worker.client.raiseEvent(instanceId, 'Go', 'went on');
      expect((await hub.finish(instanceId)).output).toEqual([2, 'went on']);
      expect(runs).toEqual([
        { taskId: runs[0]?.taskId, attempt: 1, redelivery: 0 },
        { taskId: runs[0]?.taskId, attempt: 1, redelivery: 1 },
      ]);
      expect(eventsOf(await historyOf(hub, instanceId), 'TaskCompleted')).toHaveLength(1);
    },
  );

  it('F29: an activity is given up when worker after worker has died with it and nobody knows why', async () => {
    const taskHub = freshName();
    const [begun, release] = [gate(), gate()];
    let runs = 0;
    const work = activity('Work', async () => {
      runs += 1;
      begun.open();
      await release.passed;
    });
    const body = orchestration('Body', (ctx) => ctx.callActivity('Work'));
    const hub = await open({ ...quick, taskHub, functions: [body] });
    await open({ ...quick, taskHub, functions: [work] });
    const id = await hub.client.startNew(body);
    await begun.passed;
    const ofHub = 'hub_id = (select id from task_hubs where name = $1)';
    await execute(database, `update activity_tasks set crash_count = 10 where ${ofHub}`, [taskHub]);
    await execute(database, `update workers set expires_at = now() - interval '1 second' where ${ofHub}`, [taskHub]);
    const { runtimeStatus, failure } = await hub.finish(id);
    expect(runtimeStatus).toBe('Failed');
    expect(failure?.message).toContain("11 workers have died while they ran activity 'Work'; it is not tried again.");
    expect(runs).toBe(1);
    release.open();
  });

  it('F29: after a crash a first turn runs when its start is stored, and not before', async () => {
    const taskHub = freshName();
    const body = orchestration('Body', (ctx) => ctx.waitForExternalEvent('Go'));
    await (await open({ ...quick, taskHub, functions: [body] })).stop();
    await execute(
      database,
      `insert into workers (hub_id, name, orchestrators, activities, expires_at)
       select id, 'crashed', '{}', '{}', now() - interval '1 second' from task_hubs where name = $1`,
      [taskHub],
    );
    const hub = await open({ ...quick, taskHub, functions: [body] });
    const id = await holdingCommits(database, () => hub.client.startNew(body));
    await hub.client.raiseEvent(id, 'Go', 'gone');
    expect((await hub.finish(id)).output).toBe('gone');
  });

  it('F18 F20 B148: a turn whose worker lost its lease meanwhile is not committed; another worker completes it', async () => {
    const taskHub = freshName();
    let bodies = 0;
    const body = orchestration('Body', (_ctx, input: unknown) => {
      bodies += 1;
      return input;
    });
    const hub = await open({ ...quick, taskHub, functions: [body] });
    const id = await holdingCommits(database, async () => {
      const started = await hub.client.startNew(body, { input: 'once' });
      await waitFor(() => bodies === 1, { what: 'the first turn to run' });
      await execute(database, "update workers set expires_at = now() - interval '1 second'");
      await open({ ...quick, taskHub, functions: [body] });
      return started;
    });
    expect((await hub.finish(id)).output).toBe('once');
    expect(eventsOf(await historyOf(hub, id), 'ExecutionStarted')).toHaveLength(1);
    expect(eventsOf(await historyOf(hub, id), 'ExecutionCompleted')).toHaveLength(1);
  });

  it('F15 F71 B151: a restart in the middle of many instances: all complete, no activity ran twice', async () => {
    const taskHub = freshName();
    const runs = new Map<string, number>();
    const step = activity('Step', async (n: number, ctx) => {
      runs.set(ctx.taskId, (runs.get(ctx.taskId) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return n + 1;
    });
    const body = orchestration('Body', async (ctx, start: number) => {
      let n = start;
      for (let i = 0; i < 3; i += 1) n = await ctx.callActivity(step, n);
      await ctx.createTimer(20);
      return await ctx.callActivity(step, n);
    });
    const functions = [body, step];
    const first = await open({ taskHub, functions });
    const ids = await Promise.all(Array.from({ length: 100 }, (_, n) => first.client.startNew(body, { input: n })));
    await waitFor(() => runs.size > 50, { what: 'half of the instances to be under way' });
    await first.stop();
    const second = await open({ taskHub, functions });
    const outputs = [];
    for (const id of ids) outputs.push((await second.finish(id)).output);
    expect(outputs).toEqual(ids.map((_, n) => n + 4));
    expect([...runs.values()].filter((count) => count > 1)).toEqual([]);
    expect(runs.size).toBe(400);
  });

  it('F33 B152: messages that arrive while a turn is committed are taken by the next, none is lost', async () => {
    const body = orchestration('Body', async (ctx) => {
      const taken: unknown[] = [];
      while (taken.length < 10) taken.push(await ctx.waitForExternalEvent('Item'));
      return taken;
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    await hub.reach(id, 'Running');
    await holdingCommits(database, async () => {
      for (let n = 0; n < 10; n += 1) await hub.client.raiseEvent(id, 'Item', n);
    });
    expect((await hub.finish(id)).output).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('B153: many workers never run one instance at once', async () => {
    const taskHub = freshName();
    const runs = new Map<string, number>();
    const step = activity('Step', (n: number, ctx) => {
      runs.set(ctx.taskId, (runs.get(ctx.taskId) ?? 0) + 1);
      return n + 1;
    });
    const body = orchestration('Body', async (ctx) => {
      let n = 0;
      for (let i = 0; i < 5; i += 1) {
        await ctx.waitForExternalEvent('Item');
        n = await ctx.callActivity(step, n);
      }
      return n;
    });
    const hubs: TestHub[] = [];
    for (let n = 0; n < 4; n += 1) hubs.push(await open({ taskHub, functions: [body, step], pollMs: 50 }));
    const [hub] = hubs;
    if (hub === undefined) throw new Error('no hub');
    const ids = Array.from({ length: 30 }, (_, n) => `many-${n}`);
    await Promise.all(
      ids.map(async (instanceId, n) => {
        await hub.client.startNew(body, { instanceId });
        for (let i = 0; i < 5; i += 1) await hubs[(n + i) % hubs.length]?.client.raiseEvent(instanceId, 'Item');
      }),
    );
    for (const id of ids) {
      expect((await hub.finish(id)).output).toBe(5);
      const history = await historyOf(hub, id);
      expect(eventsOf(history, 'ExecutionStarted')).toHaveLength(1);
      expect(eventsOf(history, 'TaskScheduled')).toHaveLength(5);
      expect(eventsOf(history, 'EventRaised')).toHaveLength(5);
    }
    expect([...runs.values()].every((count) => count === 1)).toBe(true);
    expect(runs.size).toBe(150);
  });
});
