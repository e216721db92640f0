/** Limits of what one instance may store: each is a setting, and says so when it is reached. */
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { inBothModes } from '../support/task-hubs.ts';

const echo = activity('Echo', (input: unknown) => input);
const fill = activity('Fill', (length: number) => 'x'.repeat(length));
const collects = orchestration('Collects', async (ctx, count: number) => {
  let length = 0;
  for (let n = 0; n < count; n += 1) length += (await ctx.waitForExternalEvent<string>('Item')).length;
  return length;
});

inBothModes('a limit', ({ open }) => {
  it('of actions in one turn fails the instance that reaches it, and no other', async () => {
    const many = orchestration('Many', (ctx, count: number) =>
      Promise.all(Array.from({ length: count }, (_, n) => ctx.callActivity(echo, n))),
    );
    const hub = await open({ functions: [many, echo], maxActionsPerTurn: 5 });
    expect((await hub.run(many, { input: 5 })).output).toEqual([0, 1, 2, 3, 4]);
    const { runtimeStatus, failure } = await hub.run(many, { input: 6 });
    expect([runtimeStatus, failure?.errorType]).toEqual(['Failed', 'ActionLimitExceeded']);
  });

  it('of the size of one turn, by what it asks for or returns', async () => {
    const body = orchestration('Body', async (ctx, input: { readonly calls: number; readonly output: number }) => {
      const calls = Array.from({ length: input.calls }, () => ctx.callActivity(echo, 'x'.repeat(10_000)));
      await Promise.all(calls);
      return 'x'.repeat(input.output);
    });
    const hub = await open({ functions: [body, echo], maxTurnLength: 100_000 });
    expect((await hub.run(body, { input: { calls: 8, output: 5_000 } })).runtimeStatus).toBe('Completed');
    for (const input of [
      { calls: 10, output: 0 },
      { calls: 0, output: 100_000 },
    ]) {
      const { instanceId, runtimeStatus, failure } = await hub.run(body, { input });
      expect([runtimeStatus, failure?.errorType]).toEqual(['Failed', 'TurnSizeExceeded']);
      expect(failure?.message).toContain('100000');
      expect(eventsOf(await historyOf(hub, instanceId), 'TaskScheduled')).toEqual([]);
    }
  });

  it('of the size of one turn is kept to by taking what waits over several turns', async () => {
    const hub = await open({ functions: [collects], maxTurnLength: 100_000 });
    const id = await hub.client.startNew(collects, { input: 40 });
    await hub.client.suspend(id).catch(() => undefined);
    await Promise.all(Array.from({ length: 40 }, () => hub.client.raiseEvent(id, 'Item', 'x'.repeat(20_000))));
    await hub.client.resume(id).catch(() => undefined);
    expect((await hub.finish(id)).output).toBe(800_000);
  });

  it('of what continueAsNew carries over: events that nobody takes do not heap up for ever', async () => {
    const loop = orchestration('Loop', async (ctx) => {
      await ctx.waitForExternalEvent('Tick');
      ctx.continueAsNew();
    });
    const hub = await open({ functions: [loop], maxTurnLength: 50_000 });
    const id = await hub.client.startNew(loop);
    for (let n = 0; n < 8; n += 1) {
      for (const [name, data] of [['Unread', 'x'.repeat(10_000)], ['Tick']] as const) {
        // It has ended before the last of them.
        await hub.client.raiseEvent(id, name, data).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'InstanceTerminal' });
        });
      }
    }
    expect((await hub.finish(id)).failure?.errorType).toBe('TurnSizeExceeded');
  });

  it('F27 of the size of a history, also when it was read anew', async () => {
    const body = orchestration('Body', async (ctx, count: number) => {
      for (let n = 0; n < count; n += 1) await ctx.callActivity(fill, 10_000);
    });
    const hub = await open({ functions: [body, fill], maxHistoryLength: 100_000 });
    expect((await hub.run(body, { input: 8 })).runtimeStatus).toBe('Completed');
    const { failure } = await hub.run(body, { input: 20 });
    expect(failure).toMatchObject({ errorType: 'HistoryLimitExceeded', message: expect.stringContaining('100000') });
  });

  it('F27 of the events of a history', async () => {
    const body = orchestration('Body', async (ctx, count: number) => {
      for (let n = 0; n < count; n += 1) await ctx.callActivity(echo, n);
    });
    const hub = await open({ functions: [body, echo], maxHistoryEvents: 30 });
    expect((await hub.run(body, { input: 5 })).runtimeStatus).toBe('Completed');
    expect((await hub.run(body, { input: 50 })).failure?.errorType).toBe('HistoryLimitExceeded');
  });

  it('of a payload, for what comes in and for what activities return', async () => {
    const body = orchestration('Body', (ctx, length: number) => ctx.callActivity(fill, length));
    const hub = await open({ functions: [body, fill, collects], maxPayloadLength: 2_000 });
    expect((await hub.run(body, { input: 1_998 })).runtimeStatus).toBe('Completed');
    const { failure } = await hub.run(body, { input: 1_999 });
    expect(failure?.innerFailure).toMatchObject({ errorType: 'PayloadTooLarge', isNonRetriable: true });
    const input = 'x'.repeat(1_999) as unknown as number;
    await expect(hub.client.startNew(collects, { input })).rejects.toMatchObject({ code: 'PayloadTooLarge' });
  });

  it('B104: of a custom status, and of an id', async () => {
    const body = orchestration('Body', (ctx, length: number) => ctx.setCustomStatus('x'.repeat(length)));
    const hub = await open({ functions: [body], maxCustomStatusBytes: 100, maxInstanceIdLength: 40 });
    expect((await hub.run(body, { input: 98 })).runtimeStatus).toBe('Completed');
    expect((await hub.run(body, { input: 99 })).failure).toMatchObject({ errorType: 'RangeError' });
    await hub.client.startNew(body, { input: 1, instanceId: 'i'.repeat(40) });
    await expect(hub.client.startNew(body, { input: 1, instanceId: 'i'.repeat(41) })).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining('40'),
    });
  });

  it('that means nothing is refused', async () => {
    for (const name of ['maxTurnLength', 'maxHistoryLength', 'maxHistoryEvents', 'maxActionsPerTurn'] as const) {
      await expect(open({ functions: [], [name]: 0 })).rejects.toMatchObject({ code: 'InvalidArgument' });
    }
  });
});
