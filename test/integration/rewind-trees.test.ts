/** Rewinding a failed instance with its sub-orchestrations and calls of entities (engine.md 3.8). */
import { expect, it } from 'vitest';
import { entity } from '../../src/model/entity-functions.ts';
import { activity, orchestration, type OrchestrationContext } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

/** An activity that notes each run, and fails for the inputs that are broken. */
function bench() {
  const ran: string[] = [];
  const broken = new Set<string>();
  const work = activity('Work', (input: string) => {
    ran.push(input);
    if (broken.has(input)) throw new Error(`${input} is broken`);
    return `${input} done`;
  });
  return { ran, broken, work };
}

async function childrenOf(hub: TestHub, parent: string): Promise<readonly string[]> {
  const created = eventsOf(await historyOf(hub, parent), 'SubOrchestrationInstanceCreated');
  return created.map(({ instanceId }) => instanceId);
}

async function failsWith(hub: TestHub, instanceId: string, text: string): Promise<void> {
  expect((await hub.finish(instanceId)).failure?.message).toContain(text);
}

inBothModes('rewind of trees', ({ open }) => {
  it('B124: goes down through two levels; what had succeeded is not repeated', async () => {
    const { ran, broken, work } = bench();
    const leaf = orchestration('Leaf', async (ctx, input: string) => [
      await ctx.callActivity(work, `${input} first`),
      await ctx.callActivity(work, input),
    ]);
    const middle = orchestration('Middle', (ctx, input: string) =>
      ctx.all([ctx.callSubOrchestrator(leaf, `${input}1`), ctx.callSubOrchestrator(leaf, `${input}2`)]),
    );
    const root = orchestration('Root', async (ctx) => [
      await ctx.callSubOrchestrator(middle, 'a'),
      await ctx.callSubOrchestrator(middle, 'b'),
    ]);
    const hub = await open({ functions: [root, middle, leaf, work] });
    broken.add('b2');
    const { instanceId } = await hub.run(root);
    await failsWith(hub, instanceId, 'b2 is broken');
    const [, failed = ''] = await childrenOf(hub, instanceId);
    broken.clear();
    await hub.client.rewind(instanceId, 'mended');
    const done = (one: string): readonly string[] => [`${one} first done`, `${one} done`];
    expect((await hub.finish(instanceId)).output).toEqual([
      [done('a1'), done('a2')],
      [done('b1'), done('b2')],
    ]);
    expect(ran.filter((one) => one === 'b2')).toHaveLength(2);
    expect(ran).toHaveLength(9);
    const rewound = eventsOf(await historyOf(hub, failed), 'ExecutionRewound');
    expect(rewound).toMatchObject([{ reason: 'mended' }]);
  });

  it('B124, B127: may be repeated', async () => {
    const { ran, broken, work } = bench();
    const child = orchestration('Child', (ctx) => ctx.callActivity(work, 'a'));
    const parent = orchestration('Parent', (ctx) => ctx.callSubOrchestrator(child));
    const hub = await open({ functions: [parent, child, work] });
    broken.add('a');
    const { instanceId } = await hub.run(parent);
    await hub.client.rewind(instanceId);
    await failsWith(hub, instanceId, 'a is broken');
    broken.clear();
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toBe('a done');
    expect(ran).toEqual(['a', 'a', 'a']);
  });

  it('B125: a child that was purged, and one that was terminated, begin anew', async () => {
    const { ran, broken, work } = bench();
    const child = orchestration('Child', async (ctx, input: string) => [
      ctx.parentInstanceId,
      await ctx.callActivity(work, input),
    ]);
    const parent = orchestration('Parent', (ctx) => ctx.callSubOrchestrator(child, 'a', { tags: { of: 'child' } }));
    const hub = await open({ functions: [parent, child, work] });
    broken.add('a');
    const { instanceId } = await hub.run(parent, { tags: { of: 'parent', team: 'x' } });
    const [purged = ''] = await childrenOf(hub, instanceId);
    await hub.client.purgeInstanceHistory(purged);
    broken.clear();
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toEqual([instanceId, 'a done']);
    expect((await hub.client.getStatus(purged))?.tags).toEqual({ of: 'child', team: 'x' });
    expect(ran).toEqual(['a', 'a']);

    const opened = gate();
    const waits = orchestration('Waits', async (ctx) => [
      await ctx.callActivity('Pass'),
      await ctx.waitForExternalEvent('Go'),
    ]);
    const pass = activity('Pass', () => opened.passed.then(() => 'passed'));
    const caller = orchestration('Caller', (ctx) => ctx.callSubOrchestrator(waits));
    const other = await open({ functions: [caller, waits, pass] });
    const called = await other.client.startNew(caller);
    const [stopped = ''] = await waitFor(async () => {
      const found = await childrenOf(other, called);
      return found.length > 0 && found;
    });
    await other.client.terminate(stopped, 'by hand');
    await failsWith(other, called, 'by hand');
    opened.open();
    await other.client.rewind(called);
    await other.reach(stopped, 'Running');
    await other.client.raiseEvent(stopped, 'Go', 1);
    expect((await other.finish(called)).output).toEqual(['passed', 1]);
  });

  it('children that went on while their parent had failed are heard: one that has ended, and one that still runs', async () => {
    const { broken, work } = bench();
    const waits = orchestration('Waits', (ctx) => ctx.waitForExternalEvent('Go'));
    const parent = orchestration('Parent', (ctx) =>
      Promise.all([
        ctx.callSubOrchestrator(waits),
        ctx.callSubOrchestrator(waits),
        ctx.callActivity(work, 'a'),
      ] as const),
    );
    const hub = await open({ functions: [parent, waits, work] });
    broken.add('a');
    const { instanceId } = await hub.run(parent);
    const [first = '', second = ''] = await childrenOf(hub, instanceId);
    await hub.client.raiseEvent(first, 'Go', 1);
    await hub.finish(first);
    broken.clear();
    await hub.client.rewind(instanceId);
    await hub.client.raiseEvent(second, 'Go', 2);
    expect((await hub.finish(instanceId)).output).toEqual([1, 2, 'a done']);
  });

  it.each([
    ['with an id for each try', undefined],
    ['with an id of its own', 'the-child'],
  ])('a child that was tried several times is rewound from its first try, %s', async (_, instanceId) => {
    const { ran, broken, work } = bench();
    const child = orchestration('Child', (ctx) => ctx.callActivity(work, 'a'));
    const retry = { firstRetryIntervalInMilliseconds: 20, maxNumberOfAttempts: 3 };
    const parent = orchestration('Parent', async (ctx) => [
      await ctx.callSubOrchestrator(child, undefined, {
        retry,
        ...(instanceId === undefined ? {} : { instanceId }),
      }),
      await ctx.callActivity(work, 'b'),
    ]);
    const hub = await open({ functions: [parent, child, work] });
    broken.add('a');
    const ended = await hub.run(parent);
    expect(ran).toEqual(['a', 'a', 'a']);
    broken.clear();
    await hub.client.rewind(ended.instanceId);
    expect((await hub.finish(ended.instanceId)).output).toEqual(['a done', 'b done']);
    expect(ran).toEqual(['a', 'a', 'a', 'a', 'b']);
  });

  it('a compensation by a child, made because of the failure that is undone, is forgotten', async () => {
    const { ran, broken, work } = bench();
    const child = orchestration('Child', (ctx, input: string) => ctx.callActivity(work, input));
    const saga = orchestration('Saga', async (ctx: OrchestrationContext) => {
      try {
        return await ctx.callSubOrchestrator(child, 'a');
      } catch (error) {
        await ctx.callSubOrchestrator(child, 'undo');
        throw error;
      }
    });
    const hub = await open({ functions: [saga, child, work] });
    broken.add('a');
    const { instanceId } = await hub.run(saga);
    broken.clear();
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toBe('a done');
    expect(ran).toEqual(['a', 'undo', 'a']);
  });

  it('a call of an entity that failed is made again; what failed inside a critical section is refused', async () => {
    let broken = true;
    const counter = entity('Counter', {
      initialState: () => 0,
      operations: {
        add: (ctx, n: number) => {
          if (broken) throw new RangeError('no adding today');
          return (ctx.state += n);
        },
      },
    });
    const calls = orchestration('Calls', (ctx) => ctx.callEntity(counter.id('a'), 'add', 5));
    const locks = orchestration('Locks', async (ctx) => {
      await ctx.lock([counter.id('b')]);
      return await ctx.callEntity(counter.id('b'), 'add', 5);
    });
    const hub = await open({ functions: [counter, calls, locks] });
    const { instanceId } = await hub.run(calls);
    const locked = await hub.run(locks);
    broken = false;
    await hub.client.rewind(instanceId);
    expect((await hub.finish(instanceId)).output).toBe(5);
    await expect(hub.client.rewind(locked.instanceId)).rejects.toMatchObject({ code: 'InvalidTransition' });
    expect((await hub.client.getStatus(locked.instanceId))?.runtimeStatus).toBe('Failed');
  });
});
