import { readdir } from 'node:fs/promises';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { migrate, migrationLock } from '../../src/store/postgres/migrate.ts';
import { freshHub, freshId, newTask } from '../contract/store/fixture.ts';
import { testDatabase } from '../support/postgres.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';

const files = (await readdir(new URL('../../migrations/', import.meta.url))).filter((name) => name.endsWith('.sql'));

describe('migrations', async () => {
  const { url } = await testDatabase({ migrated: false });

  async function query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  /** A life of one instance, with what each table is for. */
  async function useSchema(schema: string): Promise<void> {
    const store = openPostgresStore({ connectionString: url, schema });
    const other = openPostgresStore({ connectionString: url, schema });
    onTestFinished(async () => {
      await Promise.all([store.close(), other.close()]);
    });
    const hub = await freshHub(store);
    const { worker, claim } = await hub.claimed();
    await worker.commitOne(claim, { queuedTasks: [newTask(0)], timers: [{ timerId: 1, fireAt: 0 }] });
    const [task] = await worker.claimTasks();
    if (task === undefined) throw new Error('no task');
    await worker.completeTask(task);
    expect((await worker.read(claim.key, { history: true })).messages).toHaveLength(3);
    expect(await hub.history(claim.instanceId)).toHaveLength(1);
    let heard = false;
    other.notifications.subscribe((one) => (heard ||= one.kind === 'instances' && one.hubId === hub.id));
    await waitFor(
      () => {
        store.notifications.publish({ kind: 'instances', hubId: hub.id });
        return heard;
      },
      { intervalMs: 50, what: 'a notification' },
    );
  }

  it('by many at once are applied once, and all find the schema ready', async () => {
    const schema = 'together';
    const applied: string[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        await migrate({ connectionString: url, schema, log: (line) => applied.push(line) });
        expect(await query(`select 1 from ${schema}.executions`)).toEqual([]);
      }),
    );
    expect(applied).toHaveLength(files.length);
    expect(await query(`select name from ${schema}.migrations order by name`)).toEqual(
      [...files].sort().map((name) => ({ name })),
    );
    await useSchema(schema);
  });

  it('applied already are left as they are', async () => {
    const schema = 'again';
    await migrate({ connectionString: url, schema });
    const before = await query(`select * from ${schema}.migrations`);
    await query(`insert into ${schema}.task_hubs (name) values ('kept')`);
    await migrate({ connectionString: url, schema, log: (line) => expect.unreachable(line) });
    expect(await query(`select * from ${schema}.migrations`)).toEqual(before);
    expect(await query(`select name from ${schema}.task_hubs`)).toEqual([{ name: 'kept' }]);
  });

  it('of several schemas in one database do not meet', async () => {
    await Promise.all(['one', 'two', 'three'].map((schema) => migrate({ connectionString: url, schema })));
    await query(`insert into one.task_hubs (name) values ('here')`);
    expect(await query('select * from two.task_hubs')).toEqual([]);
  });

  it('wait for who is at it, and go on when it has died', async () => {
    const schema = 'waiting';
    const holder = new pg.Client({ connectionString: url });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select pg_advisory_xact_lock($1)', [migrationLock]);
    let done = false;
    const waiter = new URL(url);
    waiter.searchParams.set('application_name', 'waiter');
    const migrating = migrate({ connectionString: waiter.href, schema }).then(() => (done = true));
    await waitFor(
      async () =>
        (await query(`select 1 from pg_stat_activity where application_name = 'waiter' and query = 'rollback'`))
          .length > 0,
      { what: 'a try that found the lock taken' },
    );
    expect(done).toBe(false);
    const [{ pid } = { pid: 0 }] = (await holder.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    await query('select pg_terminate_backend($1)', [pid]);
    await migrating;
    await holder.end();
  });

  it('refuse names that Postgres would change', async () => {
    for (const schema of ['', 'Upper', 'with space', '1st', 'a'.repeat(64), 'x"; drop schema public; --', 'ä']) {
      await expect(migrate({ connectionString: url, schema }), schema).rejects.toMatchObject({
        code: 'InvalidArgument',
      });
    }
  });

  it.each(['_', 'select', 'a'.repeat(63)])('make a schema named %s that can be used', async (schema) => {
    await migrate({ connectionString: url, schema });
    await useSchema(schema);
  });

  it('need no right to create anything once they are applied', async () => {
    const schema = 'theirs';
    await migrate({ connectionString: url, schema });
    const role = freshId('reader').replaceAll('-', '_');
    await query(`create role ${role} login password 'p'`);
    onTestFinished(async () => {
      await query(`drop owned by ${role}; drop role ${role}`);
    });
    await query(`revoke create on database ${new URL(url).pathname.slice(1)} from public`);
    await query(`grant usage on schema ${schema} to ${role}`);
    await query(`grant select on all tables in schema ${schema} to ${role}`);
    const theirs = new URL(url);
    theirs.username = role;
    theirs.password = 'p';
    await migrate({ connectionString: theirs.href, schema });
  });

  it('say so when there is no database', async () => {
    const proxy = await TcpProxy.open(url);
    proxy.refuse();
    await expect(migrate({ connectionString: proxy.url, schema: 'nowhere' })).rejects.toMatchObject({
      code: 'StoreUnavailable',
    });
  });

  it('that lost their connection can simply be repeated', async () => {
    const schema = 'interrupted';
    const proxy = await TcpProxy.open(url);
    for (const cut of ['before', 'after'] as const) {
      void proxy.cut('create table instances', cut);
      await expect(migrate({ connectionString: proxy.url, schema })).rejects.toMatchObject({
        code: 'StoreUnavailable',
      });
      expect(await query('select 1 from pg_namespace where nspname = $1', [schema])).toEqual([]);
    }
    await migrate({ connectionString: proxy.url, schema });
    await useSchema(schema);
  });
});
