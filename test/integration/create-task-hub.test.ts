/** What `createTaskHub` refuses, and the life of a hub around its orchestrations. */
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { createTaskHub, type TaskHubOptions } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';

const database = await testDatabase();
const empty = await testDatabase({ migrated: false });
const answers = orchestration('Answers', () => 42);

/** A hub name of its own for each test: all of this file are on one database. */
let hubs = 0;
const options = (more: Partial<TaskHubOptions> = {}): TaskHubOptions => ({
  databaseUrl: database.url,
  schema: database.schema,
  taskHub: `hub-${(hubs += 1)}`,
  pollMs: 200,
  ...more,
});

describe('createTaskHub', () => {
  it.each<readonly [string, TaskHubOptions]>([
    ['no database', {}],
    ['an empty URL', { databaseUrl: '' }],
    ['a lease of nothing', options({ leaseMs: 0 })],
    ['a poll that is no number', options({ pollMs: Number.NaN })],
    ['no room for activities', options({ maxActivities: 0 })],
    ['no room for turns', options({ maxTurns: -1 })],
    ['two functions of one name', options({ functions: [answers, orchestration('ANSWERS', () => 1)] })],
  ])('refuses %s, and leaves nothing open', async (_, refused) => {
    expect(() => createTaskHub(refused)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
    const open = await execute(
      database,
      `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    expect(open).toEqual([]);
  });

  it('takes an activity and an orchestration of one name, and a definition that is given twice', async () => {
    const same = activity('Same', () => 'activity');
    const hub = createTaskHub(
      options({ functions: [same, same, orchestration('Same', (ctx) => ctx.callActivity('Same'))] }),
    );
    onTestFinished(() => hub.stop());
    await hub.start();
    const ended = await hub.client.waitForCompletion(await hub.client.startNew('Same'));
    expect(ended?.output).toBe('"activity"');
  });

  it('works on a pool of the caller, and does not end it', async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 5 });
    onTestFinished(() => pool.end());
    const { databaseUrl: _, ...withoutUrl } = options({ functions: [answers] });
    const hub = createTaskHub({ ...withoutUrl, pool });
    await hub.start();
    const ended = await hub.client.waitForCompletion(await hub.client.startNew(answers), { timeoutMs: 15_000 });
    expect(ended?.output).toBe('42');
    await hub.stop();
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('stops once however often it is asked, also before it was started', async () => {
    const idle = createTaskHub(options());
    await Promise.all([idle.stop(), idle.stop()]);
    const hub = createTaskHub(options({ functions: [answers] }));
    await hub.start();
    await Promise.all([hub.stop(), hub.stop()]);
    await hub.stop();
  });

  it('many hubs start at once on an empty database', async () => {
    const started = Array.from({ length: 5 }, () => createTaskHub({ databaseUrl: empty.url, functions: [answers] }));
    onTestFinished(async () => {
      await Promise.all(started.map((hub) => hub.stop()));
    });
    await Promise.all(started.map((hub) => hub.start()));
    const outputs = await Promise.all(
      started.map(async ({ client }) => (await client.waitForCompletion(await client.startNew(answers)))?.output),
    );
    expect(outputs).toEqual(['42', '42', '42', '42', '42']);
  });
});
