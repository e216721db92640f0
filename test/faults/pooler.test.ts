/** PgBouncer in transaction mode: sessions change hands, so nothing may be left in them (decision 27). */
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { createTaskHub, type TaskHub, type TaskHubOptions } from '../../src/task-hub.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

describe.skipIf(!hasPgBouncer())('behind PgBouncer (skipped where it is not installed)', async () => {
  if (!hasPgBouncer()) return;
  const database = await testDatabase();
  const pooled = await startPgBouncer(database.url);

  const echo = activity('Echo', (input: unknown) => input);
  const chain = orchestration('Chain', async (ctx) => {
    const results: unknown[] = [];
    for (let step = 0; step < 3; step += 1) results.push(await ctx.callActivity(echo, step));
    const child: unknown = await ctx.callSubOrchestrator(leaf);
    const event: unknown = await ctx.waitForExternalEvent('Go');
    return [...results, child, event];
  });
  const leaf = orchestration('Leaf', async (ctx) => {
    await ctx.createTimer(10);
    return 'leaf';
  });

  async function open(options: Partial<TaskHubOptions>): Promise<{ readonly hub: TaskHub; readonly said: string[] }> {
    const said: string[] = [];
    const hub = createTaskHub({
      databaseUrl: pooled,
      schema: database.schema,
      functions: [chain, leaf, echo],
      pollMs: 100,
      leaseMs: 5_000,
      stopGraceMs: 500,
      logger: pino({ level: 'warn' }, { write: (line) => void said.push(line) }),
      ...options,
    });
    onTestFinished(() => hub.stop());
    await hub.start();
    return { hub, said };
  }

  it.each([
    ['with a direct URL for LISTEN', { directDatabaseUrl: database.url }],
    ['without a direct URL, by polling', {}],
  ])('F60: orchestrations run through it %s', async (_, options) => {
    const taskHub = freshName();
    const { hub, said } = await open({ taskHub, ...options });
    const other = await open({ taskHub, ...options, worker: false });
    const ids = await Promise.all(Array.from({ length: 30 }, () => other.hub.client.startNew(chain)));
    await Promise.all(ids.map((id) => other.hub.client.raiseEvent(id, 'Go', 'went')));
    for (const id of ids) {
      expect(await hub.client.waitForCompletion(id, { timeoutMs: 20_000 })).toMatchObject({
        runtimeStatus: 'Completed',
        output: JSON.stringify([0, 1, 2, 'leaf', 'went']),
      });
    }
    const listening = await execute<{ readonly n: number }>(
      database,
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and query ilike 'listen%'
         or (datname = current_database() and application_name = 'perdure listen')`,
    );
    expect(listening).toEqual([{ n: 'directDatabaseUrl' in options ? 2 : 0 }]);
    const own = said.filter((line) => !line.includes('settings of the database weaken')); // the test's server is not a durable one
    const complaints = own.filter((line) => !line.includes('a pooler is in between'));
    expect(complaints).toEqual([]);
    expect(own.length > 0).toBe(!('directDatabaseUrl' in options));
    expect(await execute(database, 'select name from pg_prepared_statements')).toEqual([]);
    expect(await hub.client.getStatus(ids[0] ?? '')).toMatchObject({ runtimeStatus: 'Completed' });
  });

  it('F47: a pooler that loses its servers is lived through', async () => {
    const { hub } = await open({ taskHub: freshName() });
    const ids = await Promise.all(Array.from({ length: 20 }, () => hub.client.startNew(chain)));
    await execute(
      database,
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await Promise.all(
      ids.map((id) =>
        waitFor(() =>
          hub.client.raiseEvent(id, 'Go', 1).then(
            () => true,
            () => false,
          ),
        ),
      ),
    );
    for (const id of ids) {
      expect(await hub.client.waitForCompletion(id, { timeoutMs: 20_000 })).toMatchObject({
        runtimeStatus: 'Completed',
      });
    }
  });
});
