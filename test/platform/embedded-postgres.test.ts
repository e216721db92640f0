import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.ts';
import { findPostgresBinaries } from '../../src/store/embedded/postgres-binaries.ts';
import { waitFor } from '../support/wait-for.ts';

let dataDir = '';
let messages: string[] = [];
const running: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'perdure-embedded-'));
  messages = [];
});

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  const left = await postmasterPid().catch(() => undefined);
  if (left !== undefined) signal(left, 'SIGQUIT');
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

async function start(): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, log: (text) => messages.push(text) });
  running.push(server);
  return server;
}

/** Another process that runs the embedded Postgres of the same folder until it is killed. */
async function startInAnotherProcess(): Promise<ChildProcess> {
  const module = fileURLToPath(new URL('../../src/store/embedded/embedded-postgres.ts', import.meta.url));
  const program = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    const server = await startEmbeddedPostgres({ dataDir: process.argv[1], log: () => {} });
    process.stdout.write('ready\\n');
    process.on('SIGTERM', () => void server.stop().then(() => process.exit(0)));
    setInterval(() => {}, 60_000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  await waitFor(() => output.includes('ready') || child.exitCode !== null, {
    timeoutMs: 20_000,
    what: 'the other process',
  });
  expect(child.exitCode).toBeNull();
  return child;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function postmasterPid(): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

test('a first start creates a database that wants its password and listens on loopback alone', async () => {
  const { url } = await start();
  const settings = await query(
    url,
    `select current_setting('listen_addresses') as listen, current_setting('unix_socket_directories') as sockets,
            current_setting('fsync') as fsync, current_setting('full_page_writes') as pages,
            current_setting('synchronous_commit') as sync, current_setting('server_encoding') as encoding`,
  );
  expect(settings).toEqual([
    { listen: '127.0.0.1', sockets: '', fsync: 'on', pages: 'on', sync: 'on', encoding: 'UTF8' },
  ]);
  const wrong = new URL(url);
  wrong.password = 'guess';
  await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  expect((await stat(join(dataDir, 'postgres', 'perdure.password'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(dataDir, 'database-url'))).mode & 0o777).toBe(0o600);
});

test('data survives a stop, and no process does', async () => {
  const first = await start();
  await query(first.url, `create table kept as select 'yes' as answer`);
  const pid = await postmasterPid();
  await first.stop();
  await waitFor(() => !signal(pid, 0), { what: 'the end of the server' });
  expect(existsSync(join(dataDir, 'database-url'))).toBe(false);

  const second = await start();
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 'yes' }]);
});

test('a second start on the folder says who uses it and what to do', async () => {
  const first = await start();
  const second = startEmbeddedPostgres({ dataDir, log: () => undefined });
  await expect(second).rejects.toThrow(
    new RegExp(`already running on ${dataDir} \\(process ${process.pid}\\).*--data-dir.*DATABASE_URL.*--port`),
  );
  await expect(second).rejects.toMatchObject({ name: 'EmbeddedPostgresError' });
  // The first one is not harmed.
  expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('of two starts at the same time one gets the folder', async () => {
  const outcomes = await Promise.allSettled([start(), start()]);
  expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(await readdir(dataDir)).not.toContainEqual(expect.stringContaining('init'));
});

test('a server whose Perdure was killed goes on and is taken over', async () => {
  const child = await startInAnotherProcess();
  const url = (await readFile(join(dataDir, 'database-url'), 'utf8')).trim();
  await query(url, `create table kept as select 'yes' as answer`);
  const pid = await postmasterPid();
  child.kill('SIGKILL');
  await waitFor(() => child.signalCode !== null);

  const server = await start();
  expect(await postmasterPid()).toBe(pid);
  expect(await query(server.url, 'select answer from kept')).toEqual([{ answer: 'yes' }]);
  await server.stop();
  // Not our child: whoever inherited it has to notice its end.
  await waitFor(() => !signal(pid, 0), { what: 'the end of the server' });
});

test('Ctrl-C reaches Perdure and not its Postgres', async () => {
  const child = await startInAnotherProcess();
  const pid = await postmasterPid();
  const session = async (of: number) => (await readFile(`/proc/${of}/stat`, 'utf8')).split(') ')[1]!.split(' ')[3];
  if (process.platform === 'linux') expect(await session(pid)).not.toBe(await session(child.pid!));
  child.kill('SIGTERM');
  await waitFor(() => child.exitCode !== null);
  expect(child.exitCode).toBe(0);
  await waitFor(() => !signal(pid, 0), { what: 'the end of the server' });
});

test('the lock of a server that was killed heals', async () => {
  const first = await start();
  await query(first.url, `create table kept as select 'yes' as answer`);
  await first.stop();
  // What a power cut leaves, once with a number that nobody has, once with one that now belongs to something else.
  for (const pid of [2 ** 22 - 3, process.pid]) {
    const lock = [pid, join(dataDir, 'postgres'), '1700000000', '5432', '', '127.0.0.1', '  1 1', 'ready   ', ''];
    await writeFile(join(dataDir, 'postgres', 'postmaster.pid'), lock.join('\n'));
    const next = await start();
    expect(await query(next.url, 'select answer from kept')).toEqual([{ answer: 'yes' }]);
    await next.stop();
  }
});

test('a server that dies is started again under the same address', async () => {
  const server = await start();
  const pid = await postmasterPid();
  signal(pid, 'SIGKILL');
  await waitFor(() => messages.some((text) => text.includes('runs again')), { timeoutMs: 20_000 });
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(await postmasterPid()).not.toBe(pid);
});

test('an initialisation that was interrupted is done again, and a finished one never', async () => {
  // What kill -9 of an initialisation leaves: a half-filled folder under a name that is never used for data.
  const half = join(dataDir, `postgres.init-${2 ** 22 - 3}-abcd`);
  await mkdir(join(half, 'data', 'base'), { recursive: true });
  await writeFile(join(half, 'data', 'PG_VERSION'), '18\n');
  const first = await start();
  expect(existsSync(half)).toBe(false);
  await query(first.url, `create table kept as select 'yes' as answer`);
  await first.stop();
  messages = [];
  const second = await start();
  expect(messages).toEqual([]);
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 'yes' }]);
});

test('a folder that is no database is left alone', async () => {
  await mkdir(join(dataDir, 'postgres'));
  await writeFile(join(dataDir, 'postgres', 'diary.txt'), 'mine');
  await expect(start()).rejects.toThrow(/is no Postgres data directory: move it away/);
  expect(await readFile(join(dataDir, 'postgres', 'diary.txt'), 'utf8')).toBe('mine');
});

test.runIf(process.getuid?.() === 0 && process.platform === 'linux')(
  'root may keep the project where no other user can go',
  async () => {
    await chmod(dataDir, 0o700);
    const inside = join(dataDir, 'clone', '.perdure');
    const server = await startEmbeddedPostgres({ dataDir: inside, log: () => undefined });
    try {
      expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
      expect((await stat(join(inside, 'postgres'))).uid).not.toBe(0);
    } finally {
      await server.stop();
    }
  },
);

test('installed without install scripts, the programs are completed', async () => {
  const installed = await findPostgresBinaries({ user: undefined, log: () => undefined });
  const native = join(installed.postgres, '..', '..');
  const bare = join(dataDir, 'package');
  await cp(join(native, '..', 'package.json'), join(bare, 'package.json'));
  await cp(native, join(bare, 'native'), {
    recursive: true,
    filter: async (source) => !(await isLink(source)),
  });
  const copy = await findPostgresBinaries({ user: undefined, log: () => undefined, native: join(bare, 'native') });
  expect(copy.postgres).toBe(join(bare, 'native', 'bin', 'postgres'));
  expect(await readdir(join(bare, 'native', 'lib'))).toEqual(await readdir(join(native, 'lib')));
});

test.runIf(process.getuid?.() === 0 && process.platform === 'linux')(
  'programs that the user of Postgres cannot reach are copied once to where he can',
  async () => {
    const installed = await findPostgresBinaries({ user: undefined, log: () => undefined });
    const hidden = join(dataDir, 'package');
    await cp(join(installed.postgres, '..', '..', '..'), hidden, { recursive: true, verbatimSymlinks: true });
    const cacheDir = await mkdtemp(join(tmpdir(), 'perdure-cache-'));
    try {
      await chmod(cacheDir, 0o755);
      const find = () =>
        findPostgresBinaries({
          user: { uid: 65_534, gid: 65_534 },
          log: (text) => messages.push(text),
          native: join(hidden, 'native'),
          cacheDir,
        });
      expect((await find()).initdb).toMatch(new RegExp(`^${cacheDir}/postgres-[^/]+/bin/initdb$`));
      await find();
      expect(messages).toEqual([expect.stringContaining('copied the Postgres programs')]);
    } finally {
      await rm(cacheDir, { recursive: true });
    }
  },
);

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path)).isSymbolicLink();
}
