/** PgBouncer in transaction mode in front of a test's database, where it is installed. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { isRoot, postgresUser } from '../../src/store/embedded/system-user.ts';
import { waitFor } from './wait-for.ts';

const folders = '/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin';

/** Whether it is there. */
export function hasPgBouncer(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${folders}` },
    });
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts one; ended after the last test of the calling file or `describe`.
 * @param target URL of the database behind it
 * @returns the URL in front of it
 */
export async function startPgBouncer(target: string): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(target);
  const folder = await mkdtemp(join(tmpdir(), 'perdure-pgbouncer-'));
  // It refuses to run as root, as Postgres does.
  const user = isRoot() ? await postgresUser(folder) : undefined;
  const listenPort = await freePort();
  const secret = decodeURIComponent(password);
  const name = decodeURIComponent(username);
  await writeFile(join(folder, 'users'), `"${name}" "${secret}"\n`);
  await writeFile(
    join(folder, 'ini'),
    `[databases]
* = host=${hostname} port=${port || '5432'}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, 'users')}
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
server_round_robin = 1
`,
  );
  if (user !== undefined) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder]);
  const child = spawn('pgbouncer', [join(folder, 'ini')], {
    ...user,
    stdio: 'ignore',
    env: { PATH: `${process.env['PATH'] ?? ''}:${folders}` },
  });
  const exited = once(child, 'exit');
  afterAll(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  });
  await waitFor(() => answers(listenPort), { timeoutMs: 15_000, intervalMs: 50, what: 'PgBouncer to listen' });
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(listenPort);
  url.pathname = pathname;
  return url.href;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
