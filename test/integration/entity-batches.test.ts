import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { entity } from '../../src/model/entity-functions.ts';
import type { EntityBatchOutcome } from '../../src/model/entity-work.ts';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { InProcessExecutor } from '../../src/worker/in-process/in-process-executor.ts';
import { Worker } from '../../src/worker/worker.ts';
import { testDatabase } from '../support/postgres.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const counter = entity('Counter', {
  initialState: () => 0,
  operations: { add: (ctx, n: number) => void (ctx.state += n) },
});

it('B192: a batch that fails as a whole is tried again, without effect on the state until it succeeds', async () => {
  const database = await testDatabase();
  const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
  onTestFinished(() => store.close());
  const executor = new InProcessExecutor({ functions: [counter] });
  const run = executor.runEntityBatch.bind(executor);
  let tries = 0;
  executor.runEntityBatch = async (batch): Promise<EntityBatchOutcome> => {
    tries += 1;
    const outcome = await run(batch);
    return tries <= 3 ? { kind: 'failed', failure: { errorType: 'Error', message: 'no luck' } } : outcome;
  };
  const taskHub = freshName();
  const hubId = await store.ensureHub(taskHub);
  const instanceId = '@counter@a';
  for (const n of [1, 10, 100]) {
    const event = { type: 'EntityOperationSignaled' as const, requestId: `r${n}`, operation: 'add', input: `${n}` };
    await store.sendToEntity({ hubId, instanceId, event });
  }
  const seen = new Set<string | null | undefined>();
  const worker = new Worker({
    ...{ store, executor, taskHub, log: pino({ level: 'silent' }), leaseMs: 5_000, pollMs: 100 },
    ...{ maxActivities: 10, maxTurns: 10, stopGraceMs: 1_000, unregisteredGraceMs: 30_000 },
  });
  onTestFinished(() => worker.stop());
  await worker.start();
  await waitFor(async () => {
    const state = (await store.getEntity(hubId, instanceId, { includeState: true }))?.state;
    seen.add(state);
    return state === '111';
  });
  expect(tries).toBe(4);
  expect([...seen].filter((state) => state !== null && state !== undefined)).toEqual(['111']);
});

inBothModes('entities that get signals just as they are given up', ({ open }) => {
  it('hear of each at once', async () => {
    // What was lost would be found by the heartbeats, long after the test has given up.
    const hub = await open({ functions: [counter], pollMs: 60_000, leaseMs: 180_000 });
    const signalAndLook = async (key: string): Promise<void> => {
      const id = counter.id(key);
      for (let round = 1; round <= 60; round += 1) {
        await hub.client.signalEntity(id, 'add', 1);
        // About as long as a batch takes: the next one meets its end.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 6));
        await hub.client.signalEntity(id, 'add', 1);
        await waitFor(async () => (await hub.client.readEntityState(id)).entityState === 2 * round, { intervalMs: 2 });
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => signalAndLook(`k${n}`)));
  });
});
