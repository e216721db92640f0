/** `perdure retention`, `export` and `import` as processes, on a database that a service shares. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { orchestration } from '../../src/model/functions.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const database = await testDatabase();
const echoes = orchestration('Echoes', (_ctx, input: unknown) => input);
const hub = createTaskHub({ databaseUrl: database.url, functions: [echoes], retention: false });
let folder = '';

beforeAll(async () => {
  build({ onlyIfStale: true, quiet: true });
  folder = await mkdtemp(join(tmpdir(), 'perdure-archive-'));
  await hub.start();
}, 120_000);
afterAll(async () => {
  await hub.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

function perdure(...parts: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH: process.env['PATH'], DATABASE_URL: database.url } };
    execFile(process.execPath, [main, ...parts], options, (error, out, errors) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, out, errors });
    });
  });
}

test('export, purge, import; and what retention would remove, removes, and has removed', async () => {
  for (const instanceId of ['a-1', 'a-2', 'b-1']) {
    await hub.client.startNew(echoes, { instanceId, input: instanceId });
    await hub.client.waitForCompletion(instanceId);
  }
  const before = await hub.client.getStatus('a-1', { showHistory: true });
  const [one, all] = await Promise.all([
    perdure('export', '--instance', 'a-1'),
    perdure(
      ...[
        'export',
        '--prefix',
        'a-',
        '--created-from',
        '1h',
        '--with-history',
        '--output',
        'a.jsonl',
        '--runtime-status',
        'completed',
      ],
    ),
  ]);
  expect(one).toMatchObject({ code: 0, errors: '1 instance was exported.\n' });
  expect(one.out.split('\n').map((line) => (line ? Object.keys(JSON.parse(line))[0] : ''))).toEqual([
    'perdure',
    'instanceId',
    'end',
    '',
  ]);
  expect(all).toEqual({ code: 0, out: '', errors: '2 instances were exported.\n' });
  expect(await readFile(join(folder, 'a.jsonl'), 'utf8')).toMatch(/"closed":true[^]*"end":{"instances":2}}\n$/);
  await hub.client.purgeInstanceHistoryBy({ instanceIdPrefix: 'a-' });
  expect(await perdure('import', 'a.jsonl')).toEqual({ code: 0, out: '2 instances were imported.\n', errors: '' });
  expect(await hub.client.getStatus('a-1', { showHistory: true })).toEqual({ ...before, key: expect.any(String) });

  await execute(
    database,
    `update instances set created_at = created_at - interval '100 days', completed_at = completed_at - interval '100 days',
     imported_at = null where instance_id <> 'a-2'`,
  );
  const [dry, refused, none] = await Promise.all([
    perdure('retention', '--dry-run'),
    perdure('retention', '--now', '--retention', '0'),
    perdure('retention'),
  ]);
  expect(dry.out).toMatch(
    /^NAME +STATUS +ROOTS +INSTANCES +ENDED\nEchoes +Completed +2 +2 +\d{4}-\d\d-\d\d to \S+\n2 instances would be removed \(kept: 90d\); nothing was\.\n$/,
  );
  expect(refused).toMatchObject({ code: 1, errors: expect.stringContaining('kept for ever (--retention 0)') });
  expect(none.out).toBe('Retention has not run in this task hub yet.\n');
  const now = await perdure('retention', '--now', '--retention-export', 'kept');
  expect(now).toEqual({ code: 0, out: '2 instances were removed, 2 written before.\n', errors: '' });
  const [file = ''] = await readdir(join(folder, 'kept'));
  const [status, back] = await Promise.all([
    perdure('retention', '--json'),
    perdure('import', join('kept', file), '--json'),
  ]);
  expect(JSON.parse(status.out)).toMatchObject({ rules: '90d', running: false, removed: 2, removedTotal: 2 });
  expect(JSON.parse(back.out)).toEqual({ imported: 2, present: 0, taken: 0, live: 0 });
  const { records } = await hub.access.listAudit({ action: 'purgeMany' }, { limit: 10 });
  expect(records).toMatchObject([{ actorKind: 'cli', reason: 'retention', detail: '90d {"instancesDeleted":2}' }]);
}, 60_000);

test('what cannot be done is said in a line', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['export', '--instance', 'nobody'], /^perdure: There is no instance 'nobody' in task hub 'default'\.\n$/],
    [['export', '--status', 'lost'], /^perdure: .*'--status <list>'.* 'lost' is invalid\. Statuses are Pending, .*\n$/],
    [['import', 'nowhere.jsonl'], /^perdure: nowhere\.jsonl cannot be read .*\n$/],
    [['import', main], /^perdure: line 1: this is no .*\n$/],
  ];
  const outcomes = await Promise.all(cases.map(([parts]) => perdure(...parts)));
  for (const [index, [parts, message]] of cases.entries()) {
    expect([parts, outcomes[index]?.code]).toEqual([parts, expect.toBeOneOf([1, 2, 3])]);
    expect(outcomes[index]?.errors).toMatch(message);
  }
}, 60_000);
