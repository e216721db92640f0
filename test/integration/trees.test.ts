import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const leaf = orchestration('Leaf', async (ctx) => {
  await ctx.waitForExternalEvent('Go');
  return await ctx.callActivity('After');
});
/** Five leaves; the ids are those of the parent with a number. */
const middle = orchestration('Middle', async (ctx) => {
  const ids = [1, 2, 3, 4, 5].map((n) => `${ctx.instanceId}-${n}`);
  return await ctx.all(ids.map((instanceId) => ctx.callSubOrchestrator('Leaf', undefined, { instanceId })));
});
const root = orchestration('Root', async (ctx) => {
  return await ctx.callSubOrchestrator('Middle', undefined, { instanceId: `${ctx.instanceId}-m` });
});
const names = (id: string): readonly string[] => [id, `${id}-m`, ...[1, 2, 3, 4, 5].map((n) => `${id}-m-${n}`)];

function functions() {
  const ran: string[] = [];
  const after = activity('After', (_input, { instanceId }) => void ran.push(instanceId));
  return { ran, all: [root, middle, leaf, after] };
}

/** A tree of which every instance waits. */
async function growTree(hub: TestHub): Promise<string> {
  const id = await hub.client.startNew(root, { instanceId: freshName() });
  for (const name of names(id)) await hub.reach(name, 'Running');
  return id;
}

const statusOf = async (hub: TestHub, id: string) => (await hub.client.getStatus(id))?.runtimeStatus;

inBothModes('trees of orchestrations', ({ open }) => {
  it('B115: a recursive terminate ends all that is below, and what they would have done is never done', async () => {
    const { ran, all } = functions();
    const hub = await open({ functions: all });
    const id = await growTree(hub);
    await hub.client.terminate(id, 'the whole tree', { recursive: true });
    for (const name of names(id)) {
      expect(await hub.finish(name)).toMatchObject({ runtimeStatus: 'Terminated', output: 'the whole tree' });
    }
    expect(ran).toEqual([]);
  });

  it('B115: a terminate that is not recursive lets them go on', async () => {
    const { ran, all } = functions();
    const hub = await open({ functions: all });
    const id = await growTree(hub);
    await hub.client.terminate(id, 'only this');
    await hub.finish(id);
    for (const name of names(id).slice(2)) await hub.client.raiseEvent(name, 'Go');
    for (const name of names(id).slice(1)) expect(await hub.finish(name)).toMatchObject({ runtimeStatus: 'Completed' });
    expect(ran.toSorted()).toEqual(names(id).slice(2));
  });

  it('B116: a child that has finished stays Completed, and an id that is not a child any more is left alone', async () => {
    const { all } = functions();
    const hub = await open({ functions: all });
    const id = await growTree(hub);
    const [, , done, replaced] = names(id) as readonly [string, string, string, string];
    await hub.client.raiseEvent(done, 'Go');
    await hub.finish(done);
    await hub.client.startNew('Leaf', { instanceId: replaced, onExisting: 'terminate' });
    await hub.reach(replaced, 'Running');
    await hub.client.terminate(id, 'now', { recursive: true });
    const others = names(id).filter((name) => name !== done && name !== replaced);
    // One failed child fails its parent, unless that was ended first.
    for (const name of others) expect(isOver(await statusOf(hub, (await hub.finish(name)).instanceId))).toBe(true);
    expect(await statusOf(hub, done)).toBe('Completed');
    expect(await statusOf(hub, replaced)).toBe('Running');
  });

  it('a live child that another instance takes the place of has failed for its parent', async () => {
    const parent = orchestration('Parent', async (ctx, instanceId: string) => {
      try {
        return await ctx.callSubOrchestrator('Leaf', undefined, { instanceId });
      } catch (error) {
        return String(error);
      }
    });
    const hub = await open({ functions: [...functions().all, parent] });
    const child = freshName();
    const id = await hub.client.startNew(parent, { input: child });
    await hub.reach(child, 'Running');
    await hub.client.startNew('Leaf', { instanceId: child, onExisting: 'terminate' });
    expect((await hub.finish(id)).output).toMatch(/replaced by another instance of its id/);
  });

  it('a recursive terminate reaches children that nobody has begun', async () => {
    const parent = orchestration('Parent', async (ctx) => await ctx.callSubOrchestrator('Later'));
    const taskHub = freshName();
    const hub = await open({ taskHub, functions: [parent] });
    const id = await hub.client.startNew(parent);
    const child = await waitFor(
      async () => eventsOf(await historyOf(hub, id), 'SubOrchestrationInstanceCreated')[0]?.instanceId,
    );
    await hub.client.terminate(id, 'early', { recursive: true });
    await hub.finish(id);
    let ran = false;
    const later = orchestration('Later', () => {
      ran = true;
    });
    await open({ taskHub, functions: [later] });
    expect(await hub.finish(child)).toMatchObject({ runtimeStatus: 'Terminated', output: 'early' });
    expect(ran).toBe(false);
  });

  it('B136: a recursive purge removes what is below too, another leaves it', async () => {
    const { all } = functions();
    const hub = await open({ functions: all });
    const [first, second] = [await growTree(hub), await growTree(hub)];
    for (const id of [first, second]) {
      await hub.client.terminate(id, 'done', { recursive: true });
      for (const name of names(id)) await hub.finish(name);
    }
    expect(await hub.client.purgeInstanceHistory(first, { recursive: true })).toEqual({ instancesDeleted: 7 });
    expect(await hub.client.purgeInstanceHistory(first, { recursive: true })).toEqual({ instancesDeleted: 0 });
    for (const name of names(first)) expect(await hub.client.getStatus(name)).toBeUndefined();
    expect(await hub.client.purgeInstanceHistory(second)).toEqual({ instancesDeleted: 1 });
    for (const name of names(second).slice(1)) expect(await statusOf(hub, name)).toBe('Terminated');
  });

  it('B136: a recursive purge of a tree of which something runs removes nothing, and says what runs', async () => {
    const { all } = functions();
    const hub = await open({ functions: all });
    const id = await growTree(hub);
    await hub.client.terminate(id, 'only this');
    await hub.finish(id);
    await expect(hub.client.purgeInstanceHistory(id, { recursive: true })).rejects.toMatchObject({
      code: 'InstanceNotTerminal',
      message: expect.stringContaining(`${id}-m`) as string,
    });
    expect(await statusOf(hub, id)).toBe('Terminated');
    await hub.client.terminate(`${id}-m`, undefined, { recursive: true });
    for (const name of names(id)) await hub.finish(name);
    expect(await hub.client.purgeInstanceHistory(id, { recursive: true })).toEqual({ instancesDeleted: 7 });
  });

  it('B87: a child inherits tags, through an execution that continues as new; its own win', async () => {
    const child = orchestration('Child', () => 'done');
    const parent = orchestration('Parent', async (ctx, round: number) => {
      if (round === 0) return ctx.continueAsNew(1);
      const options = { instanceId: `${ctx.instanceId}-c`, tags: { b: 'own', c: '3' } };
      return await ctx.callSubOrchestrator(child, undefined, options);
    });
    const hub = await open({ functions: [parent, child] });
    const ended = await hub.run(parent, { input: 0, tags: { a: '1', b: '2' } });
    expect(ended.tags).toEqual({ a: '1', b: '2' });
    expect((await hub.finish(`${ended.instanceId}-c`)).tags).toEqual({ a: '1', b: 'own', c: '3' });
  });
});

function isOver(status: string | undefined): boolean {
  return status === 'Terminated' || status === 'Failed';
}
