/** `perdure keys` as a process, on a database that a service shares. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { createServer } from '../../src/http/server.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const database = await testDatabase();

beforeAll(() => {
  build({ onlyIfStale: true, quiet: true });
}, 120_000);

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

function keys(
  parts: readonly string[],
  env: Record<string, string> = { DATABASE_URL: database.url },
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd: join(main, '../..'), env: { PATH: process.env['PATH'], ...env } };
    execFile(process.execPath, [main, 'keys', ...parts], options, (error, out, errors) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, out, errors });
    });
  });
}

test('a key made here works in a running service, is listed, rotated and revoked', async () => {
  const hub = createTaskHub({ databaseUrl: database.url, schema: database.schema, worker: false });
  const app = await createServer(hub, { requireKeys: true });
  const status = async (key: string) => {
    const url = `/runtime/webhooks/durabletask/instances?code=${key}`;
    return (await app.inject({ method: 'GET', url })).statusCode;
  };
  try {
    const made = await keys(['create', 'deploy', '--scopes', 'read,write', '--expires', '90d']);
    expect(made.code, made.errors).toBe(0);
    expect(made.out).toMatch(/^perdure_[\w-]{43}\n$/);
    const first = made.out.trim();
    expect(await status(first)).toBe(200);

    const listed = await keys(['list']);
    expect(listed.out).toMatch(
      /^NAME +SCOPES +CREATED +ROTATED +EXPIRES\ndeploy +read,write +\d{4}-\d\d-\d\d +- +\d{4}-/,
    );
    expect(listed.out).not.toContain(first);

    const rotated = await keys(['rotate', 'deploy', '--grace', '1h', '--json', '--database-url', database.url], {});
    const { value: second } = JSON.parse(rotated.out) as { readonly value: string };
    expect([await status(second), await status(first)]).toEqual([200, 200]);

    expect((await keys(['revoke', 'deploy'])).out).toBe("'deploy' is revoked.\n");
    await waitFor(async () => (await status(second)) === 401 && (await status(first)) === 401, {
      what: 'the revocation',
    });
    expect((await keys(['list', '--json'])).out).toBe('[]\n');
    expect((await keys(['rotate-links'])).code).toBe(0);
  } finally {
    await app.close();
    await hub.stop();
  }
}, 60_000);

test('what cannot be done is said in a line', async () => {
  const cases: readonly [readonly string[], Record<string, string> | undefined, RegExp, number?][] = [
    [
      ['list'],
      { PERDURE_DATA_DIR: 'nowhere' },
      /^perdure: there is no database in nowhere: .*DATABASE_URL.*--data-dir.*\n$/,
    ],
    [['create', 'x', '--scopes', 'root'], undefined, /^perdure: --scopes knows read, write, admin, not 'root'\.\n$/],
    [['create', 'x y', '--scopes', 'read'], undefined, /^perdure: The name of a key must be .*\n$/, 2],
    [
      ['create', 'x', '--scopes', 'read', '--expires', 'soon'],
      undefined,
      /^perdure: --expires must be a time .*'soon'\.\n$/,
      2,
    ],
    [['revoke', 'nobody'], undefined, /^perdure: There is no key 'nobody'\.\n$/, 3],
    [['create', 'x'], undefined, /--scopes/, 2],
  ];
  for (const [parts, env, message, exitCode = 1] of cases) {
    const { code, out, errors } = await keys(parts, env);
    expect([parts, code, out]).toEqual([parts, exitCode, '']);
    expect(errors).toMatch(message);
  }
}, 60_000);
