/** Faults that come from what others do with the same tables, or with the answers (reliability.md 4.1, 4.3 and 4.4). */
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName } from '../support/task-hubs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';
import { openNode, timed } from './support.ts';

describe('faults of rows and of readers', async () => {
  const database = await testDatabase();
  const free = await testDatabase();
  const { schema, url: databaseUrl } = database;

  it('F14: whoever polls during faults never sees a status go back, and an id that was acknowledged never gives 404', async () => {
    const taskHub = freshName();
    const proxy = await TcpProxy.open(databaseUrl);
    const step = activity('Step', (n: number) => n);
    const steps = orchestration('Steps', async (ctx) => {
      for (let n = 1; n <= 12; n += 1) {
        ctx.setCustomStatus(await ctx.callActivity(step, n));
        await ctx.createTimer(100);
      }
    });
    const functions = [step, steps];
    const first = await openNode({ databaseUrl: proxy.url, schema, taskHub, functions });
    const second = await openNode({ databaseUrl, schema, taskHub, functions, worker: false });
    const third = await openNode({ databaseUrl: proxy.url, schema, taskHub, functions });
    const ids: string[] = [];
    for (let n = 0; n < 20; n += 1) ids.push(await second.api.start('Steps'));

    const rank: Readonly<Record<string, number>> = { Pending: 0, Running: 1, Completed: 2 };
    let isOver = false;
    let answers = 0;
    const poll = async (id: string): Promise<void> => {
      let last = [0, 0];
      for (let turn = 0; !isOver && last[0] !== 2; turn += 1) {
        const { api } = [first, second, third][turn % 3] ?? first;
        const answer = await api.get(`/instances/${id}`);
        expect([200, 202, 503], answer.body).toContain(answer.statusCode);
        if (answer.statusCode === 503) continue;
        answers += 1;
        const { runtimeStatus, customStatus } = answer.json<{ runtimeStatus: string; customStatus: number | null }>();
        const seen = [rank[runtimeStatus] ?? -1, customStatus ?? 0];
        const isBack = (seen[0] ?? 0) < (last[0] ?? 0) || (seen[1] ?? 0) < (last[1] ?? 0);
        expect(isBack, `${id}: ${seen.join()} after ${last.join()}`).toBe(false);
        last = seen;
        await waitFor(() => true, { intervalMs: 0 });
      }
    };
    const polls = Promise.all(ids.map(poll));
    const troubles = (async () => {
      for (let round = 0; round < 8 && !isOver; round += 1) {
        const begun = performance.now();
        await waitFor(() => performance.now() - begun > 300);
        if (round === 4) {
          proxy.refuse();
          await waitFor(() => performance.now() - begun > 1_000);
          proxy.heal();
        } else if (round === 6) {
          await first.hub.stop();
        } else {
          proxy.resetAll();
        }
      }
    })();
    await Promise.race([polls, troubles]);
    await troubles;
    await polls.finally(() => {
      isOver = true;
    });
    expect(answers).toBeGreaterThan(200);
    for (const id of ids) expect(await second.api.status(id)).toMatchObject({ runtimeStatus: 'Completed' });
  }, 60_000);

  it('F44: when every message and every queued activity is there twice, each counts once', async () => {
    const twice = (table: string, columns: string, where: string): string => `
      create function twice_${table}() returns trigger language plpgsql as $$
      begin insert into ${schema}.${table} (${columns}) select ${columns
        .split(', ')
        .map((column) => `new.${column}`)
        .join(', ')}; return null; end $$;
      create trigger twice_${table} after insert on ${table} for each row
        when (pg_trigger_depth() = 0 and ${where}) execute function twice_${table}();`;
    // Events may be sent twice on purpose, and then both count.
    await execute(
      database,
      twice(
        'messages',
        'instance_key, hub_id, visible_at, execution_id, timer_id, event',
        `new.event not like '%EventRaised%'`,
      ) +
        twice(
          'activity_tasks',
          'hub_id, name, instance_key, execution_id, task_scheduled_id, attempt, first_scheduled_id, redelivery, version, input',
          'true',
        ),
    );
    const taskHub = freshName();
    const add = activity('Add', ([one, other]: readonly [number, number]) => one + other);
    const fails = activity('Fails', () => {
      throw new Error('no luck');
    });
    const leaf = orchestration('Leaf', async (ctx, n: number) => {
      await ctx.createTimer(50);
      return n * 10;
    });
    const body = orchestration('Body', async (ctx) => {
      let sum = 0;
      for (let n = 1; n <= 3; n += 1) {
        sum = await ctx.callActivity(add, [sum, n]);
        await ctx.createTimer(20);
      }
      const children: unknown[] = await ctx.all([1, 2, 3].map((n) => ctx.callSubOrchestrator(leaf, n)));
      let failures = 0;
      try {
        await ctx.callActivity(fails);
      } catch {
        failures += 1;
      }
      const event = await ctx.waitForExternalEvent('go');
      return [sum, children, failures, event];
    });
    const open = { databaseUrl, schema, taskHub };
    // The one that runs orchestrations has no activities: they go through the queue.
    const orchestrators = await openNode({ ...open, functions: [body, leaf] });
    await openNode({ ...open, functions: [add, fails] });
    await openNode({ ...open, functions: [add, fails] });
    const ids = await Promise.all(Array.from({ length: 20 }, () => orchestrators.hub.client.startNew(body)));
    for (const id of ids) await orchestrators.hub.client.raiseEvent(id, 'go', 'went');
    for (const id of ids) {
      const ended = await orchestrators.hub.client.waitForCompletion(id, { timeoutMs: 20_000 });
      expect(ended, JSON.stringify(ended?.failure)).toMatchObject({
        runtimeStatus: 'Completed',
        output: JSON.stringify([6, [10, 20, 30], 1, 'went']),
      });
    }
    await waitFor(async () => (await execute(database, 'select from activity_tasks')).length === 0, {
      what: 'the queue of activities to be empty',
    });
    await execute(
      database,
      'drop trigger twice_messages on messages; drop trigger twice_activity_tasks on activity_tasks',
    );
  }, 60_000);

  it('F61: while another session holds a snapshot at least half as much gets done, and afterwards dead rows and their room are free', async () => {
    const held = database;
    const node = async ({ url, schema: own }: TestDatabase): Promise<() => Promise<number>> => {
      const taskHub = 'busy';
      const echo = activity('Echo', (n: number) => n);
      const body = orchestration('Body', async (ctx) => ctx.callActivity(echo, await ctx.waitForExternalEvent('go')));
      // Starts, events, activities: all of them go through the tables.
      const { hub } = await openNode({ databaseUrl: url, schema: own, taskHub, functions: [body] });
      await openNode({ databaseUrl: url, schema: own, taskHub, functions: [echo] });
      return async () => {
        const { ms } = await timed(
          (async () => {
            const ids = await Promise.all(Array.from({ length: 200 }, () => hub.client.startNew(body)));
            await Promise.all(ids.map((id) => hub.client.raiseEvent(id, 'go', 1)));
            for (const id of ids) await hub.client.waitForCompletion(id, { timeoutMs: 20_000 });
          })(),
        );
        return ms;
      };
    };
    const [withHolder, without] = [await node(held), await node(free)];
    for (const batch of [withHolder, without, withHolder, without]) await batch();
    const holder = new pg.Client({ connectionString: held.url });
    onTestFinished(() => holder.end());
    await holder.connect();
    await holder.query('begin isolation level repeatable read');
    await holder.query(`select from ${held.schema}.instances limit 1`);
    // What an hour leaves behind where whoever looks for work begins to look: 30 messages a second.
    await execute(
      held,
      `insert into messages (instance_key, hub_id, visible_at, event)
       select 0, id, now() - interval '1 hour', '{}' from task_hubs, generate_series(1, 100000) where name = 'busy'`,
    );
    await execute(held, 'delete from messages where instance_key = 0');
    // In turn, as other tests run at the same time; these only ever add to the time.
    const times = { held: [await withHolder()], free: [await without()] };
    const isHalf = (): boolean => Math.min(...times.held) < 2 * Math.min(...times.free);
    for (let pair = 1; pair < 10 && (pair < 3 || !isHalf()); pair += 1) {
      times.held.push(await withHolder());
      times.free.push(await without());
    }
    expect(isHalf(), JSON.stringify(times)).toBe(true);

    const sweep = async (): Promise<{ readonly dead: number; readonly bytes: number }> => {
      await execute(held, 'vacuum messages');
      const [row] = await execute<{ readonly dead: string; readonly bytes: string }>(
        held,
        `select n_dead_tup as dead, pg_relation_size(relid) as bytes from pg_stat_user_tables
         where schemaname = $1 and relname = 'messages'`,
        [held.schema],
      );
      return { dead: Number(row?.dead), bytes: Number(row?.bytes) };
    };
    const during = await sweep();
    expect(during.dead).toBeGreaterThan(100_000);
    await holder.query('rollback');
    await waitFor(
      async () => {
        const { dead, bytes } = await sweep();
        return dead < 1_000 && bytes < during.bytes / 2;
      },
      { timeoutMs: 20_000, intervalMs: 200, what: 'dead rows to be gone' },
    );
  }, 90_000);
});
