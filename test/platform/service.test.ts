/** The built service as a process: what it says, how it ends, and what it refuses. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service } from '../support/service.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fixture = 'test/platform/fixtures/functions.mjs';
const functions = join(root, fixture);
const database = await testDatabase();
const main = join(root, 'dist/main.js');
let folder = '';

beforeAll(() => {
  build({ onlyIfStale: true, quiet: true });
}, 120_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perdure-service-'));
});

afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));

function start(): Promise<Service> {
  return startService({
    modules: [fixture],
    workingDirectory: folder,
    flags: ['--database-url', database.url],
  });
}

function logLine(service: Service, message: string): Record<string, unknown> | undefined {
  return logLines(service).find((entry) => entry['msg'] === message);
}

function logLines(service: Service): readonly Record<string, unknown>[] {
  return service
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function hasBegun(url: string, what: string): Promise<void> {
  await waitFor(async () => (await (await fetch(`${url}/api/Begun?what=${what}`)).json()) === true, { what });
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** Runs a command that is expected to end by itself. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH: process.env['PATH'], ...env }, timeout: 15_000 };
    execFile(process.execPath, [main, ...args], options, (error, out, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, errors });
    });
  });
}

/** What a command that cannot start writes, after checking that it is one line and ends with 1, or 2 for bad settings. */
async function refusal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  exitCode = 1,
): Promise<string> {
  const { code, out, errors } = await run(args, env);
  expect(errors).toMatch(/^perdure: [^\n]+\n$/);
  // No log either: nothing was begun, above all no worker.
  expect(out).toBe('');
  expect(code).toBe(exitCode);
  return errors;
}

test('with DATABASE_URL it is ready without a data directory of its own', async () => {
  const { url } = await start();
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect(existsSync(join(folder, '.perdure'))).toBe(false);
});

test('a log for machines is JSON and nothing else', async () => {
  const service = await start();
  expect(() => logLines(service)).not.toThrow();
});

describe('running and ending', () => {
  test('SIGTERM lets accepted requests finish and ends with 0', async () => {
    const service = await start();
    const { url } = service;
    const slow = fetch(`${url}/api/Slow`);
    await hasBegun(url, 'slow');
    const exit = service.end('SIGTERM');
    const answer = await slow;
    expect([answer.status, await answer.json()]).toEqual([200, { answer: 'late' }]);
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(logLine(service, 'stopped')).toBeDefined();
  });

  test('Ctrl-C under npm, which arrives twice, is one wish', async () => {
    const service = await start();
    void service.end('SIGINT');
    expect(await service.end('SIGINT')).toEqual({ code: 0, signal: null });
  });

  test('a signal ends a start for which the database has no answer', async () => {
    const proxy = await TcpProxy.open(database.url);
    const silent = proxy.silence('advisory', 'before');
    const child = spawn(process.execPath, [main, 'start', functions, '--port', '0', '--database-url', proxy.url], {
      cwd: folder,
      stdio: 'ignore',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    await silent;
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  test('a second signal ends at once, whatever still runs', async () => {
    const service = await start();
    const { url } = service;
    expect((await fetch(`${url}/api/Begin`, { method: 'POST' })).status).toBe(200);
    await waitFor(() => logLine(service, 'never has begun')); // and would have 25 s to finish
    void service.end('SIGTERM');
    await waitFor(() => logLine(service, 'stopping; a second signal ends at once'));
    await pause(400); // what comes sooner counts as the same wish
    expect(logLine(service, 'stopped')).toBeUndefined();
    expect(await service.end('SIGTERM')).toEqual({ code: 143, signal: null });
  });

  test('a rejection that user code forgot is logged and survived', async () => {
    const service = await start();
    const { url } = service;
    await fetch(`${url}/api/Forget`, { method: 'POST' });
    const entry = await waitFor(() => logLine(service, 'unhandled rejection in user code'));
    expect(entry['err']).toMatchObject({ message: 'nobody waits for this' });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });

  test('an error that user code throws out of a callback is logged and survived', async () => {
    const service = await start();
    const { url } = service;
    await fetch(`${url}/api/Explode`, { method: 'POST' });
    const entry = await waitFor(() => logLine(service, 'uncaught exception in user code'));
    expect(entry['err']).toMatchObject({ message: 'thrown out of a callback' });
    // F40: whatever it is, and however long.
    await fetch(`${url}/api/ExplodeOddly`, { method: 'POST' });
    const count = (text: string): number => service.output().split(text).length - 1;
    await waitFor(() => count('uncaught exception in user code') === 5 && count('unhandled rejection') === 4);
    expect(service.output()).toContain('"frozen"');
    expect(service.output().length).toBeLessThan(500_000);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });
});

describe('what cannot start says so in one line and ends with 1', () => {
  test('no functions', async () => {
    expect(await refusal(['start'])).toContain('perdure start ./functions.mjs');
  });

  test('a module that is not there', async () => {
    expect(await refusal(['start', './nothing.mjs'])).toContain('nothing.mjs');
  });

  test('a module that is wrong, with its line', async () => {
    await writeFile(join(folder, 'syntax.mjs'), 'export const a = 1;\nexport const b = ;\n');
    await writeFile(join(folder, 'imports.mjs'), "import './syntax.mjs';\n");
    await writeFile(join(folder, 'misspelt.mjs'), "\nimport { orchestratoin } from './imports.mjs';\n");
    await writeFile(join(folder, 'lacks.mjs'), "\nimport { nothing } from 'node:fs';\n");
    await mkdir(join(folder, 'common'));
    await writeFile(join(folder, 'common/package.json'), '{ "type": "commonjs" }');
    await writeFile(join(folder, 'common/module.js'), "\nimport 'node:fs';\n");
    const names = ['misspelt.mjs', 'lacks.mjs'];
    const [deep, lacks] = await Promise.all(names.map((name) => refusal(['start', name])));
    const common = await run(['start', 'common/module.js']);
    // Before it Node warns on its own.
    expect(common.errors).toMatch(
      /perdure: .* outside a module, at common\/module\.js:2\. .* name it \.mjs, or .*package\.json\n$/,
    );
    expect(deep).toMatch(/misspelt\.mjs could not be loaded: SyntaxError: Unexpected token ';', at syntax\.mjs:2\n$/);
    expect(lacks).toMatch(/ does not provide an export named 'nothing', at lacks\.mjs:2\n$/);
  });

  test('a port that is taken', async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => {
        const address = other.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    try {
      const text = await refusal(['start', functions, '--port', String(port)], { DATABASE_URL: database.url });
      expect(text).toContain(`port ${port} on 127.0.0.1 is taken`);
      expect(text).toContain('--port');
    } finally {
      other.close();
    }
  });

  test('a database that does not answer, without its password', async () => {
    const text = await refusal(['start', functions, '--port', '0'], {
      DATABASE_URL: 'postgres://me:geheim@127.0.0.1:1/db',
    });
    expect(text).toMatch(/127\.0\.0\.1:1\/db.*ECONNREFUSED.*DATABASE_URL/);
    expect(text).not.toContain('geheim');
  });

  test('a database that does not exist', async () => {
    const url = new URL(database.url);
    url.pathname = '/no_such_database';
    expect(await refusal(['start', functions, '--port', '0'], { DATABASE_URL: url.href })).toContain(
      'no_such_database',
    );
  });

  test('a setting that cannot be', async () => {
    expect(await refusal(['start', functions], { PORT: 'seven' }, 2)).toContain('--port (PORT)');
    expect(await refusal(['start', functions, '--host', '0.0.0.0'], {}, 2)).toContain('--allow-anonymous');
  });

  test('a flag that does not exist', async () => {
    const { code, errors } = await run(['start', '--prot', '1']);
    expect(code).toBe(2);
    expect(errors).toContain("unknown option '--prot'");
  });
});

test('--help and --version answer', async () => {
  const help = await run(['start', '--help']);
  expect([help.code, help.out]).toEqual([0, expect.stringContaining('--database-url <url>')]);
  const version = await run(['--version']);
  expect([version.code, version.out]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
});
