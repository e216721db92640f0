import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const echo = activity('Echo', (input: unknown) => input);
/** Takes a number of events named Item, one after the other. */
const takes = orchestration('Takes', async (ctx, count: number) => {
  const taken: unknown[] = [];
  while (taken.length < count) taken.push(await ctx.waitForExternalEvent('Item'));
  return taken;
});

inBothModes('external events', ({ open }) => {
  it.each([1, 100])('B68, B80: %i events of one name are taken in order, each once', async (count) => {
    const hub = await open({ functions: [takes] });
    const id = await hub.client.startNew(takes, { input: count });
    const sent = Array.from({ length: count }, (_, n) => n);
    for (const n of sent) await hub.client.raiseEvent(id, 'Item', n);
    expect((await hub.finish(id)).output).toEqual(sent);
  });

  it('B68, B80: events that many send at once are all taken, each once', async () => {
    const hub = await open({ functions: [takes] });
    const id = await hub.client.startNew(takes, { input: 100 });
    const sent = Array.from({ length: 100 }, (_, n) => n);
    await Promise.all(sent.map((n) => hub.client.raiseEvent(id, 'Item', n)));
    const { output } = await hub.finish(id);
    expect(Array.isArray(output) && output.toSorted((a: number, b: number) => a - b)).toEqual(sent);
  });

  it('B69: events raised before anybody waits are kept', async () => {
    const body = orchestration('Body', async (ctx) => {
      await ctx.waitForExternalEvent('Start');
      return [await ctx.waitForExternalEvent('Item'), await ctx.waitForExternalEvent('Item')];
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    await hub.client.raiseEvent(id, 'Item', 1);
    await hub.client.raiseEvent(id, 'Item', 2);
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'EventRaised').length === 2);
    await hub.client.raiseEvent(id, 'Start');
    expect((await hub.finish(id)).output).toEqual([1, 2]);
  });

  it('B70: names are compared without case', async () => {
    const hub = await open({ functions: [takes] });
    const id = await hub.client.startNew(takes, { input: 3 });
    for (const name of ['item', 'ITEM', 'iTeM']) await hub.client.raiseEvent(id, name, name);
    expect((await hub.finish(id)).output).toEqual(['item', 'ITEM', 'iTeM']);
  });

  it('B71: different names do not mix', async () => {
    const body = orchestration('Body', async (ctx) => [
      await ctx.waitForExternalEvent('Second'),
      await ctx.waitForExternalEvent('First'),
      await ctx.waitForExternalEvent('Second'),
    ]);
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    for (const [name, n] of [
      ['First', 1],
      ['Second', 2],
      ['Third', 3],
      ['Second', 4],
    ] as const) {
      await hub.client.raiseEvent(id, name, n);
    }
    expect((await hub.finish(id)).output).toEqual([2, 1, 4]);
  });

  it('B72: of two waiters the oldest gets the first event', async () => {
    const body = orchestration('Body', async (ctx) => {
      const [older, newer] = [ctx.waitForExternalEvent('Item'), ctx.waitForExternalEvent('Item')];
      const first = await ctx.any([older, newer]);
      return [Object.is(first, older), await newer];
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    await hub.reach(id, 'Running');
    await hub.client.raiseEvent(id, 'Item', 1);
    await hub.client.raiseEvent(id, 'Item', 2);
    expect((await hub.finish(id)).output).toEqual([true, 2]);
  });

  it('B73: two waits at the same time get two events', async () => {
    const body = orchestration('Body', (ctx) =>
      Promise.all([ctx.waitForExternalEvent('Item'), ctx.waitForExternalEvent('Item')]),
    );
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    await hub.client.raiseEvent(id, 'Item', 1);
    await hub.client.raiseEvent(id, 'Item', 2);
    expect((await hub.finish(id)).output).toEqual([1, 2]);
  });

  it('B74: an event without data is received as undefined, one with null as null', async () => {
    const body = orchestration('Body', async (ctx) => {
      const [nothing, nil] = [await ctx.waitForExternalEvent('Item'), await ctx.waitForExternalEvent('Item')];
      return [typeof nothing, nil];
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    await hub.client.raiseEvent(id, 'Item');
    await hub.client.raiseEvent(id, 'Item', null);
    expect((await hub.finish(id)).output).toEqual(['undefined', null]);
  });

  it('B75: an event for an ended instance is refused and changes nothing', async () => {
    const hub = await open({ functions: [orchestration('Done', () => 1)] });
    const { instanceId } = await hub.run('Done');
    const before = await hub.client.getStatus(instanceId, { showHistory: true });
    await expect(hub.client.raiseEvent(instanceId, 'Item')).rejects.toMatchObject({ code: 'InstanceTerminal' });
    expect(await hub.client.getStatus(instanceId, { showHistory: true })).toEqual(before);
  });

  it('B76: an event for an instance that does not exist is an error, and is not kept for it', async () => {
    const hub = await open({ functions: [takes] });
    await expect(hub.client.raiseEvent('soon', 'Item', 'too early')).rejects.toMatchObject({
      code: 'InstanceNotFound',
    });
    await hub.client.startNew(takes, { instanceId: 'soon', input: 1 });
    await hub.client.raiseEvent('soon', 'Item', 'in time');
    expect((await hub.finish('soon')).output).toEqual(['in time']);
  });

  it('B77: identical events are all delivered', async () => {
    const hub = await open({ functions: [takes] });
    const id = await hub.client.startNew(takes, { input: 5 });
    await Promise.all(Array.from({ length: 5 }, () => hub.client.raiseEvent(id, 'Item', 'same')));
    expect((await hub.finish(id)).output).toEqual(['same', 'same', 'same', 'same', 'same']);
  });

  it('B79: without an event the wait times out with an error that names it', async () => {
    const body = orchestration('Body', (ctx) => ctx.waitForExternalEvent('Approval', { timeout: 50 }));
    const hub = await open({ functions: [body] });
    expect(await hub.run(body)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'TimeoutError', message: expect.stringContaining("'Approval'") },
    });
  });

  it.each([null, 'nobody said anything', 0, undefined])(
    'B79: without an event the wait goes on with the default value %j',
    async (defaultValue) => {
      const body = orchestration('Body', async (ctx) => {
        const value = await ctx.waitForExternalEvent('Approval', { timeout: 50, defaultValue });
        return [value === undefined ? 'undefined' : value];
      });
      const hub = await open({ functions: [body] });
      expect((await hub.run(body)).output).toEqual([defaultValue === undefined ? 'undefined' : defaultValue]);
    },
  );

  it('B79: an event in time wins, and its timer delays nothing', async () => {
    const body = orchestration('Body', async (ctx) => {
      const value = await ctx.waitForExternalEvent('Approval', { timeout: '1h', defaultValue: 'late' });
      return [value, await ctx.callActivity(echo, 'after')];
    });
    const hub = await open({ functions: [body, echo] });
    const id = await hub.client.startNew(body);
    await hub.client.raiseEvent(id, 'Approval', 'yes');
    expect((await hub.finish(id)).output).toEqual(['yes', 'after']);
  });

  it('B80: a wait that timed out gives up its place: the next event goes to the next wait', async () => {
    const body = orchestration('Body', async (ctx) => {
      const first = await ctx.waitForExternalEvent('Item', { timeout: 50, defaultValue: 'nothing' });
      await ctx.callActivity(echo, 1);
      return [first, await ctx.waitForExternalEvent('Item')];
    });
    const hub = await open({ functions: [body, echo] });
    const id = await hub.client.startNew(body);
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'TaskScheduled').length === 1);
    await hub.client.raiseEvent(id, 'Item', 'late');
    expect((await hub.finish(id)).output).toEqual(['nothing', 'late']);
  });

  it.each([
    ['no name', ''],
    ['a name of 257 characters', 'a'.repeat(257)],
    ['a control character', 'a\u0000'],
  ])('an event with %s is refused', async (_, name) => {
    const hub = await open({ functions: [takes] });
    const id = await hub.client.startNew(takes, { input: 1 });
    await expect(hub.client.raiseEvent(id, name)).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});
