/** A Postgres of the test's own, which it may crash, replace, fill and restart. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, cp, mkdir, mkdtemp, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll } from 'vitest';
import { databaseUser, ensureCluster, readPassword } from '../../src/store/embedded/initialise.ts';
import { findPostgresBinaries } from '../../src/store/embedded/postgres-binaries.ts';
import { identify, spawnPostgres } from '../../src/store/embedded/postgres-process.ts';
import { isRoot, postgresUser } from '../../src/store/embedded/system-user.ts';
import { migrate } from '../../src/store/postgres/migrate.ts';
import type { TestDatabase } from './postgres.ts';
import { waitFor } from './wait-for.ts';

const run = promisify(execFile);

export interface OwnCluster extends TestDatabase {
  /** Its data directory. */
  readonly folder: string;
  start(): Promise<void>;
  /** Ends it at once, without a checkpoint: the next start recovers from the write-ahead log. */
  crash(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
  runs(): Promise<boolean>;
  /** Everything that the server wrote into its log. */
  log(): Promise<string>;
  /** One statement, as the superuser. */
  query(text: string): Promise<readonly Record<string, unknown>[]>;
  /** Copies a stopped cluster. @returns what puts the copy in its place, as a standby that waits to be promoted */
  copy(): Promise<() => Promise<void>>;
  /** Moves the write-ahead log of a stopped cluster to a disk of its own. @returns the folder of the disk */
  limitWal(bytes: number): Promise<string>;
}

const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '16MB',
  max_connections: '60',
  // As small as it can be: a small disk is to hold it.
  min_wal_size: '32MB',
  timezone: 'UTC',
  // Tests look for what it says.
  lc_messages: 'C',
  // The machine does not lose its power: what a killed server wrote is in the cache of the system.
  fsync: 'off',
};

/** Whether small disks can be made here. */
export async function canMount(): Promise<boolean> {
  if (process.platform !== 'linux' || !isRoot()) return false;
  const folder = await mkdtemp(join(tmpdir(), 'perdure-mount-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
    await run('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Starts a migrated cluster; it is ended and removed after the last test of the calling file or `describe`.
 *
 * @param more settings of the server, beside those that every such cluster has
 */
export async function ownCluster(more: Readonly<Record<string, string>> = {}): Promise<OwnCluster> {
  const root = await mkdtemp(join(tmpdir(), `perdure-own-${process.pid}-`));
  const folder = join(root, 'postgres');
  const user = await postgresUser(folder);
  const binaries = await findPostgresBinaries({ user, log: () => undefined });
  await ensureCluster({ clusterDir: folder, binaries, user, log: () => undefined });
  const port = await freePort();
  const url = `postgres://${databaseUser}:${await readPassword(folder)}@127.0.0.1:${port}/postgres`;
  const logFile = join(root, 'log');
  const log = await open(logFile, 'a');
  const disks: string[] = [];
  let pid = 0;

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (await cluster.runs()) process.kill(pid, signal);
    await waitFor(async () => !(await cluster.runs()), { timeoutMs: 30_000, what: 'the cluster to end' });
  };
  const cluster: OwnCluster = {
    url,
    schema: 'perdure',
    folder,
    start: async () => {
      const all = Object.entries({ ...settings, ...more, port: String(port) });
      const child = spawnPostgres({
        program: binaries.postgres,
        args: (data) => ['-D', data, ...all.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        folder,
        user,
        output: log.fd,
      });
      child.unref();
      pid = child.pid ?? 0;
      await waitFor(
        async () => {
          if (child.exitCode !== null) throw new Error(await cluster.log());
          return cluster.query('select').then(
            () => true,
            () => false,
          );
        },
        { timeoutMs: 30_000, intervalMs: 50, what: 'the cluster to start' },
      );
    },
    crash: () => end('SIGQUIT'),
    stop: () => end('SIGINT'),
    runs: async () => pid !== 0 && (await identify(pid, folder)) === 'ours',
    log: () => readFile(logFile, 'utf8'),
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
    copy: async () => {
      const copied = join(root, 'copy');
      await run('cp', ['-a', folder, copied]);
      return async () => {
        await rm(folder, { recursive: true });
        await rename(copied, folder);
        await writeFile(join(folder, 'standby.signal'), '');
        if (user !== undefined) await chown(join(folder, 'standby.signal'), user.uid, user.gid);
      };
    },
    limitWal: async (bytes) => {
      const disk = join(root, 'disk');
      const owner = user === undefined ? '' : `,uid=${user.uid},gid=${user.gid}`;
      await mkdir(disk);
      await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${owner},mode=755`, 'tmpfs', disk]);
      disks.push(disk);
      const [from, to] = [join(folder, 'pg_wal'), join(disk, 'pg_wal')];
      await cp(from, to, { recursive: true, preserveTimestamps: true });
      if (user !== undefined) await run('chown', ['-R', `${user.uid}:${user.gid}`, to]);
      // The user of Postgres has to walk down to it.
      await run('chmod', ['755', root]);
      await rm(from, { recursive: true });
      await symlink(to, from);
      return disk;
    },
  };
  afterAll(async () => {
    await cluster.crash();
    await log.close();
    for (const disk of disks) await run('umount', [disk]);
    await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  await cluster.start();
  await migrate({ connectionString: url, schema: 'perdure' });
  return cluster;
}

/** Fills a disk to the last byte; removing the file makes room again. */
export async function fill(file: string): Promise<void> {
  await once(spawn('dd', ['if=/dev/zero', `of=${file}`, 'bs=64k'], { stdio: 'ignore' }), 'exit');
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
