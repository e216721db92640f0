/** `perdure migrate` as a process. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { testDatabase } from '../support/postgres.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const database = await testDatabase({ migrated: false });

beforeAll(() => {
  build({ onlyIfStale: true, quiet: true });
}, 120_000);

async function perdure(
  parts: readonly string[],
  env: Record<string, string> = { DATABASE_URL: database.url },
): Promise<{ readonly code: number; readonly out: string; readonly errors: string }> {
  return new Promise((resolve) => {
    const options = { cwd: join(main, '../..'), env: { PATH: process.env['PATH'], ...env } };
    execFile(process.execPath, [main, ...parts], options, (error, out, errors) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, out, errors });
    });
  });
}

async function count(sql: string): Promise<number> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query(sql)).rowCount ?? 0;
  } finally {
    await client.end();
  }
}

test('prints what it would do, does it once, and then has nothing to do', async () => {
  // A service that may not do it says so.
  // Nor do commands that look, or that remove: they were sent to the wrong place.
  const others = [
    ['start', '--no-migrate', '--workers', '0', '--port', '0'],
    ['retention', '--dry-run'],
    ['retention', '--now'],
    ['export'],
    ['keys', 'list'],
  ];
  for (const refused of await Promise.all(others.map((parts) => perdure([...parts, '--schema', 'mine'])))) {
    expect(refused).toEqual({
      code: 4,
      out: '',
      errors: expect.stringMatching(
        /^perdure: there are no tables of Perdure in schema mine .*--schema.*perdure migrate/,
      ),
    });
  }

  const plan = await perdure(['migrate', '--dry-run', '--schema', 'mine']);
  expect(plan.code, plan.errors).toBe(0);
  expect(plan.out).toMatch(/^-- Perdure \d.*schema mine.*\nbegin;\n[\s\S]*insert into migrations[\s\S]*\ncommit;\n$/);
  expect(await count(`select 1 from pg_namespace where nspname = 'mine'`)).toBe(0);

  const done = await perdure(['migrate', '--schema', 'mine', '--json']);
  expect(done.code, done.errors).toBe(0);
  const { schema, applied } = JSON.parse(done.out) as { schema: string; applied: string[] };
  expect(schema).toBe('mine');
  expect(await count('select 1 from mine.migrations')).toBe(applied.length);

  expect(await perdure(['migrate', '--schema', 'mine'])).toEqual({
    code: 0,
    out: 'schema mine was up to date\n',
    errors: '',
  });
  expect(JSON.parse((await perdure(['migrate', '--schema', 'mine', '--dry-run', '--json'])).out)).toEqual({
    schema: 'mine',
    pending: [],
    sql: '',
  });
}, 60_000);

test.each([
  [1, [], {}, /^perdure: say which database with --database-url/],
  [1, ['--database-url', 'postgres://localhost:1/none'], {}, /^perdure: the database localhost:1\/none cannot be used/],
  [2, ['--schema', 'No'], { DATABASE_URL: database.url }, /^perdure: 'No' cannot be the schema/],
] as const)(
  'ends with %i and one line when it cannot: %j',
  async (exitCode, parts, env, line) => {
    const { code, out, errors } = await perdure(['migrate', ...parts], env);
    expect({ code, out }).toEqual({ code: exitCode, out: '' });
    expect(errors).toMatch(line);
    expect(errors.trim().split('\n')).toHaveLength(1);
  },
  30_000,
);
