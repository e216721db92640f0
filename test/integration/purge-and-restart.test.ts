import { expect, it } from 'vitest';
import type { InstanceFilter, OrchestrationInstance } from '../../src/model/instance.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { execute } from '../support/sql.ts';
import { inBothModes, type TestHub, type TestHubs } from '../support/task-hubs.ts';

const waits = orchestration('Waits', async (ctx, input: unknown) => {
  await ctx.waitForExternalEvent('Go');
  return input;
});
const echo = activity('Echo', (input: unknown) => input);
const echoes = orchestration('Echoes', (ctx, input: unknown) => ctx.callActivity(echo, input));
const fails = orchestration('Fails', () => {
  throw new Error('on purpose');
});

inBothModes('purge', ({ open, database }) => {
  it('B131: an ended instance is gone with all that it left; a second purge finds nothing', async () => {
    const hub = await open({ functions: [echoes, echo] });
    const { instanceId, key } = await hub.run(echoes, { input: 1 });
    expect(await hub.client.purgeInstanceHistory(instanceId)).toEqual({ instancesDeleted: 1 });
    expect(await hub.client.getStatus(instanceId)).toBeUndefined();
    expect(await hub.client.purgeInstanceHistory(instanceId)).toEqual({ instancesDeleted: 0 });
    const left = await execute(database, 'select sequence from history where instance_key = $1', [key]);
    expect(left).toEqual([]);
  });

  it('B131: an unknown id: nothing deleted', async () => {
    const hub = await open({ functions: [] });
    expect(await hub.client.purgeInstanceHistory('nobody')).toEqual({ instancesDeleted: 0 });
  });

  it('B132: a live instance is refused and lives on', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits, { input: 1 });
    await hub.reach(id, 'Running');
    await expect(hub.client.purgeInstanceHistory(id)).rejects.toMatchObject({ code: 'InstanceNotTerminal' });
    expect(await hub.client.purgeInstanceHistoryBy({})).toEqual({ instancesDeleted: 0 });
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).output).toBe(1);
  });

  it.each<{
    readonly title: string;
    readonly filter: (made: Made) => InstanceFilter;
    readonly deleted: readonly string[];
  }>([
    { title: 'everything', filter: () => ({}), deleted: ['c1', 'c2', 'f1', 't1'] },
    { title: 'one status', filter: () => ({ runtimeStatus: ['Completed'] }), deleted: ['c1', 'c2'] },
    { title: 'two statuses', filter: () => ({ runtimeStatus: ['Failed', 'Terminated'] }), deleted: ['f1', 't1'] },
    { title: 'live statuses only', filter: () => ({ runtimeStatus: ['Running'] }), deleted: [] },
    { title: 'no status', filter: () => ({ runtimeStatus: [] }), deleted: ['c1', 'c2', 'f1', 't1'] },
    { title: 'an id prefix', filter: () => ({ instanceIdPrefix: 'c' }), deleted: ['c1', 'c2'] },
    { title: 'created from', filter: (made) => ({ createdFrom: made.f1.createdAt }), deleted: ['f1', 't1'] },
    { title: 'created to', filter: (made) => ({ createdTo: made.c2.createdAt }), deleted: ['c1', 'c2'] },
    {
      title: 'a window and a status',
      filter: (made) => ({
        createdFrom: made.c2.createdAt,
        createdTo: made.t1.createdAt,
        runtimeStatus: ['Completed'],
      }),
      deleted: ['c2'],
    },
  ])('B133: by $title, exactly those that match and have ended', async ({ filter, deleted }) => {
    const { hub, made } = await openWithFive(open);
    expect(await hub.client.purgeInstanceHistoryBy(filter(made))).toEqual({ instancesDeleted: deleted.length });
    const { instances } = await hub.client.getStatusBy({});
    const left = ['c1', 'c2', 'f1', 't1', 'live'].filter((id) => !deleted.includes(id));
    expect(instances.map((instance) => instance.instanceId).sort()).toEqual(left.sort());
  });

  it('B134: more than a thousand at once', async () => {
    const hub = await open({ functions: [orchestration('Done', () => 1)] });
    const ids = await Promise.all(Array.from({ length: 1_050 }, () => hub.client.startNew('Done')));
    for (const id of ids) await hub.finish(id);
    expect(await hub.client.purgeInstanceHistoryBy({})).toEqual({ instancesDeleted: 1_050 });
  }, 60_000);

  it('B137: an id that was purged can start again', async () => {
    const hub = await open({ functions: [waits] });
    await hub.client.startNew(waits, { instanceId: 'one', input: 'first' });
    await hub.client.terminate('one');
    await hub.finish('one');
    await hub.client.purgeInstanceHistory('one');
    await hub.client.startNew(waits, { instanceId: 'one', input: 'second' });
    await hub.client.raiseEvent('one', 'Go');
    expect((await hub.finish('one')).output).toBe('second');
  });
});

inBothModes('restart', ({ open }) => {
  it.each([
    { status: 'Completed', first: echoes },
    { status: 'Failed', first: fails },
    { status: 'Terminated', first: waits },
  ] as const)(
    'B128: a $status instance under its own id: same name and input, new execution',
    async ({ status, first }) => {
      const hub = await open({ functions: [waits, echoes, fails, echo] });
      await hub.client.startNew(first, { instanceId: 'one', input: { n: 1 } });
      if (status === 'Terminated') await hub.client.terminate('one');
      const before = await hub.reach('one', status);
      expect(await hub.client.restart('one', { restartWithNewInstanceId: false })).toBe('one');
      const after = await hub.client.getStatus('one');
      expect(after?.executionId).not.toBe(before.executionId);
      expect(after).toMatchObject({ name: before.name, input: before.input });
      if (first === waits) await hub.client.raiseEvent('one', 'Go');
      expect((await hub.finish('one')).runtimeStatus).toBe(first === fails ? 'Failed' : 'Completed');
    },
  );

  it('B129: under a new id, also while it runs; the old one is left alone', async () => {
    const hub = await open({ functions: [waits] });
    await hub.client.startNew(waits, { instanceId: 'one', input: 'again' });
    const before = await hub.reach('one', 'Running');
    const id = await hub.client.restart('one');
    expect(id).not.toBe('one');
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).output).toBe('again');
    expect(await hub.client.getStatus('one')).toEqual(before);
  });

  it('B130: under its own id while it runs is refused; an unknown one is not found', async () => {
    const hub = await open({ functions: [waits] });
    await hub.client.startNew(waits, { instanceId: 'one' });
    await hub.reach('one', 'Running');
    await expect(hub.client.restart('one', { restartWithNewInstanceId: false })).rejects.toMatchObject({
      code: 'InstanceAlreadyExists',
    });
    await expect(hub.client.restart('nobody')).rejects.toMatchObject({ code: 'InstanceNotFound' });
  });
});

type Made = Readonly<Record<'c1' | 'c2' | 'f1' | 't1' | 'live', OrchestrationInstance>>;

/** Two completed, one failed, one terminated and one live instance, created in this order. */
async function openWithFive(open: TestHubs['open']): Promise<{ readonly hub: TestHub; readonly made: Made }> {
  const hub = await open({ functions: [waits, echoes, fails, echo] });
  const start = async (instanceId: string, orchestration: typeof waits | typeof fails) => {
    await hub.client.startNew(orchestration, { instanceId });
    if (instanceId === 't1') await hub.client.terminate(instanceId);
    return instanceId === 'live'
      ? await hub.reach(instanceId, 'Running')
      : await hub.client.waitForCompletion(instanceId);
  };
  const made: Partial<Record<keyof Made, OrchestrationInstance>> = {};
  for (const [id, orchestration] of [
    ['c1', echoes],
    ['c2', echoes],
    ['f1', fails],
    ['t1', waits],
    ['live', waits],
  ] as const) {
    const instance = await start(id, orchestration);
    if (instance) made[id] = instance;
  }
  return { hub, made: made as Made };
}
