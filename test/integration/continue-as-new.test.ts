import fc from 'fast-check';
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf, typesOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

interface Taking {
  readonly left: number;
  readonly taken: readonly unknown[];
}

/** Takes one event in each execution. */
const takesOne = orchestration('TakesOne', async (ctx, { left, taken }: Taking) => {
  if (left === 0) return taken;
  const all = [...taken, await ctx.waitForExternalEvent('Item')];
  ctx.continueAsNew({ left: left - 1, taken: all });
  return undefined;
});

inBothModes('continueAsNew', ({ open, database }) => {
  it('B91, B92: a loop ends with its last output; the instance stays itself, its history is that of the last execution', async () => {
    const counts = orchestration('Counts', async (ctx, n: number) => {
      await ctx.createTimer(1);
      if (n < 12) ctx.continueAsNew(n + 1);
      return n;
    });
    const hub = await open({ functions: [counts] });
    const instanceId = await hub.client.startNew(counts, { input: 0 });
    const before = await hub.client.getStatus(instanceId);
    const seen = new Set<string>();
    const end = hub.finish(instanceId);
    let isOver = false;
    void end.finally(() => (isOver = true));
    while (!isOver) seen.add((await hub.client.getStatus(instanceId))?.runtimeStatus ?? 'gone');
    const after = await end;
    expect(after).toMatchObject({ key: before?.key, createdAt: before?.createdAt, input: '12', output: 12 });
    expect(after.executionId).not.toBe(before?.executionId);
    expect([...seen].filter((status) => !['Pending', 'Running', 'Completed'].includes(status))).toEqual([]);
    const history = await historyOf(hub, instanceId);
    expect(typesOf(history)).toEqual([
      'OrchestratorStarted',
      'ExecutionStarted',
      'TimerCreated',
      'OrchestratorStarted',
      'TimerFired',
      'ExecutionCompleted',
    ]);
    expect(history[1]).toMatchObject({ executionId: after.executionId, input: '12' });
    // Beside the rows of this execution one that the end of the execution before has left.
    const rows = await execute(database, 'select from history where instance_key = $1', [after.key]);
    expect(rows).toHaveLength(3);
    expect(await execute(database, 'select from messages where instance_key = $1', [after.key])).toEqual([]);
  });

  it('F31 B93, B95: events raised quickly to a body that takes one for each execution are all taken, in order', async () => {
    const hub = await open({ functions: [takesOne] });
    const id = await hub.client.startNew(takesOne, { input: { left: 10, taken: [] } });
    for (let n = 0; n < 10; n += 1) await hub.client.raiseEvent(id, n % 2 === 0 ? 'Item' : 'ITEM', n);
    expect((await hub.finish(id)).output).toEqual(Array.from({ length: 10 }, (_, n) => n));
  });

  it(
    'B93, B95: however the events come, none is lost, none comes twice, and each name keeps its order',
    { timeout: 120_000 },
    async () => {
      const gathers = orchestration(
        'Gathers',
        async (ctx, { left, taken }: { left: number; taken: readonly string[] }) => {
          const now: string[] = [];
          // How many it takes in this execution depends on what it has, so that what is left over differs too.
          const many = 1 + (taken.length % 3);
          while (now.length < Math.min(many, left)) {
            const name = (taken.length + now.length) % 2 === 0 ? 'A' : 'B';
            now.push(`${name}${await ctx.waitForExternalEvent<number>(name)}`);
          }
          const all = [...taken, ...now];
          if (left - now.length > 0) ctx.continueAsNew({ left: left - now.length, taken: all });
          return all;
        },
      );
      const hub = await open({ functions: [gathers] });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.boolean(), { minLength: 2, maxLength: 40 }),
          fc.boolean(),
          async (bursts, both) => {
            const total = 2 * bursts.length;
            const id = await hub.client.startNew(gathers, { input: { left: total, taken: [] } });
            const send = async (name: string): Promise<void> => {
              let waiting: Promise<void>[] = [];
              for (const [n, together] of bursts.entries()) {
                waiting.push(hub.client.raiseEvent(id, name, n));
                if (together) continue;
                await Promise.all(waiting);
                waiting = [];
              }
              await Promise.all(waiting);
            };
            if (both) await Promise.all([send('A'), send('B')]);
            else {
              await send('B');
              await send('A');
            }
            const { output } = await hub.finish(id);
            expect(output).toEqual(
              Array.from({ length: total }, (_, n) => `${n % 2 === 0 ? 'A' : 'B'}${Math.floor(n / 2)}`),
            );
          },
        ),
        { numRuns: 12 },
      );
    },
  );

  it('B94: with preserveUnprocessedEvents false, what nobody took is lost', async () => {
    const body = orchestration('Body', async (ctx, round: number) => {
      await ctx.waitForExternalEvent('Go');
      if (round === 0) return ctx.continueAsNew(1, { preserveUnprocessedEvents: false });
      return await ctx.waitForExternalEvent('Item');
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body, { input: 0 });
    await hub.client.raiseEvent(id, 'Item', 'early');
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'EventRaised').length === 1);
    const { executionId } = await hub.reach(id, 'Running');
    await hub.client.raiseEvent(id, 'Go');
    await waitFor(async () => (await hub.client.getStatus(id))?.executionId !== executionId);
    await hub.client.raiseEvent(id, 'Go');
    await hub.client.raiseEvent(id, 'Item', 'late');
    expect((await hub.finish(id)).output).toBe('late');
  });

  it('F31 B96: a late activity result of the execution before is ignored', async () => {
    const release = gate();
    const slow = activity('Slow', async (n: number) => {
      if (n === 0) await release.passed;
      return `result ${n}`;
    });
    const body = orchestration('Body', async (ctx, round: number) => {
      const call = ctx.callActivity(slow, round);
      if (round === 0) {
        await ctx.waitForExternalEvent('Go');
        return ctx.continueAsNew(1);
      }
      await ctx.waitForExternalEvent('Go');
      return await call;
    });
    const hub = await open({ functions: [body, slow] });
    const id = await hub.client.startNew(body, { input: 0 });
    const { executionId } = await hub.reach(id, 'Running');
    await hub.client.raiseEvent(id, 'Go');
    await waitFor(async () => (await hub.client.getStatus(id))?.executionId !== executionId);
    release.open();
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).output).toBe('result 1');
    expect(eventsOf(await historyOf(hub, id), 'TaskCompleted')).toHaveLength(1);
  });

  it('B97: a timer of the execution before does not disturb the next one, and is not kept', async () => {
    const body = orchestration('Body', async (ctx, round: number) => {
      if (round === 0) {
        ctx.createTimer('1h');
        ctx.createTimer(50);
        await ctx.waitForExternalEvent('Go');
        return ctx.continueAsNew(1);
      }
      const timer = ctx.createTimer(300);
      await timer;
      return ctx.currentUtcDateTime.getTime();
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body, { input: 0 });
    await hub.client.raiseEvent(id, 'Go');
    const { output, key } = await hub.finish(id);
    const [created] = eventsOf(await historyOf(hub, id), 'TimerCreated');
    expect(output).toBeGreaterThanOrEqual(created?.fireAt ?? Number.POSITIVE_INFINITY);
    expect(await execute(database, 'select from messages where instance_key = $1', [key])).toEqual([]);
  });

  it('B98: version and custom status stay unless they are changed', async () => {
    const body = orchestration('Body', (ctx, seen: readonly unknown[]) => {
      const all = [...seen, [ctx.version, ctx.customStatus]];
      if (seen.length === 0) ctx.setCustomStatus('begun');
      if (seen.length === 0) ctx.continueAsNew(all);
      if (seen.length === 1) ctx.continueAsNew(all, { version: '2.0' });
      return all;
    });
    const hub = await open({ functions: [body] });
    const ended = await hub.run(body, { input: [], version: '1.0' });
    expect(ended.output).toEqual([
      ['1.0', null],
      ['1.0', 'begun'],
      ['2.0', 'begun'],
    ]);
    expect(ended).toMatchObject({ version: '2.0', customStatus: '"begun"' });
  });

  it('B99: what was asked for before it in the same turn is done, what comes after is not', async () => {
    const ran: unknown[] = [];
    const note = activity('Note', (what: unknown) => void ran.push(what));
    const receives = orchestration('Receives', async (ctx) => await ctx.waitForExternalEvent('Item'));
    const body = orchestration('Body', (ctx, input: { readonly round: number; readonly to: string }) => {
      if (input.round > 0) return 'done';
      ctx.sendEvent(input.to, 'Item', 'before');
      ctx.callActivity(note, 'before');
      ctx.callSubOrchestrator('Noting', 'child');
      ctx.continueAsNew({ ...input, round: 1 });
      ctx.callActivity(note, 'after');
      ctx.sendEvent(input.to, 'Item', 'after');
      return undefined;
    });
    const noting = orchestration('Noting', async (ctx, what: unknown) => await ctx.callActivity(note, what));
    const hub = await open({ functions: [body, receives, noting, note] });
    const to = await hub.client.startNew(receives);
    expect((await hub.run(body, { input: { round: 0, to } })).output).toBe('done');
    expect((await hub.finish(to)).output).toBe('before');
    await waitFor(() => ran.length === 2);
    expect(ran.toSorted()).toEqual(['before', 'child']);
  });

  it('an event to its own id, sent with it, reaches the next execution', async () => {
    const body = orchestration('Body', async (ctx, round: number) => {
      if (round > 0) return await ctx.waitForExternalEvent('Self');
      ctx.sendEvent(ctx.instanceId, 'Self', 'from before');
      return ctx.continueAsNew(1);
    });
    const hub = await open({ functions: [body] });
    expect((await hub.run(body, { input: 0 })).output).toBe('from before');
  });

  it('B100: a sub-orchestration that continues as new reports to its parent only at the end', async () => {
    const counts = orchestration('Counts', (ctx, n: number) => {
      if (n < 5) return ctx.continueAsNew(n + 1);
      return [ctx.parentInstanceId, n];
    });
    const parent = orchestration('Parent', async (ctx) => await ctx.callSubOrchestrator<unknown>('Counts', 0));
    const hub = await open({ functions: [parent, counts] });
    const id = await hub.client.startNew(parent);
    expect((await hub.finish(id)).output).toEqual([id, 5]);
    expect(eventsOf(await historyOf(hub, id), 'SubOrchestrationInstanceCompleted')).toHaveLength(1);
  });

  it("a child's end is not told to the next execution of its parent", async () => {
    const waits = orchestration('Waits', async (ctx) => await ctx.waitForExternalEvent('Go'));
    const parent = orchestration(
      'Parent',
      async (ctx, input: { readonly round: number; readonly ids: readonly string[] }) => {
        const call = ctx.callSubOrchestrator(waits, undefined, { instanceId: input.ids[input.round] ?? '' });
        if (input.round > 0) return await call;
        return ctx.continueAsNew({ ...input, round: 1 });
      },
    );
    const hub = await open({ functions: [parent, waits] });
    const ids = [freshName(), freshName()] as const;
    const id = await hub.client.startNew(parent, { input: { round: 0, ids } });
    for (const [index, child] of ids.entries()) {
      await waitFor(async () => (await hub.client.getStatus(child)) !== undefined);
      await hub.client.raiseEvent(child, 'Go', `child ${index}`);
      await hub.finish(child);
    }
    expect((await hub.finish(id)).output).toBe('child 1');
  });

  it('F31 a terminate that comes with what makes the code continue as new wins', async () => {
    const hub = await open({ functions: [takesOne] });
    const held = await hub.client.startNew(takesOne, { input: { left: 1_000, taken: [] } });
    await hub.reach(held, 'Running');
    await Promise.all([hub.client.raiseEvent(held, 'Item', 1), hub.client.terminate(held, 'now')]);
    expect(await hub.finish(held)).toMatchObject({ runtimeStatus: 'Terminated', output: 'now' });
  });

  it('a body that continues as new without awaiting lets others go on, and can be ended', async () => {
    const spins = orchestration('Spins', (ctx, n: number) => ctx.continueAsNew(n + 1));
    const other = orchestration('Other', async (ctx) => {
      await ctx.createTimer(1);
      return 'done';
    });
    const hub = await open({ functions: [spins, other] });
    const ids = await Promise.all(Array.from({ length: 5 }, () => hub.client.startNew(spins, { input: 0 })));
    for (let n = 0; n < 5; n += 1) expect((await hub.run(other)).output).toBe('done');
    await Promise.all(ids.map((id) => hub.client.terminate(id, 'enough')));
    for (const id of ids) expect(await hub.finish(id)).toMatchObject({ runtimeStatus: 'Terminated' });
  });

  it('goes on with its next execution on another worker when its own stops', async () => {
    const taskHub = freshName();
    const spins = orchestration('Spins', (ctx, n: number) => ctx.continueAsNew(n + 1));
    const first = await open({ taskHub, functions: [spins] });
    const id = await first.client.startNew(spins, { input: 0 });
    await first.reach(id, 'Running');
    await first.stop();
    const second = await open({ taskHub, functions: [spins] });
    const { input } = await second.reach(id, 'Running');
    await waitFor(async () => Number((await second.client.getStatus(id))?.input) > Number(input));
    await second.client.terminate(id);
  });

  it('fails when the body throws after it', async () => {
    const body = orchestration('Body', (ctx) => {
      ctx.continueAsNew(1);
      throw new Error('after all');
    });
    const hub = await open({ functions: [body] });
    expect(await hub.run(body)).toMatchObject({ runtimeStatus: 'Failed', failure: { message: 'after all' } });
  });

  it('a suspension that comes with the events of a continuing body holds for the next execution', async () => {
    const hub = await open({ functions: [takesOne] });
    const id = await hub.client.startNew(takesOne, { input: { left: 3, taken: [] } });
    await hub.reach(id, 'Running');
    await Promise.all([
      hub.client.raiseEvent(id, 'Item', 1),
      hub.client.suspend(id),
      hub.client.raiseEvent(id, 'Item', 2),
    ]);
    await hub.reach(id, 'Suspended');
    await hub.client.raiseEvent(id, 'Item', 3);
    await hub.client.resume(id);
    expect((await hub.finish(id)).output).toEqual([1, 2, 3]);
  });
});
