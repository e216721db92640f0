import { expect, it } from 'vitest';
import { orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';

const receives = orchestration('Receives', async (ctx, count: number) => {
  const got: unknown[] = [];
  while (got.length < count) got.push(await ctx.waitForExternalEvent('Item'));
  return got;
});
const sends = orchestration(
  'Sends',
  async (ctx, input: { readonly to: string; readonly items: readonly unknown[] }) => {
    for (const item of input.items) ctx.sendEvent(input.to, 'item', item);
    return 'sent';
  },
);

inBothModes('events from one orchestration to another', ({ open }) => {
  it('B78: are received in order, and their sender remembers them', async () => {
    const hub = await open({ functions: [receives, sends] });
    const to = await hub.client.startNew(receives, { input: 20 });
    const items = [...Array.from({ length: 18 }, (_, n) => n), 0, null];
    const sender = await hub.client.startNew(sends, { input: { to, items } });
    expect((await hub.finish(to)).output).toEqual(items);
    expect((await hub.finish(sender)).output).toBe('sent');
    const sent = eventsOf(await historyOf(hub, sender), 'EventSent');
    expect(sent.map((event) => [event.eventId, event.instanceId, event.name, event.input])).toEqual(
      items.map((item, index) => [index, to, 'item', JSON.stringify(item)]),
    );
  });

  it('B78: to nobody, or to one that has ended, are silent', async () => {
    const hub = await open({ functions: [receives, sends] });
    const ended = await hub.client.startNew(receives, { input: 0 });
    await hub.finish(ended);
    expect((await hub.run(sends, { input: { to: 'nobody', items: [1] } })).output).toBe('sent');
    expect((await hub.run(sends, { input: { to: ended, items: [1] } })).output).toBe('sent');
    expect((await hub.finish(ended)).output).toEqual([]);
  });

  it('reach a target that another worker runs', async () => {
    const taskHub = freshName();
    const hub = await open({ taskHub, functions: [sends] });
    await open({ taskHub, functions: [receives] });
    const to = await hub.client.startNew('Receives', { input: 2 });
    await hub.client.startNew(sends, { input: { to, items: ['a', 'b'] } });
    expect((await hub.finish(to)).output).toEqual(['a', 'b']);
  });

  it('to itself are received', async () => {
    const body = orchestration('Body', async (ctx) => {
      ctx.sendEvent(ctx.instanceId, 'Self', 'me');
      return await ctx.waitForExternalEvent('Self');
    });
    const hub = await open({ functions: [body] });
    expect((await hub.run(body)).output).toBe('me');
  });
});
