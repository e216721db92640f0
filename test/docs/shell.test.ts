/**
 * The shell lines of the pages: curl asks a service, commands that talk to a service do, and the flags and values of all
 * others are read as the real command line reads them. A page is one shell: variables live until its end.
 */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { build } from '../../scripts/build.mjs';
import type { HttpTriggerDefinition } from '../../src/client/http-trigger.ts';
import { readConfig, readHubConfig, readStoreConfig } from '../../src/config.ts';
import { createServer } from '../../src/http/server.ts';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { loadFunctions } from '../../src/worker/in-process/load-functions.ts';
import { perdure } from '../cli/support.ts';
import { shellLines, ShellLines, type CurlRequest } from '../support/page.ts';
import { testDatabase } from '../support/postgres.ts';
import { blocks, root, runnerOf, tested, type PageBlock } from './pages.ts';

const database = await testDatabase();
const adminKey = 'the key of the pages';
/** Pages whose service asks for a key. */
const keyed = ['docs/security.md', 'docs/configuration.md'];
const patience = { timeout: 15_000, interval: 50 };

let hub: TaskHub;
const servers: FastifyInstance[] = [];
const urls = { open: '', keyed: '' };
let folder = '';

beforeAll(async () => {
  build({ onlyIfStale: true, quiet: true });
  folder = await mkdtemp(join(tmpdir(), 'perdure-pages-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/perdure'), 'junction');
  // The module that the README has its readers write.
  const hello = blocks.find(({ page, text }) => page === 'README.md' && text.includes("activity('SayHello'"));
  await writeFile(join(folder, 'hello.mjs'), hello?.text ?? '');
  const { functions, triggers } = await loadFunctions([join(root, 'samples/order'), join(folder, 'hello.mjs')]);
  hub = createTaskHub({ databaseUrl: database.url, functions, retention: false, webhookSecret: 'secret' });
  await hub.start();
  urls.open = await listen(triggers);
  urls.keyed = await listen(triggers, adminKey);
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.close();
  await hub.stop();
  await rm(folder, { recursive: true, force: true });
});

async function listen(triggers: readonly HttpTriggerDefinition[], systemKey?: string): Promise<string> {
  const server = await createServer(hub, { triggers, systemKey });
  servers.push(server);
  return server.listen({ host: '127.0.0.1', port: 0 });
}

const pages = new Map<string, PageBlock[]>();
for (const block of tested) {
  if (runnerOf(block) === 'shell') pages.set(block.page, [...(pages.get(block.page) ?? []), block]);
}

test.each([...pages.keys()])(
  '%s',
  async (page) => {
    const url = keyed.includes(page) ? urls.keyed : urls.open;
    const shell = new ShellLines();
    shell.set('API', 'http://127.0.0.1:7071/runtime/webhooks/durabletask');
    shell.set('ADMIN', adminKey);
    shell.set('DATABASE_URL', database.url);
    shell.set('ID', 'order-1');
    for (const { name, text } of pages.get(page) ?? []) {
      for (const line of shellLines(text)) {
        await expect(execute(line, shell, url), `${name}: ${line}`).resolves.toBeUndefined();
      }
    }
  },
  60_000,
);

async function execute(line: string, shell: ShellLines, url: string): Promise<void> {
  if (/^\s*(#.*)?$/.test(line)) return;
  // Programs of others: their lines are taken for granted.
  if (/^psql /.test(line)) return;
  const command = /^((?:[A-Z_]+=\S+ )*)(?:(?:npx )?perdure |npm start\b(?: --)?)(.*?)(?: &)?$/.exec(line);
  if (command !== null) {
    const given = shell.words(command[1] ?? '').map((word) => word.split('='));
    const isStart = /npm start/.test(line);
    const words = shell.words(`${isStart ? 'start' : ''}${command[2] ?? ''}`.replace(/ > \S+/, ''));
    return runPerdure(words, Object.fromEntries(given), url);
  }
  if (/^npm /.test(line)) {
    for (const part of line.replace(/ #.*/, '').split(' && ')) expectScript(part.trim());
    return;
  }
  const request = shell.read(line);
  if (request === undefined) return;
  const said = await ask(request, url);
  if (request.idInto !== undefined) shell.set(request.idInto, said.split('"')[3] ?? '');
}

/** What npm brings, or a script of ours. */
function expectScript(command: string): void {
  const [, word = ''] = /^npm (?:run )?([\w-]+)/.exec(command) ?? [];
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: object };
  expect(['ci', 'install', 'pack', 'audit', ...Object.keys(scripts)]).toContain(word);
}

/** Whatever would begin a service or work on a database is read only: those commands have tests of their own. */
async function runPerdure(words: readonly string[], env: Readonly<Record<string, string>>, url: string): Promise<void> {
  const reading = (read: (request: object) => unknown) => (request: object) => {
    read(request);
    return Promise.resolve();
  };
  const onHub = reading((flags) => readHubConfig({ flags, env }));
  const actions = {
    start: ({ flags }: { readonly flags: object }) => reading((given) => readConfig({ flags: given, env }))(flags),
    keys: reading((flags) => readStoreConfig({ flags, env })),
    migrate: reading((flags) => readStoreConfig({ flags, env })),
    ...{ retention: onHub, export: onHub, import: onHub },
  };
  const ended = await perdure(words, { url, actions, env: { PERDURE_CODE: adminKey, ...env } });
  expect(ended.code, `${ended.out}${ended.errors}`).toBe(0);
}

/** What is read may take a moment to become so, and what is done may have to wait for what was done before. */
async function ask(request: CurlRequest, url: string): Promise<string> {
  return vi.waitFor(async () => {
    const { method, headers, body = null } = request;
    const target = request.url
      .replace(/^http:\/\/127\.0\.0\.1:\d+/, url)
      .replace('code=secret', `code=${encodeURIComponent(adminKey)}`);
    const stop = new AbortController();
    const response = await fetch(target, { method, headers, body, signal: stop.signal });
    // A stream has no end: its beginning tells.
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const answer = isStream ? '' : await response.text();
    if (isStream) stop.abort();
    const said = `${request.line}\nanswered ${response.status} ${answer}`;
    if (request.status === undefined) expect(response.status, said).toBeLessThan(400);
    else expect(response.status, said).toBe(request.status);
    return answer;
  }, patience);
}
