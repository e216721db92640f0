/** Faults of 4.2, 4.3 and 4.5 (reliability.md) that need no process of their own. */
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { execute } from '../support/sql.ts';
import { waitFor } from '../support/wait-for.ts';

const quick = { leaseMs: 1_000, pollMs: 100 };

inBothModes('faults while something runs', ({ open, database }) => {
  it('F30 a history that cannot be read ends its own instance, with the reason, and no other', async () => {
    const wait = orchestration('Wait', async (ctx) => ctx.waitForExternalEvent('go'));
    const taskHub = freshName();
    const first = await open({ ...quick, taskHub, functions: [wait] });
    const [bad, good] = [await first.client.startNew(wait), await first.client.startNew(wait)];
    for (const id of [bad, good]) await first.reach(id, 'Running');
    await first.stop();
    await execute(
      database,
      `update history set events = '{"broken' where instance_key = (select key from instances where instance_id = $1)`,
      [bad],
    );
    // Nothing of them is in memory.
    const second = await open({ ...quick, taskHub, functions: [wait] });
    for (const id of [bad, good]) await second.client.raiseEvent(id, 'go', 'on');
    expect(await second.finish(good)).toMatchObject({ runtimeStatus: 'Completed', output: 'on' });
    const { runtimeStatus, failure } = await second.finish(bad);
    expect({ runtimeStatus, failure }).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'HistoryUnreadable' },
    });
  });

  it('F45 crashes between the tries of a retry policy take none of them, and do not shorten the delay', async () => {
    const tries: { readonly attempt: number; readonly at: number }[] = [];
    const flaky = activity('Flaky', (_input, { attempt }) => {
      tries.push({ attempt, at: performance.now() });
      if (attempt < 3) throw new Error('not yet');
      return 'done';
    });
    const body = orchestration('Body', (ctx) =>
      ctx.callActivity(flaky, undefined, { retry: { maxNumberOfAttempts: 3, firstRetryIntervalInMilliseconds: 700 } }),
    );
    const taskHub = freshName();
    const hub = await open({ ...quick, taskHub, functions: [body, flaky] });
    const id = await hub.client.startNew(body);
    for (const count of [1, 2]) {
      await waitFor(() => tries.some(({ attempt }) => attempt === count), { what: `try ${count}` });
      // As if the worker had died here: another registration takes over.
      await execute(database, "update workers set expires_at = now() - interval '1 second'");
      await open({ ...quick, taskHub, functions: [body, flaky] });
    }
    expect((await hub.finish(id)).output).toBe('done');
    // A run that was lost with its lease may come again, as the same try.
    expect(new Set(tries.map(({ attempt }) => attempt))).toEqual(new Set([1, 2, 3]));
    const firstOf = (attempt: number): number => tries.find((one) => one.attempt === attempt)?.at ?? 0;
    const lastOf = (attempt: number): number => tries.findLast((one) => one.attempt === attempt)?.at ?? 0;
    expect(firstOf(2) - firstOf(1)).toBeGreaterThanOrEqual(699);
    expect(firstOf(3) - lastOf(2)).toBeGreaterThan(0);
    expect(firstOf(3) - firstOf(2)).toBeGreaterThanOrEqual(699);
  });

  // Nobody can move the clock of the tests' Postgres: what it has stored moves the other way instead, which is the same to
  // every statement that compares the two.
  it('F66 the clock of the database jumps: forward, timers fire and leases end; back, timers wait; nothing happens twice', async () => {
    const taskHub = freshName();
    let runs = 0;
    const once = activity('Once', () => {
      runs += 1;
      return runs;
    });
    const body = orchestration('Body', async (ctx) => {
      await ctx.createTimer('1h');
      const result = await ctx.callActivity(once);
      await ctx.createTimer(500);
      return result;
    });
    const hub = await open({ ...quick, taskHub, functions: [body, once] });
    const id = await hub.client.startNew(body);
    await hub.reach(id, 'Running');
    await waitFor(
      async () => (await execute(database, 'select 1 from messages where timer_id is not null')).length > 0,
      {
        what: 'the timer to be stored',
      },
    );
    const hubId = '(select id from task_hubs where name = $1)';
    // Two hours forward: every stored time is two hours older.
    await execute(
      database,
      `with moved as (update messages set visible_at = visible_at - interval '2 hours' where hub_id = ${hubId})
       update workers set expires_at = expires_at - interval '2 hours' where hub_id = ${hubId}`,
      [taskHub],
    );
    await waitFor(() => runs === 1, { what: 'the timer to fire' });
    // Half a second back: everything is that much later.
    await execute(
      database,
      `update messages set visible_at = visible_at + interval '500 milliseconds' where hub_id = ${hubId}`,
      [taskHub],
    );
    expect((await hub.finish(id)).output).toBe(1);
    expect(runs).toBe(1);
  });

  it('F69 an event loop that stands still longer than the lease: one result comes of what runs in it', async () => {
    const taskHub = freshName();
    let runs = 0;
    const blocking = activity('Blocking', () => {
      runs += 1;
      // The whole process stands still, so nobody could take over meanwhile: the lease ends, and this worker finds out.
      const until = performance.now() + (runs === 1 ? 2_500 : 0);
      while (performance.now() < until);
      return runs;
    });
    const body = orchestration('Body', (ctx) => ctx.callActivity(blocking));
    const hub = await open({ ...quick, taskHub, functions: [body, blocking] });
    const id = await hub.client.startNew(body);
    const { output } = await hub.finish(id);
    // Whoever was first with a valid fence: one result, whose value is that of one run.
    expect([1, 2]).toContain(output);
    const history = await hub.client.getHistory(id);
    expect(history?.events.filter(({ type }) => type === 'TaskCompleted')).toHaveLength(1);
  });
});
