/** The built service as a process: what it says, how it ends, and what it refuses. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { testDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const functions = join(root, 'test/platform/fixtures/functions.mjs');
const database = await testDatabase();

/** A process that was started, with what it has written so far. */
interface Service {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly errors: () => string;
  /** Exit code or signal, once it has ended. */
  ended(): Promise<number | NodeJS.Signals>;
}

let folder = '';
const services: Service[] = [];

beforeAll(() => {
  build({ onlyIfStale: true });
}, 120_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perdure-service-'));
});

afterEach(async () => {
  for (const service of services.splice(0)) {
    service.process.kill('SIGKILL');
    await service.ended();
  }
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command in a folder of its own, without anything of this process's environment but PATH. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Service {
  const child = spawn(process.execPath, [join(root, 'dist/main.js'), ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const closed = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? -1));
  });
  const service: Service = { process: child, out: () => out, errors: () => errors, ended: () => closed };
  services.push(service);
  return service;
}

/** A service that is ready, on the test database unless told otherwise. @returns it and its URL */
async function start(...args: string[]): Promise<{ readonly service: Service; readonly url: string }> {
  const service = run(['start', functions, '--port', '0', ...args], { DATABASE_URL: database.url });
  const line = await waitFor(() => logLine(service, 'ready') ?? failIfEnded(service), {
    timeoutMs: 20_000,
    what: 'ready',
  });
  return { service, url: String(line['url']) };
}

function failIfEnded(service: Service): undefined {
  if (service.process.exitCode !== null) throw new Error(`it ended: ${service.errors()}`);
  return undefined;
}

function logLine(service: Service, message: string): Record<string, unknown> | undefined {
  for (const line of service.out().split('\n')) {
    if (!line.startsWith('{')) continue;
    const entry = JSON.parse(line) as Record<string, unknown>;
    if (entry['msg'] === message) return entry;
  }
  return undefined;
}

async function hasBegun(url: string, what: string): Promise<void> {
  await waitFor(async () => (await (await fetch(`${url}/api/Begun?what=${what}`)).json()) === true, { what });
}

/** What a command that cannot start writes, after checking that it is one line and ends with 1. */
async function refusal(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const service = run(args, env);
  expect(await service.ended()).toBe(1);
  expect(service.errors()).toMatch(/^perdure: [^\n]+\n$/);
  return service.errors();
}

test('with DATABASE_URL it is ready without a data directory of its own', async () => {
  const { url } = await start();
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect(existsSync(join(folder, '.perdure'))).toBe(false);
});

test('a log for machines is JSON and nothing else', async () => {
  const { service } = await start();
  const lines = service.out().trim().split('\n');
  expect(() => lines.map((line): unknown => JSON.parse(line))).not.toThrow();
});

describe('running and ending', () => {
  test('SIGTERM lets accepted requests finish and ends with 0', async () => {
    const { service, url } = await start();
    const slow = fetch(`${url}/api/Slow`);
    await hasBegun(url, 'slow');
    service.process.kill('SIGTERM');
    const answer = await slow;
    expect([answer.status, await answer.json()]).toEqual([200, { answer: 'late' }]);
    expect(await service.ended()).toBe(0);
    expect(logLine(service, 'stopped')).toBeDefined();
  });

  test('Ctrl-C under npm, which arrives twice, is one wish', async () => {
    const { service } = await start();
    service.process.kill('SIGINT');
    service.process.kill('SIGINT');
    expect(await service.ended()).toBe(0);
  });

  test('a second signal ends at once, whatever still runs', async () => {
    const { service, url } = await start();
    expect((await fetch(`${url}/api/Begin`, { method: 'POST' })).status).toBe(200);
    await hasBegun(url, 'never'); // and would have 25 s to finish
    service.process.kill('SIGTERM');
    await waitFor(() => logLine(service, 'stopping; a second signal ends at once'));
    await pause(400); // what comes sooner counts as the same wish
    expect(service.process.exitCode).toBeNull();
    service.process.kill('SIGTERM');
    expect(await service.ended()).toBe(143);
  });

  test('a rejection that user code forgot is logged and survived', async () => {
    const { service, url } = await start();
    await fetch(`${url}/api/Forget`, { method: 'POST' });
    const entry = await waitFor(() => logLine(service, 'unhandled rejection in user code'));
    expect(entry['err']).toMatchObject({ message: 'nobody waits for this' });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });

  test('an error that user code throws out of a callback is logged and survived', async () => {
    const { service, url } = await start();
    await fetch(`${url}/api/Explode`, { method: 'POST' });
    const entry = await waitFor(() => logLine(service, 'uncaught exception in user code'));
    expect(entry['err']).toMatchObject({ message: 'thrown out of a callback' });
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
    expect(await refusal(['start', functions], { PORT: 'seven' })).toContain('--port (PORT)');
    expect(await refusal(['start', functions, '--host', '0.0.0.0'])).toContain('--allow-anonymous');
  });

  test('a flag that does not exist', async () => {
    const service = run(['start', '--prot', '1']);
    expect(await service.ended()).toBe(1);
    expect(service.errors()).toContain("unknown option '--prot'");
  });
});

test('--help and --version answer', async () => {
  const help = run(['start', '--help']);
  expect(await help.ended()).toBe(0);
  expect(help.out()).toContain('--database-url <url>');
  const version = run(['--version']);
  expect(await version.ended()).toBe(0);
  expect(version.out()).toMatch(/^\d+\.\d+\.\d+\n$/);
});
