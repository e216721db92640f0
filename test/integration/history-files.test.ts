import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { assertReplays } from '../../src/testing/assert-replays.ts';
import { inBothModes } from '../support/task-hubs.ts';

const greet = activity('Greet', async (name: string) => `Hello, ${name}!`);
const hello = orchestration('Hello', async (ctx, name: string) => {
  const greeting = await ctx.callActivity(greet, name);
  await ctx.createTimer(1);
  return [greeting, await ctx.waitForExternalEvent('Go')];
});

inBothModes('the history of an instance as a file', ({ open }) => {
  it('replays against the code that made it, and not against other code', async () => {
    const hub = await open({ functions: [hello, greet] });
    const instanceId = await hub.client.startNew(hello, { input: 'Ann', version: '2' });
    await hub.reach(instanceId, 'Running');
    await hub.client.raiseEvent(instanceId, 'Go', 'now');
    await hub.finish(instanceId);
    const history = await hub.client.getHistory(instanceId);
    expect(history).toMatchObject({
      format: 'perdure-history/1',
      instanceId,
      name: 'Hello',
      version: '2',
      runtimeStatus: 'Completed',
    });
    const file = JSON.stringify(history);
    await assertReplays(file, hello);
    const other = orchestration('Hello', (ctx, name: string) => ctx.callActivity('Greet2', name));
    await expect(assertReplays(file, other)).rejects.toThrow("schedules activity 'Greet2'");
  });

  it('B166: of an instance that is not there is undefined', async () => {
    const hub = await open({ functions: [hello, greet] });
    expect(await hub.client.getHistory('nobody')).toBeUndefined();
  });
});
