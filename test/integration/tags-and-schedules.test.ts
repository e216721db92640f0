/** What a start says beside its input: tags, and a later time. */
import { describe, expect, it } from 'vitest';
import { orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';

const waits = orchestration('Waits', async (ctx, input: unknown) => {
  await ctx.waitForExternalEvent('Go');
  return input;
});
const echoes = orchestration('Echoes', (_ctx, input: unknown) => input);

inBothModes('tags', ({ open }) => {
  it('B21: come back in the status, in the listing and in the history, from start to end', async () => {
    const hub = await open({ functions: [waits] });
    const tags = { team: 'payments', größe: '', 'a=b': '"quoted"' };
    const id = await hub.client.startNew(waits, { tags });
    await hub.client.startNew(waits, { instanceId: 'plain' });
    expect((await hub.reach(id, 'Running')).tags).toEqual(tags);
    expect((await hub.client.getStatusBy({ instanceIdPrefix: id })).instances[0]?.tags).toEqual(tags);
    expect(eventsOf(await historyOf(hub, id), 'ExecutionStarted')[0]?.tags).toEqual(tags);
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).tags).toEqual(tags);
    expect((await hub.client.getStatus('plain'))?.tags).toBeNull();
  });

  it('B128, B129: a restart keeps tags and version, with its own id or another', async () => {
    const hub = await open({ functions: [echoes] });
    const { instanceId } = await hub.run(echoes, { input: 1, tags: { team: 'payments' }, version: '2' });
    for (const restartWithNewInstanceId of [true, false]) {
      const id = await hub.client.restart(instanceId, { restartWithNewInstanceId });
      expect(await hub.finish(id)).toMatchObject({ tags: { team: 'payments' }, version: '2', output: 1 });
    }
  });

  it.each([
    ['a list', ['a']],
    ['a number as value', { a: 1 }],
    ['a nameless one', { '': 'x' }],
    ['U+0000', { a: 'b\u0000' }],
    ['half a character', { 'a\ud800': 'b' }],
    ['null', null],
    ['more than 8,000 characters in all', { a: 'x'.repeat(4_000), b: 'x'.repeat(4_000) }],
  ])('refuses %s', async (_, tags) => {
    const hub = await open({ functions: [echoes] });
    const start = hub.client.startNew(echoes, { tags: tags as Record<string, string> });
    await expect(start).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect((await hub.client.getStatusBy({})).instances).toEqual([]);
  });

  it.each(['v'.repeat(101), 'a\u0000', 'a\nb'])('refuses the version %j', async (version) => {
    const hub = await open({ functions: [echoes] });
    await expect(hub.client.startNew(echoes, { version })).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

inBothModes('a scheduled start', ({ open }) => {
  it('B19: after a duration, by the clock of the store', async () => {
    const hub = await open({ functions: [echoes] });
    const id = await hub.client.startNew(echoes, { input: 1, startAt: '600ms' });
    const pending = await hub.client.getStatus(id);
    expect(pending?.runtimeStatus).toBe('Pending');
    const at = pending?.scheduledStartAt?.getTime() ?? 0;
    expect(at - (pending?.createdAt.getTime() ?? 0)).toBeGreaterThan(400);
    const ended = await hub.finish(id);
    const [started] = eventsOf(await historyOf(hub, id), 'ExecutionStarted');
    expect(started).toMatchObject({ scheduledStartAt: at });
    expect(started?.timestamp).toBeGreaterThanOrEqual(at);
    expect(ended.scheduledStartAt?.getTime()).toBe(at);
  });

  it('B19: is listed meanwhile; no event starts it early, and none is lost', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits, { startAt: '1h' });
    await hub.client.raiseEvent(id, 'Go');
    await hub.client.suspend(id);
    // Another, started after, has come and gone.
    await hub.client.startNew(waits, { instanceId: 'other' });
    await hub.client.raiseEvent('other', 'Go');
    await hub.finish('other');
    const { instances } = await hub.client.getStatusBy({ runtimeStatus: ['Pending'] });
    expect(instances.map((one) => one.instanceId)).toEqual([id]);
    expect(instances[0]?.scheduledStartAt).toBeInstanceOf(Date);
    expect(await historyOf(hub, id)).toEqual([]);
  });

  it('B19: outlives every process', async () => {
    const taskHub = freshName();
    const first = await open({ taskHub, functions: [waits] });
    const id = await first.client.startNew(waits, { input: 'later', startAt: '1s' });
    await first.client.raiseEvent(id, 'Go');
    await first.stop();
    const second = await open({ taskHub, functions: [waits] });
    const ended = await second.finish(id);
    expect(ended.output).toBe('later');
    expect(ended.completedAt?.getTime()).toBeGreaterThanOrEqual(ended.scheduledStartAt?.getTime() ?? Infinity);
  });

  it.each([0, '0s', new Date(-8.64e15), new Date(0)])('B20: at %j, which is past, runs at once', async (startAt) => {
    const hub = await open({ functions: [echoes] });
    expect((await hub.run(echoes, { input: 1, startAt })).output).toBe(1);
  });
});

describe('the time of a scheduled start', () => {
  inBothModes('is refused', ({ open }) => {
    it.each([new Date('x'), new Date(8.64e15), 'soon', '-1s', Number.NaN, -1, {}])('when it is %j', async (startAt) => {
      const hub = await open({ functions: [echoes] });
      const start = hub.client.startNew(echoes, { startAt: startAt as Date });
      await expect(start).rejects.toMatchObject({ code: 'InvalidArgument' });
      expect((await hub.client.getStatusBy({})).instances).toEqual([]);
    });
  });
});
