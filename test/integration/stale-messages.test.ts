import { expect, it } from 'vitest';
import { orchestration } from '../../src/model/functions.ts';
import { execute } from '../support/sql.ts';
import { inBothModes } from '../support/task-hubs.ts';

inBothModes('messages that say nothing new', ({ open, database }) => {
  it('a claim that finds only stale messages does not make a replaced memory forget the history', async () => {
    const body = orchestration('Body', async (ctx) => {
      const first = await ctx.waitForExternalEvent('First');
      return [first, await ctx.waitForExternalEvent('Second')];
    });
    const name = `stale-${Math.random().toString(36).slice(2)}`;
    const first = await open({ functions: [body], taskHub: name });
    const id = await first.client.startNew(body);
    await first.client.raiseEvent(id, 'First', 1);
    await expect
      .poll(async () => (await first.client.getStatus(id, { showHistory: true }))?.history?.length, { timeout: 10_000 })
      .toBeGreaterThan(3);
    await first.stop();
    // A second completion of a task that nobody scheduled: dropped when the turn opens.
    const instance = await open({ functions: [], taskHub: name, worker: false }).then((hub) =>
      hub.client.getStatus(id),
    );
    const second = await open({ functions: [body], taskHub: name });
    await execute(
      database,
      `insert into messages (instance_key, hub_id, execution_id, event)
       select instance_key, hub_id, execution_id, '{"type":"TaskCompleted","taskScheduledId":77}' from executions where instance_key = $1`,
      [instance?.key],
    );
    await expect
      .poll(
        async () => (await execute(database, 'select 1 from messages where instance_key = $1', [instance?.key])).length,
        {
          timeout: 10_000,
        },
      )
      .toBe(0);
    await second.client.raiseEvent(id, 'Second', 2);
    expect((await second.finish(id)).output).toEqual([1, 2]);
  });
});
