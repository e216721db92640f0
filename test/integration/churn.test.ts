/** Workers come, stop and lose their leases while orchestrations of every kind run: all end as they should. */
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const instances = 120;
const rounds = 14;

const add = activity('Add', (numbers: readonly number[], ctx) => {
  if (ctx.attempt === 1) throw new Error('the first attempt always fails');
  return numbers.reduce((sum, n) => sum + n, 0);
});
const double = activity('Double', async (n: number) => {
  await new Promise((resolve) => setTimeout(resolve, n % 40));
  return n * 2;
});
const mixed = orchestration('Mixed', async (ctx, n: number) => {
  const doubled = await Promise.all([0, 1, 2, 3, 4].map((i) => ctx.callActivity(double, n + i)));
  ctx.setCustomStatus({ doubled });
  const sum = await ctx.callActivity(add, doubled, {
    retry: { firstRetryIntervalInMilliseconds: 20, maxNumberOfAttempts: 2 },
  });
  await ctx.createTimer(30);
  const events = [await ctx.waitForExternalEvent<string>('Item'), await ctx.waitForExternalEvent<string>('Item')];
  const late = await ctx.waitForExternalEvent('Never', { timeout: 20, defaultValue: 0 });
  return [sum, ...events, late, ctx.newGuid()];
});

inBothModes('churn', ({ open, database }) => {
  it('everything ends with what its code says, and each step is in its history once', async () => {
    const taskHub = freshName();
    const worker = () =>
      open({ taskHub, functions: [add, double, mixed], leaseMs: 1_000, pollMs: 50, maxActivities: 20 });
    const client = await open({ taskHub, worker: false });
    const workers: TestHub[] = [await worker(), await worker(), await worker()];

    const ids = Array.from({ length: instances }, (_, n) => `mixed-${n}`);
    const starting = (async () => {
      for (const [n, instanceId] of ids.entries()) {
        await client.client.startNew('Mixed', { instanceId, input: n });
        await client.client.raiseEvent(instanceId, 'Item', `first ${n}`);
      }
    })();
    for (let round = 0; round < rounds; round += 1) {
      if (round % 3 === 2) {
        // Whoever is not asked goes on as if it held its lease.
        await execute(
          database,
          `update workers set expires_at = now() - interval '1 second'
            where id = (select id from workers where expires_at > now() and activities <> '{}' order by random() limit 1)`,
        );
      } else {
        workers.push(await worker());
        await workers.shift()?.stop();
      }
    }
    await starting;
    for (const [n, id] of ids.entries()) await client.client.raiseEvent(id, 'Item', `second ${n}`);

    const guids = new Set<unknown>();
    for (const [n, id] of ids.entries()) {
      const { runtimeStatus, output, failure, customStatus } = await client.finish(id);
      expect({ id, runtimeStatus, failure }).toEqual({ id, runtimeStatus: 'Completed', failure: null });
      const doubled = [0, 1, 2, 3, 4].map((i) => (n + i) * 2);
      expect(JSON.parse(customStatus ?? 'null')).toEqual({ doubled });
      const sum = doubled.reduce((total, one) => total + one, 0);
      expect(output).toEqual([sum, `first ${n}`, `second ${n}`, 0, expect.any(String)]);
      guids.add(Array.isArray(output) ? output[4] : undefined);
      const history = await historyOf(client, id);
      expect(eventsOf(history, 'TaskScheduled')).toHaveLength(7);
      expect(eventsOf(history, 'TaskCompleted')).toHaveLength(6);
      expect(eventsOf(history, 'TaskFailed')).toHaveLength(1);
      expect(eventsOf(history, 'TimerFired')).toHaveLength(3);
      expect(eventsOf(history, 'EventRaised')).toHaveLength(2);
      expect(eventsOf(history, 'ExecutionStarted')).toHaveLength(1);
      expect(eventsOf(history, 'ExecutionCompleted')).toHaveLength(1);
    }
    expect(guids.size).toBe(instances);
    for (const table of ['messages', 'activity_tasks']) {
      await waitFor(async () => (await execute(database, `select id from ${table}`)).length === 0, {
        what: `${table} to be empty`,
      });
    }
  }, 60_000);
});
