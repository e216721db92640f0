/** Rewinding failed instances (engine.md 3.8). */
import { expect, it } from 'vitest';
import { activity, orchestration, type OrchestrationContext } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf, typesOf } from '../support/history.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

/** An activity that notes each run, and fails for the inputs that are broken. */
function bench() {
  const ran: string[] = [];
  const broken = new Set<string>();
  const work = activity('Work', (input: string, ctx) => {
    ran.push(ctx.attempt > 1 ? `${input}#${ctx.attempt}` : input);
    if (broken.has(input)) throw new Error(`${input} is broken`);
    return `${input} done`;
  });
  return { ran, broken, work };
}

inBothModes('rewind', ({ open }) => {
  it('B122: runs only the failed activity again', async () => {
    const { ran, broken, work } = bench();
    const body = orchestration('Body', async (ctx) => [
      await ctx.callActivity(work, 'a'),
      await ctx.callActivity(work, 'b'),
      await ctx.callActivity(work, 'c'),
    ]);
    const hub = await open({ functions: [body, work] });
    broken.add('b');
    const { instanceId, ...failed } = await hub.run(body, { tags: { a: 'b' }, version: '3' });
    expect(failed.runtimeStatus).toBe('Failed');
    broken.clear();
    await hub.client.rewind(instanceId, 'mended');
    const ended = await hub.finish(instanceId);
    expect(ended).toMatchObject({ runtimeStatus: 'Completed', failure: null, tags: { a: 'b' }, version: '3' });
    expect(ended.output).toEqual(['a done', 'b done', 'c done']);
    expect(ran).toEqual(['a', 'b', 'b', 'c']);
    expect(ended.executionId).not.toBe(failed.executionId);
    expect(ended.executionId).toMatch(/^[0-9a-f]{32}$/);
    expect(ended.key).toBe(failed.key);
    expect(ended.createdAt).toEqual(failed.createdAt);
    const history = await historyOf(hub, instanceId);
    expect(eventsOf(history, 'TaskFailed')).toEqual([]);
    expect(eventsOf(history, 'TaskScheduled')).toHaveLength(3);
    expect(eventsOf(history, 'ExecutionCompleted')).toHaveLength(1);
    expect(eventsOf(history, 'ExecutionRewound')).toMatchObject([{ reason: 'mended', executionId: ended.executionId }]);
  });

  it('B123: of parallel calls runs again just those that failed', async () => {
    const { ran, broken, work } = bench();
    const inputs = ['a', 'b', 'c', 'd', 'e'];
    const failFast = orchestration('FailFast', (ctx) => Promise.all(inputs.map((one) => ctx.callActivity(work, one))));
    const waitsForAll = orchestration('WaitsForAll', (ctx) =>
      ctx.all(inputs.map((one) => ctx.callActivity(work, one))),
    );
    const hub = await open({ functions: [failFast, waitsForAll, work] });
    for (const body of [waitsForAll, failFast]) {
      for (const one of ['b', 'd']) broken.add(one);
      ran.length = 0;
      const { instanceId, runtimeStatus } = await hub.run(body);
      expect(runtimeStatus).toBe('Failed');
      await waitFor(() => ran.length >= 5);
      broken.clear();
      await hub.client.rewind(instanceId);
      expect((await hub.finish(instanceId)).output).toEqual(inputs.map((one) => `${one} done`));
      if (body === waitsForAll) expect(ran.slice(5).sort()).toEqual(['b', 'd']);
    }
  });

  it('B127: may be repeated, after it has failed again at the same or at another place', async () => {
    const { ran, broken, work } = bench();
    const body = orchestration('Body', async (ctx) => [
      await ctx.callActivity(work, 'a'),
      await ctx.callActivity(work, 'b'),
    ]);
    const hub = await open({ functions: [body, work] });
    for (const one of ['a', 'b']) broken.add(one);
    const { instanceId } = await hub.run(body);
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).failure?.message).toContain('a is broken');
    broken.delete('a');
    await hub.client.rewind(instanceId, 'second');
    expect((await hub.finish(instanceId)).failure?.message).toContain('b is broken');
    broken.clear();
    await hub.client.rewind(instanceId, 'third');
    expect((await hub.finish(instanceId)).output).toEqual(['a done', 'b done']);
    expect(ran).toEqual(['a', 'a', 'a', 'b', 'b']);
    const rewound = eventsOf(await historyOf(hub, instanceId), 'ExecutionRewound');
    expect(rewound.map(({ reason }) => reason)).toEqual([undefined, 'second', 'third']);
  });

  it('B127: an instance whose body threw is played again and may end otherwise', async () => {
    const { ran, work } = bench();
    let code = 'broken';
    const body = orchestration('Body', async (ctx) => {
      const first = await ctx.callActivity(work, 'a');
      if (code === 'broken') throw new TypeError('a bug');
      return [first, await ctx.callActivity(work, 'b')];
    });
    const hub = await open({ functions: [body, work] });
    const { instanceId } = await hub.run(body);
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).failure?.message).toBe('a bug');
    code = 'mended';
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toEqual(['a done', 'b done']);
    expect(ran).toEqual(['a', 'b']);
  });

  it('B127: also one that failed before it did anything, and one that the engine ended', async () => {
    const { work, ran } = bench();
    let broken = true;
    const early = orchestration('Early', (_ctx, input: number) => {
      if (broken) throw new Error('too early');
      return input;
    });
    const changing = orchestration('Changing', async (ctx) => {
      await ctx.callActivity(work, 'a');
      await ctx.waitForExternalEvent('Go');
      return broken ? ctx.callActivity(work, 'x') : ctx.callActivity(work, 'b');
    });
    const taskHub = freshName();
    const hub = await open({ taskHub, functions: [early, changing, work] });
    const { instanceId } = await hub.run(early, { input: 7 });
    const other = await hub.client.startNew(changing);
    await waitFor(async () => typesOf(await historyOf(hub, other)).includes('TaskCompleted'));
    // Code that does not agree with the history ends the instance; restored, it goes on.
    const changed = orchestration('Changing', (ctx) => ctx.callActivity('Elsewhere', 'a'));
    await hub.stop();
    const wrong = await open({ taskHub, functions: [changed, work] });
    await wrong.client.raiseEvent(other, 'Go');
    expect((await wrong.finish(other)).failure?.errorType).toBe('NonDeterminismError');
    await wrong.stop();
    broken = false;
    const right = await open({ taskHub, functions: [early, changing, work] });
    await right.client.rewind(instanceId);
    await right.client.rewind(other);
    expect((await right.finish(instanceId)).output).toBe(7);
    expect((await right.finish(other)).output).toBe('b done');
    expect(ran).toEqual(['a', 'b']);
  });

  it.each([
    ['one at a time', 0],
    ['beside others', 2],
  ])('a call with retries begins anew, and code and history go on agreeing: %s', async (_, others) => {
    const { ran, broken, work } = bench();
    const retry = { firstRetryIntervalInMilliseconds: 20, maxNumberOfAttempts: 3 };
    const body = orchestration('Body', async (ctx) => {
      const beside = Array.from({ length: others }, async (__, n) => {
        await ctx.createTimer(n * 15);
        return ctx.callActivity(work, `beside ${n}`);
      });
      const results = await Promise.all([ctx.callActivity(work, 'a', { retry }), ...beside]);
      return [...results, await ctx.callActivity(work, 'z', { retry })];
    });
    const hub = await open({ functions: [body, work] });
    broken.add('a');
    const { instanceId } = await hub.run(body);
    expect(ran.filter((one) => one.startsWith('a'))).toEqual(['a', 'a#2', 'a#3']);
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).failure?.message).toContain('a is broken');
    expect(ran.filter((one) => one.startsWith('a'))).toEqual(['a', 'a#2', 'a#3', 'a', 'a#2', 'a#3']);
    broken.clear();
    broken.add('z');
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).failure?.message).toContain('z is broken');
    broken.clear();
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toContain('z done');
    // What had succeeded was not repeated.
    expect(ran.filter((one) => one.startsWith('beside'))).toHaveLength(others);
  });

  it('what was caught and dealt with before stays as it was', async () => {
    const { ran, broken, work } = bench();
    const body = orchestration('Body', async (ctx) => {
      const results: string[] = [];
      for (const one of ['a', 'b', 'c']) {
        try {
          results.push(await ctx.callActivity(work, one));
        } catch {
          results.push(await ctx.callActivity(work, `instead of ${one}`));
        }
      }
      return [...results, await ctx.callActivity(work, 'd')];
    });
    const hub = await open({ functions: [body, work] });
    for (const one of ['b', 'd']) broken.add(one);
    const { instanceId } = await hub.run(body);
    broken.clear();
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toEqual(['a done', 'instead of b done', 'c done', 'd done']);
    expect(ran).toEqual(['a', 'b', 'instead of b', 'c', 'd', 'd']);
  });

  it('a compensation that followed from the failure is taken back with it', async () => {
    const { ran, broken, work } = bench();
    const body = orchestration('Body', async (ctx) => {
      const booked = await ctx.callActivity(work, 'book');
      try {
        return [booked, await ctx.callActivity(work, 'pay'), await ctx.callActivity(work, 'ship')];
      } catch (error) {
        await ctx.callActivity(work, 'cancel');
        await ctx.createTimer(1);
        await ctx.callActivity(work, 'apologise');
        throw error;
      }
    });
    const hub = await open({ functions: [body, work] });
    broken.add('pay');
    const { instanceId } = await hub.run(body);
    broken.clear();
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toEqual(['book done', 'pay done', 'ship done']);
    expect(ran).toEqual(['book', 'pay', 'cancel', 'apologise', 'pay', 'ship']);
    const scheduled = eventsOf(await historyOf(hub, instanceId), 'TaskScheduled');
    expect(scheduled.map(({ input }) => input)).toEqual(['"book"', '"pay"', '"ship"']);
  });

  it('timers and activities that were open when it failed are open again', async () => {
    const { ran, broken, work } = bench();
    const release = gate();
    const begun = gate();
    const slow = activity('Slow', async () => {
      begun.open();
      await release.passed;
      return 'slow done';
    });
    const both = (ctx: OrchestrationContext) =>
      Promise.all([
        ctx.createTimer(400).then(() => 'timer fired'),
        ctx.callActivity(slow),
        ctx.waitForExternalEvent('Go'),
        ctx.callActivity(work, 'a'),
      ]);
    const body = orchestration('Body', both);
    const hub = await open({ functions: [body, work, slow] });
    broken.add('a');
    const { instanceId } = await hub.run(body);
    await begun.passed;
    broken.clear();
    await hub.client.rewind(instanceId);
    release.open();
    await hub.client.raiseEvent(instanceId, 'Go', 'event');
    expect((await hub.finish(instanceId)).output).toEqual(['timer fired', 'slow done', 'event', 'a done']);
    expect(ran).toEqual(['a', 'a']);
  });

  it('a call that had timed out has its whole time again', async () => {
    const release = gate();
    let runs = 0;
    const slow = activity('Slow', async () => {
      runs += 1;
      if (runs === 1) await release.passed;
      return 'in time';
    });
    const body = orchestration('Body', (ctx) => ctx.callActivity(slow, undefined, { timeout: 400 }));
    const hub = await open({ functions: [body, slow] });
    const { instanceId, failure } = await hub.run(body);
    expect(failure?.message).toContain('timed out');
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toBe('in time');
    release.open();
  });

  it('a rewound instance can be terminated, and is again what it was when nobody runs it', async () => {
    const { broken, work } = bench();
    const body = orchestration('Body', (ctx) => ctx.callActivity(work, 'a'));
    const taskHub = freshName();
    const hub = await open({ taskHub, functions: [body, work] });
    broken.add('a');
    const { instanceId } = await hub.run(body);
    await hub.stop();
    const idle = await open({ taskHub, worker: false });
    await idle.client.rewind(instanceId);
    expect(await idle.client.getStatus(instanceId)).toMatchObject({
      runtimeStatus: 'Running',
      output: null,
      failure: null,
      completedAt: null,
    });
    await idle.client.terminate(instanceId, 'enough');
    const again = await open({ taskHub, functions: [body, work] });
    expect(await again.finish(instanceId)).toMatchObject({ runtimeStatus: 'Terminated', output: 'enough' });
  });

  it('B126: any other status is an error, a missing instance is not found', async () => {
    const { work } = bench();
    const waits = orchestration('Waits', (ctx) => ctx.waitForExternalEvent('Go'));
    const body = orchestration('Body', (ctx) => ctx.callActivity(work, 'a'));
    const hub = await open({ functions: [waits, body, work] });
    const { instanceId: completed } = await hub.run(body);
    const running = await hub.client.startNew(waits);
    await hub.reach(running, 'Running');
    const pending = await hub.client.startNew(waits, { startAt: '1h' });
    for (const [id, status] of [
      [completed, 'Completed'],
      [running, 'Running'],
      [pending, 'Pending'],
    ] as const) {
      const before = await hub.client.getStatus(id, { showHistory: true });
      await expect(hub.client.rewind(id)).rejects.toMatchObject({
        code: 'InstanceNotFailed',
        message: expect.stringContaining(status),
      });
      expect(await hub.client.getStatus(id, { showHistory: true })).toEqual(before);
    }
    await hub.client.suspend(running);
    await expect(hub.client.rewind(running)).rejects.toMatchObject({ code: 'InstanceNotFailed' });
    await hub.client.terminate(running);
    await hub.finish(running);
    await expect(hub.client.rewind(running)).rejects.toMatchObject({ code: 'InstanceNotFailed' });
    await expect(hub.client.rewind('nobody')).rejects.toMatchObject({ code: 'InstanceNotFound' });
  });

  it('many rewinds at once are one', async () => {
    const { ran, broken, work } = bench();
    const body = orchestration('Body', (ctx) => ctx.callActivity(work, 'a'));
    const hub = await open({ functions: [body, work] });
    broken.add('a');
    const { instanceId } = await hub.run(body);
    broken.clear();
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => hub.client.rewind(instanceId)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await hub.finish(instanceId);
    expect(ran).toEqual(['a', 'a']);
  });
});
