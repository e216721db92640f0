/**
 * Postgres refuses to run as root. When root starts Perdure, the embedded server runs as another user; this file says
 * which.
 */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';

const run = promisify(execFile);

/** A user that a child process is to run as. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Whether this process is root on a system that knows root. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * The user that Postgres has to run as: `undefined` means the one who started this process. An existing data directory
 * decides by its owner, so that one directory never changes hands.
 */
export async function postgresUser(clusterDir: string): Promise<SystemUser | undefined> {
  if (!isRoot()) return undefined;
  const owner = await stat(clusterDir).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return (
    (await findUser('perdure')) ??
    (await findUser('postgres')) ??
    (await createUser('perdure')) ??
    // A read-only or very small system: nobody is no one's home, but it is there.
    (await findUser('nobody')) ??
    failWithoutUser()
  );
}

async function findUser(name: string): Promise<SystemUser | undefined> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const line of passwd.split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name && uid && gid && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/**
 * Makes a system user without home, password or shell. Not named `postgres`: a Postgres that is installed later wants
 * that name for itself, with a home and a shell.
 */
async function createUser(name: string): Promise<SystemUser | undefined> {
  const attempts: readonly (readonly [string, readonly string[]])[] = [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name]],
    ['adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', name]], // BusyBox
  ];
  for (const [command, args] of attempts) {
    // It may fail because another start made the user just now, so the outcome is read from where it counts.
    await run(command, args, { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } }).catch(() => undefined);
    const user = await findUser(name);
    if (user) return user;
  }
  return undefined;
}

function failWithoutUser(): never {
  throw new EmbeddedPostgresError(
    'Postgres does not run as root, and no user was found or could be made to run it: start Perdure as an ordinary user, or set DATABASE_URL.',
  );
}
