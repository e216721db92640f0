import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { freshHub, freshId } from '../contract/store/fixture.ts';
import { storeContract } from '../contract/store/index.ts';
import { scheduled } from '../support/builders.ts';
import { testDatabase } from '../support/postgres.ts';

describe('the store on Postgres', async () => {
  const { url, schema } = await testDatabase();
  const open = () => openPostgresStore({ connectionString: url, schema, clientConnections: 5, workerConnections: 4 });
  const [store, other] = [open(), open()];
  const look = new pg.Pool({ connectionString: url, max: 1, options: `-c search_path=${schema}` });
  afterAll(async () => {
    await Promise.all([store.close(), other.close(), look.end()]);
  });

  storeContract({
    store,
    other,
    spoil: async (key) => {
      await look.query(`update history set events = left(events, -1) where instance_key = $1`, [key]);
    },
    remains: async (key) => {
      const { rows } = await look.query<{ readonly kind: string; readonly count: number }>(
        `select * from (
           select 'instances' as kind, count(*)::int from instances where key = $1
           union all select 'executions', count(*)::int from executions where instance_key = $1
           union all select 'history', count(*)::int from history where instance_key = $1
           union all select 'messages', count(*)::int from messages where instance_key = $1
           union all select 'entities', count(*)::int from entities where instance_key = $1
           union all select 'tasks', count(*)::int from activity_tasks where instance_key = $1
         ) as counts where count > 0`,
        [key],
      );
      return Object.fromEntries(rows.map((row) => [row.kind, row.count]));
    },
  });

  it('takes several rows for a turn over 1 MiB', async () => {
    const hub = await freshHub(store);
    const instanceId = freshId();
    const { worker, claim } = await hub.claimed({ instanceId });
    const events = Array.from({ length: 60 }, (_, id) => scheduled(id, { input: JSON.stringify('x'.repeat(50_000)) }));
    const outcome = await worker.commitOne(claim, { events });
    expect(outcome).toMatchObject({ kind: 'committed', sequence: 3 });
    expect(await hub.history(instanceId)).toEqual(events);
  });
});
