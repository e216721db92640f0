/** Wake-ups that bring nothing new: the instance is as if they had not been. */
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { gate } from '../support/gate.ts';
import { waitFor } from '../support/wait-for.ts';

/** Sends an instance a message that changes nothing, and waits until it was thrown away. */
async function wakeForNothing(database: TestDatabase, taskHub: string, instanceId: string): Promise<void> {
  const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
  try {
    const hubId = await store.ensureHub(taskHub);
    const outcome = await store.sendMessage({ hubId, instanceId, event: { type: 'ExecutionResumed' } });
    if (outcome.kind !== 'sent') throw new Error(outcome.kind);
    const { key } = outcome;
    await waitFor(
      async () => (await execute(database, 'select from messages where instance_key = $1', [key])).length === 0,
      { what: 'the message to be discarded' },
    );
  } finally {
    await store.close();
  }
}

inBothModes('an orchestration that is woken for nothing', ({ open, database }) => {
  it('goes on when the activity that it waits for ends', async () => {
    const taskHub = freshName();
    const [begun, release] = [gate(), gate()];
    const work = activity('Work', async () => {
      begun.open();
      await release.passed;
      return 'done';
    });
    const body = orchestration('Body', async (ctx) => [await ctx.callActivity(work), await ctx.callActivity(work)]);
    const hub = await open({ taskHub, functions: [body, work] });
    const id = await hub.client.startNew(body);
    await begun.passed;
    await wakeForNothing(database, taskHub, id);
    release.open();
    expect((await hub.finish(id)).output).toEqual(['done', 'done']);
  });
});
