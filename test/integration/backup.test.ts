/**
 * Backup and restore: what was under way when the copy was made goes on in another database, while the first one still
 * worked. The copy is made by the client programs of Postgres as docs/backup-and-restore.md has it, where there are some, and
 * everywhere by reading all tables in one snapshot, which is what they do.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { entity } from '../../src/model/entity-functions.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { blocksOf } from '../support/page.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { waitFor } from '../support/wait-for.ts';

const run = promisify(execFile);

/** Ids of the runs of `Works`, by database; the run in the first one does not end by itself. */
interface Run {
  readonly taskId: string;
  readonly redelivery: number;
}

const waits = orchestration('Waits', (ctx) => ctx.waitForExternalEvent('Go'));
const quick = orchestration('Quick', () => 'late');
const sleeps = orchestration('Sleeps', async (ctx) => {
  await ctx.createTimer('1h');
  return 'slept';
});
const calls = orchestration('Calls', (ctx) => ctx.callSubOrchestrator('Waits', null, { instanceId: 'child' }));
const works = orchestration('Works', (ctx) => ctx.callActivity('Work'));
const counter = entity('Counter', {
  initialState: () => 0,
  operations: { add: (ctx, n: number) => void (ctx.state += n) },
});

function openHub({ url }: TestDatabase, runs: Run[], isFirst: boolean): TaskHub {
  const work = activity('Work', async (_input, { taskId, redelivery, signal }) => {
    runs.push({ taskId, redelivery });
    if (!isFirst) return 'worked';
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  });
  const functions = [waits, quick, sleeps, calls, works, work, counter];
  return createTaskHub({ databaseUrl: url, functions, retention: false, leaseMs: 1_000, pollMs: 100, stopGraceMs: 1 });
}

const firstRuns: Run[] = [];
const source = await testDatabase();
const first = openHub(source, firstRuns, true);
let keyOfAdmin = '';

beforeAll(async () => {
  await first.start();
  const { client } = first;
  for (const instanceId of ['event-1', 'event-2', 'suspended']) await client.startNew(waits, { instanceId });
  await client.startNew(quick, { instanceId: 'later', startAt: '1h' });
  await client.startNew(sleeps, { instanceId: 'timer' });
  await client.startNew(calls, { instanceId: 'parent' });
  await client.startNew(works, { instanceId: 'activity' });
  await client.startNew(waits, { instanceId: 'ended' });
  await client.raiseEvent('ended', 'Go', 'early');
  await client.waitForCompletion('ended');
  await client.signalEntity(counter.id('a'), 'add', 5);
  await client.suspend('suspended', 'until it is restored');
  await waitFor(async () => (await client.getStatus('suspended'))?.runtimeStatus === 'Suspended', {
    what: 'suspension',
  });
  await waitFor(async () => (await client.getStatus('child'))?.runtimeStatus === 'Running', { what: 'the child' });
  await waitFor(async () => (await client.getStatus('timer'))?.runtimeStatus === 'Running', { what: 'the timer' });
  await waitFor(async () => (await client.readEntityState(counter.id('a'))).entityState === 5, {
    what: 'the entity',
  });
  await waitFor(() => Promise.resolve(firstRuns.length === 1), { what: 'the activity' });
  const operator = { actor: 'test', actorKind: 'cli', address: null, userAgent: null, requestId: null } as const;
  keyOfAdmin = await first.access.createKey({ name: 'ops', scopes: ['read'] }, operator);
});
afterAll(() => first.stop());

describe('a copy of a database whose service runs goes on elsewhere', () => {
  it('made by pg_dump and pg_restore, as the documentation says', async (context) => {
    const missing = await missingPrograms(source);
    context.skip(missing !== undefined, missing);
    const target = await testDatabase({ migrated: false });
    const folder = await mkdtemp(join(tmpdir(), 'perdure-backup-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const page = await readFile(new URL('../../docs/backup-and-restore.md', import.meta.url), 'utf8');
    const lines = blocksOf(page).flatMap(({ text }) =>
      text.split('\n').filter((line) => /^pg_\w+ .*DATABASE_URL/.test(line)),
    );
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['pg_dump', 'pg_restore']);
    const env = { PATH: process.env['PATH'], DATABASE_URL: source.url, NEW_DATABASE_URL: target.url };
    for (const line of lines) await run('sh', ['-c', line], { cwd: folder, env });
    await goesOn(target, 'event-1');
  });

  it('made by reading all tables at one moment', async () => {
    const target = await testDatabase();
    await copyTables(source, target);
    await goesOn(target, 'event-2');
  });
});

/** @param event an instance that waits for its event in both databases */
async function goesOn(target: TestDatabase, event: string): Promise<void> {
  // An hour passes. The first database goes on with its own: nothing of it is to be seen here.
  await first.client.raiseEvent(event, 'Go', 'in the first');
  await first.client.waitForCompletion(event);
  await execute(target, `update messages set visible_at = now() where visible_at > now()`);

  const runs: Run[] = [];
  const hub = openHub(target, runs, false);
  try {
    await hub.start();
    const { client } = hub;
    const end = async (id: string): Promise<unknown> => {
      const { output = null, runtimeStatus } = (await client.waitForCompletion(id, { timeoutMs: 30_000 })) ?? {};
      return [runtimeStatus, output];
    };
    for (const id of [event, 'child']) await client.raiseEvent(id, 'Go', id);
    await client.resume('suspended', 'restored');
    await client.raiseEvent('suspended', 'Go', 'woken');
    const ends = {
      [event]: event,
      child: 'child',
      parent: 'child',
      later: 'late',
      suspended: 'woken',
      timer: 'slept',
    };
    for (const [id, output] of Object.entries(ends)) {
      expect([id, await end(id)]).toEqual([id, ['Completed', JSON.stringify(output)]]);
    }
    // What ran runs again, when the lease of the worker of that time has ended.
    expect(await end('activity')).toEqual(['Completed', '"worked"']);
    expect(runs).toEqual([{ taskId: firstRuns[0]?.taskId, redelivery: 1 }]);

    const history = async (from: TaskHub) => (await from.client.getStatus('ended', { showHistory: true }))?.history;
    expect(await history(hub)).toEqual(await history(first));
    await client.signalEntity(counter.id('a'), 'add', 2);
    await waitFor(async () => (await client.readEntityState(counter.id('a'))).entityState === 7, {
      what: 'the sum',
    });
    expect((await hub.access.findKey(keyOfAdmin))?.name).toBe('ops');
    // Numbers that the database gives go on behind those of the copy.
    await client.startNew(waits, { instanceId: 'new' });
    await client.raiseEvent('new', 'Go', 'new');
    expect(await end('new')).toEqual(['Completed', '"new"']);
  } finally {
    await hub.stop();
  }
}

/** Why the client programs cannot be used; they read no server that is newer than they are. */
async function missingPrograms(database: TestDatabase): Promise<string | undefined> {
  const [server] = await execute<{ version: number }>(
    database,
    `select current_setting('server_version_num')::int / 10000 as version`,
  );
  try {
    for (const program of ['pg_dump', 'pg_restore']) {
      const { stdout } = await run(program, ['--version']);
      const own = Number(/ (\d+)/.exec(stdout)?.[1]);
      if (own < (server?.version ?? 0)) return `${program} ${own} is older than the server, ${server?.version}`;
    }
    return undefined;
  } catch {
    return 'there is no pg_dump here';
  }
}

/** All rows and sequences, in one snapshot, into the migrated tables of another database. */
async function copyTables(from: TestDatabase, to: TestDatabase): Promise<void> {
  const open = async ({ url, schema }: TestDatabase): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
    await client.connect();
    return client;
  };
  const [reader, writer] = await Promise.all([open(from), open(to)]);
  try {
    await reader.query('begin isolation level repeatable read read only');
    const tables = await reader.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = $1 and tablename <> 'migrations'`,
      [from.schema],
    );
    for (const { name } of tables.rows) {
      const { rows } = await reader.query<{ all: string | null }>(
        `select jsonb_agg(to_jsonb(t))::text as all from "${name}" t`,
      );
      await writer.query(`delete from "${name}"`);
      await writer.query(
        `insert into "${name}" overriding system value
         select * from jsonb_populate_recordset(null::"${name}", coalesce($1, '[]')::jsonb)`,
        [rows[0]?.all ?? null],
      );
    }
    const sequences = await reader.query<{ name: string; last: string }>(
      `select sequencename as name, last_value as last from pg_sequences where schemaname = $1 and last_value is not null`,
      [from.schema],
    );
    for (const { name, last } of sequences.rows) await writer.query('select setval($1::regclass, $2)', [name, last]);
    await reader.query('commit');
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
}
