/** What the contract of the store cannot say: whose connections it uses, and what it leaves in its tables. */
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { Notifications } from '../../src/store/postgres/notifications.ts';
import { freshHub, newTask } from '../contract/store/fixture.ts';
import { gate } from '../support/gate.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a store on Postgres', async () => {
  const database = await testDatabase();

  function userPool(max: number): pg.Pool {
    const pool = new pg.Pool({ connectionString: database.url, max });
    onTestFinished(() => pool.end());
    return pool;
  }

  it.each([1, 2, 10])("works on a caller's pool of %i, and leaves it as it was", async (max) => {
    const pool = userPool(max);
    const store = openPostgresStore({ pool, schema: database.schema });
    const hub = await freshHub(store);
    const { worker, claim } = await hub.claimed();
    await Promise.all([hub.raise(claim.instanceId, 'a'), hub.raise(claim.instanceId, 'b'), hub.start(), worker.beat()]);
    await worker.commitOne(claim, { status: 'Completed' });
    expect(await store.purgeInstance(hub.id, claim.instanceId)).toEqual({ kind: 'purged' });
    await store.close();
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await waitFor(() => pool.idleCount === pool.totalCount, { what: 'all connections to be back' });
    expect((await pool.query('select pg_listening_channels()')).rows).toEqual([]);
  });

  it('listens no more when it was closed while it began to', async () => {
    const pool = userPool(1);
    const [connected, look] = [gate(), gate()];
    const notifications = new Notifications({
      pool,
      connections: pool,
      isPooled: () => false,
      greet: () => {
        connected.open();
        return look.passed;
      },
      schema: database.schema,
      connectionString: database.url,
    });
    const begun = notifications.listen();
    await connected.passed;
    await notifications.close();
    look.open();
    await begun;
    expect(notifications.isListening).toBe(false);
    await waitFor(
      async () => {
        const { rows } = await pool.query(
          "select from pg_stat_activity where datname = current_database() and application_name = 'perdure listen'",
        );
        return rows.length === 0;
      },
      { what: 'its connection to end' },
    );
  });

  it('works without prepared statements', async () => {
    const store = openPostgresStore({
      connectionString: database.url,
      schema: database.schema,
      preparedStatements: false,
      workerConnections: 1,
    });
    onTestFinished(() => store.close());
    const hub = await freshHub(store);
    const { worker, claim } = await hub.claimed();
    expect(await worker.commitOne(claim, { queuedTasks: [newTask(0)] })).toMatchObject({ kind: 'committed' });
    expect(await worker.claimTasks()).toHaveLength(1);
    const prepared = await execute<{ readonly count: number }>(
      database,
      'select count(*)::int as count from pg_prepared_statements',
    );
    expect(prepared).toEqual([{ count: 0 }]);
  });

  it('removes the rows of workers that are long dead and own nothing', async () => {
    const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
    onTestFinished(() => store.close());
    const hub = await freshHub(store);
    const { worker: owner } = await hub.claimed();
    const holder = await hub.worker();
    const second = await hub.claimed();
    await second.worker.commitOne(second.claim, { queuedTasks: [newTask(0)] });
    await holder.claimTasks();
    const [idle, fresh, living] = [await hub.worker(), await hub.worker(), await hub.worker()];
    for (const worker of [owner, holder, idle, fresh, second.worker]) await worker.die();
    await execute(database, `update workers set expires_at = now() - interval '1 day' where id = any($1::bigint[])`, [
      [owner.id, holder.id, idle.id, second.worker.id],
    ]);
    await store.removeDeadWorkers(hub.id);
    const rows = await execute<{ readonly id: string }>(database, 'select id from workers where hub_id = $1', [hub.id]);
    expect(new Set(rows.map((row) => row.id))).toEqual(new Set([owner.id, holder.id, fresh.id, living.id]));
  });

  it('sweeps up messages and tasks whose instance is gone, and nothing else', async () => {
    const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
    onTestFinished(() => store.close());
    const hub = await freshHub(store);
    const { worker, claim } = await hub.claimed();
    await worker.commitOne(claim, {
      queuedTasks: [newTask(0)],
      timers: [{ timerId: 0, fireAt: Date.now() + 3_600_000 }],
    });
    // As what comes in the very moment of an end or a purge leaves them.
    await execute(database, `insert into messages (instance_key, hub_id, event) values (999999999, $1, '{}')`, [
      hub.id,
    ]);
    await execute(
      database,
      `insert into activity_tasks (hub_id, name, instance_key, execution_id, task_scheduled_id, attempt, first_scheduled_id, redelivery)
       values ($1, 'Charge', 999999999, 'e', 0, 1, 0, 0)`,
      [hub.id],
    );
    await store.sweepMessages(hub.id);
    await store.failUnregisteredActivities({ hubId: hub.id, graceMs: 60_000 });
    const left = await execute<{ readonly key: string }>(
      database,
      `select instance_key as key from messages where hub_id = $1
       union all select instance_key from activity_tasks where hub_id = $1`,
      [hub.id],
    );
    expect(left.map((row) => row.key)).toEqual([claim.key, claim.key, claim.key]);
  });
});
