/** Workers come, stop and lose their leases while orchestrations of every kind run: all end as they should. */
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { DurableError } from '../../src/model/errors.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const instances = 120;
const ids = Array.from({ length: instances }, (_, n) => `mixed-${n}`);

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
  return { sum, events, late };
});

/** What the instance of a number comes to. */
function outputFor(n: number): unknown {
  return { sum: 10 * n + 20, events: [`first ${n}`, `second ${n}`], late: 0 };
}

inBothModes('churn', ({ open, database }) => {
  const openHubs = async () => {
    const taskHub = freshName();
    const worker = () =>
      open({ taskHub, functions: [add, double, mixed], leaseMs: 1_000, pollMs: 50, maxActivities: 20 });
    const { client, finish } = await open({ taskHub, worker: false, pollMs: 50 });
    return { client, finish, disturb: (rounds: number) => disturb(database, worker, rounds) };
  };

  it('everything ends with what its code says, and each step is in its history once', async () => {
    const { client, finish, disturb } = await openHubs();
    const disturbed = disturb(14);
    for (const [n, instanceId] of ids.entries()) {
      await client.startNew('Mixed', { instanceId, input: n });
      await client.raiseEvent(instanceId, 'Item', `first ${n}`);
    }
    await disturbed;
    for (const [n, id] of ids.entries()) await client.raiseEvent(id, 'Item', `second ${n}`);
    for (const [n, id] of ids.entries()) {
      const { runtimeStatus, output, failure } = await finish(id);
      expect({ runtimeStatus, output, failure }).toEqual({
        runtimeStatus: 'Completed',
        output: outputFor(n),
        failure: null,
      });
      const history = await historyOf({ client }, id);
      expect(eventsOf(history, 'ExecutionStarted')).toHaveLength(1);
      expect(eventsOf(history, 'TaskScheduled')).toHaveLength(7);
      expect(eventsOf(history, 'TaskCompleted')).toHaveLength(6);
      expect(eventsOf(history, 'TaskFailed')).toHaveLength(1);
      expect(eventsOf(history, 'TimerFired')).toHaveLength(3);
      expect(eventsOf(history, 'EventRaised')).toHaveLength(2);
      expect(eventsOf(history, 'ExecutionCompleted')).toHaveLength(1);
    }
    await expectNothingLeft(database);
  }, 60_000);

  it('terminated, suspended, purged and started again meanwhile: everything still ends', async () => {
    const { client, finish, disturb } = await openHubs();
    const start = async (instanceId: string, n: number) => {
      await client.startNew('Mixed', { instanceId, input: n });
      await raiseBoth(instanceId, n);
    };
    const raiseBoth = async (instanceId: string, n: number) => {
      await unlessEnded(client.raiseEvent(instanceId, 'Item', `first ${n}`));
      await unlessEnded(client.raiseEvent(instanceId, 'Item', `second ${n}`));
    };
    const end = async (id: string) => {
      await unlessEnded(client.terminate(id, 'enough'));
      await finish(id);
    };
    const steer: readonly ((id: string, n: number) => Promise<unknown>)[] = [
      async () => undefined,
      (id) => unlessEnded(client.terminate(id, 'enough')),
      async (id) => {
        await unlessEnded(client.suspend(id));
        // A resume that comes before the suspend has been taken is refused.
        await waitFor(async () => !['Pending', 'Running'].includes((await client.getStatus(id))?.runtimeStatus ?? ''));
        await unlessEnded(client.resume(id));
      },
      async (id, n) => {
        await end(id);
        await client.purgeInstanceHistory(id);
        await start(id, n);
      },
      async (id, n) => {
        await end(id);
        await client.restart(id, { restartWithNewInstanceId: false });
        await raiseBoth(id, n);
      },
      async (id) => {
        await unlessEnded(client.suspend(id));
        await unlessEnded(client.terminate(id, 'enough'));
      },
    ];
    const disturbed = disturb(20);
    await Promise.all(
      ids.map(async (id, n) => {
        await start(id, n);
        await steer[n % steer.length]?.(id, n);
      }),
    );
    await disturbed;
    for (const [n, id] of ids.entries()) {
      const { runtimeStatus, output, failure } = await finish(id);
      expect(failure).toBeNull();
      if (runtimeStatus === 'Terminated') expect([1, 5]).toContain(n % steer.length);
      expect(output).toEqual(runtimeStatus === 'Terminated' ? 'enough' : outputFor(n));
    }
    await expectNothingLeft(database);
  }, 60_000);
});

/** Three workers at any time: one is replaced, another one, then one loses its lease without knowing. */
async function disturb(database: TestDatabase, worker: () => Promise<TestHub>, rounds: number): Promise<void> {
  const workers = [await worker(), await worker(), await worker()];
  for (let round = 0; round < rounds; round += 1) {
    if (round % 3 === 2) {
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
}

/** What cannot be said of an instance any more, or not now, is no fault here. */
async function unlessEnded(command: Promise<void>): Promise<void> {
  try {
    await command;
  } catch (error) {
    const isExpected =
      error instanceof DurableError && /^Instance(Terminal|NotFound)$|^InvalidTransition$/.test(error.code);
    if (!isExpected) throw error;
  }
}

async function expectNothingLeft(database: TestDatabase): Promise<void> {
  for (const table of ['messages', 'activity_tasks']) {
    await waitFor(async () => (await execute(database, `select id from ${table}`)).length === 0, {
      what: `${table} to be empty`,
    });
  }
}
