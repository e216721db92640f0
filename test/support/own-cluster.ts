/** A Postgres of the test's own, which it may crash, fill and restart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, symlink, cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll } from 'vitest';
import { ensureCluster, readPassword, databaseUser } from '../../src/store/embedded/initialise.ts';
import { findPostgresBinaries } from '../../src/store/embedded/postgres-binaries.ts';
import { identify, readPostmaster, spawnPostgres } from '../../src/store/embedded/postgres-process.ts';
import { isRoot, postgresUser } from '../../src/store/embedded/system-user.ts';
import { migrate } from '../../src/store/postgres/migrate.ts';
import type { TestDatabase } from './postgres.ts';
import { waitFor } from './wait-for.ts';

const run = promisify(execFile);

/** Options of {@link ownCluster}. */
export interface OwnClusterOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** Bytes of a file system of its own for the write-ahead log; see {@link canMount}. */
  readonly walBytes?: number;
}

export interface OwnCluster extends TestDatabase {
  readonly folder: string;
  /** Kills all of it at once, as a power cut does. */
  crash(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Whether the server runs. */
  runs(): Promise<boolean>;
  /** One statement, as the superuser. */
  query(text: string): Promise<readonly Record<string, unknown>[]>;
}

/** What durable settings are for: these tests are about what survives. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '16MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  timezone: 'UTC',
  // The machine does not lose its power: what a killed server wrote is in the cache of the system.
  fsync: 'off',
};

/** Why small disks cannot be made here; `undefined` when they can. */
export async function cannotMount(): Promise<string | undefined> {
  if (process.platform !== 'linux' || !isRoot()) return 'skipped: not root';
  const folder = await mkdtemp(join(tmpdir(), 'perdure-mount-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
    await run('umount', [folder]);
    return undefined;
  } catch {
    return 'skipped: no right to mount a file system';
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Starts a migrated cluster; ended and removed after the last test of the calling file or `describe`. */
export async function ownCluster(options: OwnClusterOptions = {}): Promise<OwnCluster> {
  const root = await mkdtemp(join(tmpdir(), `perdure-own-${process.pid}-`));
  const folder = join(root, 'postgres');
  const user = await postgresUser(folder);
  const binaries = await findPostgresBinaries({ user, log: () => undefined });
  await ensureCluster({ clusterDir: folder, binaries, user, log: () => undefined });
  const password = await readPassword(folder);
  const mounted: string[] = [];
  const port = await freePort();
  const url = `postgres://${databaseUser}:${password}@127.0.0.1:${port}/postgres`;
  const log = await open(join(root, 'log'), 'a');
  let pid = 0;
  if (options.walBytes !== undefined) {
    const wal = join(folder, 'pg_wal');
    const small = join(root, 'wal');
    await mount(small, options.walBytes, user);
    mounted.push(small);
    await cp(wal, join(small, 'pg_wal'), { recursive: true, preserveTimestamps: true });
    if (user !== undefined) await run('chown', ['-R', `${user.uid}:${user.gid}`, small]);
    await run('chmod', ['755', root]);
    await rm(wal, { recursive: true });
    await symlink(join(small, 'pg_wal'), wal);
  }
  const cluster: OwnCluster = {
    url,
    schema: 'perdure',
    folder,
    start: async () => {
      const all = { ...settings, ...options.settings, port: String(port) };
      const child = spawnPostgres({
        program: binaries.postgres,
        args: (data) => ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        folder,
        user,
        output: log.fd,
      });
      child.unref();
      pid = child.pid ?? 0;
      await waitFor(
        async () => {
          if (child.exitCode !== null) throw new Error(await readFile(join(root, 'log'), 'utf8'));
          const noted = await readPostmaster(folder);
          return noted?.pid === pid && noted.isReady;
        },
        { timeoutMs: 30_000, what: 'the cluster to start' },
      );
    },
    crash: async () => {
      // The postmaster would restart its children: it goes first, and they end when they notice.
      if (await cluster.runs()) process.kill(pid, 'SIGQUIT');
      await ended(pid, folder);
    },
    stop: async () => {
      if (await cluster.runs()) process.kill(pid, 'SIGINT');
      await ended(pid, folder);
    },
    runs: async () => pid !== 0 && (await identify(pid, folder)) !== 'gone',
    query: async (text) => {
      const client = new pg.Client({ connectionString: url, options: '-c search_path=perdure,public' });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return (await client.query<Record<string, unknown>>(text)).rows;
      } finally {
        await client.end();
      }
    },
  };
  afterAll(async () => {
    await cluster.crash();
    await log.close();
    for (const path of mounted) await run('umount', [path]);
    await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  await cluster.start();
  await migrate({ connectionString: url, schema: 'perdure' });
  return cluster;
}

/** A file system of so many bytes, for the user of Postgres. @throws Error without the right to mount */
export async function mount(
  folder: string,
  bytes: number,
  user: { readonly uid: number; readonly gid: number } | undefined,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const owner = user === undefined ? '' : `,uid=${user.uid},gid=${user.gid}`;
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${owner},mode=755`, 'tmpfs', folder]);
  await run('chmod', ['755', dirname(folder)]);
}

/** Fills a file system to the last byte; removing the file makes room again. */
export async function fill(file: string): Promise<void> {
  const child = spawn('dd', ['if=/dev/zero', `of=${file}`, 'bs=64k'], { stdio: 'ignore' });
  await once(child, 'exit');
}

async function ended(pid: number, folder: string): Promise<void> {
  if (pid === 0) return;
  await waitFor(async () => (await identify(pid, folder)) === 'gone', {
    timeoutMs: 30_000,
    what: 'the cluster to end',
  });
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
