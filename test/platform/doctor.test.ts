/** `perdure doctor`: on a real database with things wrong, and on a running service. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { Finding } from '../../src/model/finding.ts';
import { examineDatabase } from '../../src/service/doctor.ts';
import { judgeSettings, weakSettings } from '../../src/store/postgres/diagnosis/settings.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { perdure, type CliRun } from '../cli/support.ts';
import { stage } from '../http/support.ts';
import { testDatabase } from '../support/postgres.ts';
import { pino } from 'pino';

const service = stage();
const empty = await testDatabase({ migrated: false });
const sick = await testDatabase();
const pool = new pg.Pool({ connectionString: sick.url, max: 2, options: `-c search_path=${sick.schema}` });

afterAll(() => pool.end());

const doctor = (...args: readonly string[]): Promise<CliRun> =>
  perdure(['doctor', ...args], { actions: { examineDatabase } });

async function findings(...args: readonly string[]): Promise<ReadonlyMap<string, Finding>> {
  const { out } = await doctor('--data-dir', 'nowhere', ...args, '--json');
  const { findings: all } = JSON.parse(out) as { readonly findings: readonly Finding[] };
  return new Map(all.map((finding) => [finding.check, finding]));
}

test('a database that is well: every check says so, but for what the tests switched off', async () => {
  const found = await findings('--database-url', service.database.url);
  const switchedOff = ['fsync', 'full_page_writes', 'synchronous_commit'];
  for (const [check, { level, text }] of found) {
    if (!switchedOff.includes(check)) expect([check, level, text]).toEqual([check, 'ok', text]);
  }
  expect([...found.keys()]).toEqual(
    expect.arrayContaining([
      'database',
      'version',
      'autovacuum',
      'clock',
      'pooler',
      'connections',
      'migrations',
      'unlogged',
    ]),
  );
  expect([...found.keys()]).toEqual(
    expect.arrayContaining(['bloat', 'snapshots', 'workers', 'dead-workers', 'names', 'stuck']),
  );
});

test('a database with dead workers, names that nobody runs, stuck instances and unlogged tables', async () => {
  const hub = createTaskHub({ databaseUrl: sick.url, schema: sick.schema, worker: false, taskHub: 'ward' });
  await hub.start();
  try {
    for (const name of ['Gone', 'Slow', 'Held']) await hub.client.startNew(name, { instanceId: `i-${name}` });
  } finally {
    await hub.stop();
  }
  const dead = `insert into workers (hub_id, name, orchestrators, activities, expires_at)
    select id, $1, $2, '{}', now() + $3 * interval '1 minute' from task_hubs returning id`;
  const { rows } = await pool.query<{ id: string }>(dead, ['host:1', ['Held'], -5]);
  await pool.query(`update executions set owner = $1 where name = 'Held'`, [rows[0]?.id]);
  await pool.query(dead, ['host:2', ['Slow'], 5]);
  await pool.query(`update messages set visible_at = now() - interval '1 hour'`);
  await pool.query('alter table retention_sweeps set unlogged');

  const found = await findings('--database-url', sick.url);
  expect(found.get('dead-workers')).toMatchObject({ level: 'warn', text: expect.stringContaining('host:1 (#') });
  expect(found.get('names')).toMatchObject({
    level: 'warn',
    text: expect.stringContaining("Gone in 'ward' (1, such as i-Gone)"),
  });
  expect(found.get('stuck')).toMatchObject({ level: 'warn', text: expect.stringContaining('Slow in') });
  expect(found.get('unlogged')).toMatchObject({ level: 'fail', text: expect.stringContaining('retention_sweeps') });
  expect(await doctor('--database-url', sick.url)).toMatchObject({
    code: 1,
    out: expect.stringMatching(/\nfail {2}unlogged .*\n +→ alter table/),
    errors: expect.stringMatching(/^perdure: \d+ of \d+ checks failed\.\n$/),
  });
});

test('a database without the tables, and one that is not there', async () => {
  const found = await findings('--database-url', empty.url);
  expect(found.get('migrations')).toMatchObject({ level: 'fail', fix: expect.stringContaining('perdure start') });
  expect(found.has('workers')).toBe(false);
  const gone = await findings('--database-url', 'postgres://u:geheim@127.0.0.1:1/db');
  expect(gone.get('database')).toMatchObject({ level: 'fail', text: expect.stringContaining('127.0.0.1:1/db') });
  expect(JSON.stringify([...gone])).not.toContain('geheim');
});

test('the embedded database that a service runs here, without being told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perdure-doctor-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'database-url'), `${empty.url}\n`);
  expect((await findings('--data-dir', folder)).get('database')).toMatchObject({ level: 'ok' });
});

test('migrations that are pending', async () => {
  await pool.query(`delete from migrations where name = '0011_retention.sql'`);
  const pending = (await findings('--database-url', sick.url)).get('migrations');
  expect(pending).toMatchObject({ level: 'fail', text: '1 migrations are pending: 0011_retention.sql' });
});

test('a running service: ready, and whether the key is good', async () => {
  const guarded = await service.server({ systemKey: 'the key' });
  const url = await guarded.app.listen({ port: 0, host: '127.0.0.1' });
  const well = await findings('--url', url, '--code', 'the key');
  expect([...well.values()].map(({ check, level }) => [check, level])).toEqual([
    ['node', 'ok'],
    ['service', 'ok'],
    ['key', 'ok'],
  ]);
  expect((await findings('--url', url)).get('key')).toMatchObject({
    level: 'fail',
    fix: expect.stringContaining('--code'),
  });
  const silent = await doctor('--data-dir', 'nowhere', '--url', 'http://127.0.0.1:1');
  expect(silent).toMatchObject({ code: 1, out: expect.stringContaining('does not answer') });
  expect(await doctor('--data-dir', 'nowhere')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('--database-url'),
  });
});

const good = {
  ...{ fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on', autovacuum: 'on', synchronous_standby_names: '' },
  ...{ statement_timeout: '0', lock_timeout: '0', idle_session_timeout: '0' },
};

test.each([
  [{}, []],
  [{ synchronous_commit: 'remote_apply' }, []],
  [{ fsync: 'off' }, [['fsync', 'fail']]],
  [{ full_page_writes: 'off' }, [['full_page_writes', 'fail']]],
  [{ synchronous_commit: 'off' }, [['synchronous_commit', 'fail']]],
  [{ synchronous_commit: 'local', synchronous_standby_names: 'a' }, [['standbys', 'warn']]],
  [{ autovacuum: 'off' }, [['autovacuum', 'fail']]],
  [{ statement_timeout: '1000' }, [['statement_timeout', 'warn']]],
  [{ idle_session_timeout: '10000', lock_timeout: '60000' }, [['idle_session_timeout', 'warn']]],
])('settings such as %j', (changed, wrong) => {
  const found = judgeSettings({ ...good, ...changed }).filter(({ level }) => level !== 'ok');
  expect(found.map(({ check, level }) => [check, level])).toEqual(wrong);
  for (const { fix } of found) expect(fix?.length).toBeGreaterThan(10);
});

test('a start says in one line which settings of its database weaken the promises', async () => {
  expect(weakSettings(good)).toEqual([]);
  const { rows } = await pool.query<{ setting: string }>(`select setting from pg_settings where name = 'fsync'`);
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const { url, schema } = service.database;
  const hub = createTaskHub({ databaseUrl: url, schema, worker: false, logger });
  await hub.start();
  await hub.stop();
  const said = lines.filter((line) => line.includes('weaken'));
  expect(said).toHaveLength(rows[0]?.setting === 'off' ? 1 : 0);
  for (const line of said) expect(line).toMatch(/fsync is off: .*perdure doctor/);
});
