/**
 * Makes a data directory, whole or not at all: everything is prepared in a folder of its own, which gets its real name
 * last. So a directory under the real name is complete, and what a crash leaves under another name was never used.
 */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { processExists, spawnPostgres } from './postgres-process.ts';
import type { SystemUser } from './system-user.ts';

/** The superuser of embedded databases. */
export const databaseUser = 'perdure';
const passwordFile = 'perdure.password';
const prefix = 'postgres.init-';
/** No initialisation takes as long; a younger folder may be another process's work. */
const abandonedAfterMs = 10 * 60_000;

/** Creates the data directory if there is none. @throws EmbeddedPostgresError when something else is in its place */
export async function ensureCluster(options: {
  readonly clusterDir: string;
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
  /** The programs are not those of the installed package, and may be older. */
  readonly isForeign?: boolean;
  readonly log: (text: string) => void;
}): Promise<void> {
  const parent = dirname(options.clusterDir);
  await removeAbandoned(parent);
  if (await isCluster(options.clusterDir)) return;
  options.log(`creating a database in ${options.clusterDir}`);
  const workDir = join(parent, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await prepare({ ...options, workDir });
    await rename(join(workDir, 'data'), options.clusterDir);
    await sync(parent);
  } catch (error) {
    // Another start was quicker: its directory is as good as ours.
    if (!(await isCluster(options.clusterDir))) throw error;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** Reads the password that was made together with the data directory. */
export async function readPassword(clusterDir: string): Promise<string> {
  const path = join(clusterDir, passwordFile);
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new EmbeddedPostgresError(`The password file ${path} cannot be read: put it back from a backup.`, { cause });
  }
}

async function isCluster(clusterDir: string): Promise<boolean> {
  const exists = await stat(clusterDir).catch(ignoreMissing);
  if (!exists) return false;
  const version = await readFile(join(clusterDir, 'PG_VERSION'), 'utf8').catch(ignoreMissing);
  if (version !== undefined) return true;
  throw new EmbeddedPostgresError(
    `${clusterDir} exists but is no Postgres data directory: move it away, or choose another --data-dir.`,
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  if (error.code === 'EACCES') {
    throw new EmbeddedPostgresError(
      `The data directory belongs to another user (${error.path ?? ''}): start Perdure as that user, or choose another --data-dir.`,
      { cause: error },
    );
  }
  throw error;
}

async function prepare(options: {
  readonly workDir: string;
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
  /** The programs are not those of the installed package, and may be older. */
  readonly isForeign?: boolean;
}): Promise<void> {
  const { workDir, user } = options;
  const dataDir = join(workDir, 'data');
  const password = randomBytes(24).toString('base64url');
  await mkdir(dataDir, { recursive: true });
  await writeFile(join(workDir, 'password'), `${password}\n`, { mode: 0o600 });
  for (const path of [workDir, dataDir, join(workDir, 'password')]) {
    if (user) await chown(path, user.uid, user.gid);
  }
  await chmod(workDir, 0o700);
  await runInitdb(options);
  await rename(join(workDir, 'password'), join(dataDir, passwordFile));
  await sync(join(dataDir, passwordFile));
  await sync(dataDir);
}

/** The same order of texts on every machine, whatever its C library. */
const ownLocale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];

async function runInitdb(options: {
  readonly workDir: string;
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
  /** The programs are not those of the installed package, and may be older. */
  readonly isForeign?: boolean;
}): Promise<void> {
  const child = spawnPostgres({
    program: options.binaries.initdb,
    args: (folder) => [
      `--pgdata=${folder}/data`,
      `--pwfile=${folder}/password`,
      `--username=${databaseUser}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      ...(options.isForeign === true ? ['--locale=C.UTF-8'] : ownLocale),
    ],
    folder: options.workDir,
    user: options.user,
    output: 'pipe',
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += String(chunk)));
  child.stderr?.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new EmbeddedPostgresError(
      `Postgres could not create its data directory (initdb ended with ${code}): ${output.trim().replaceAll(/\s*\n\s*/g, ' | ')}`,
    );
  }
}

/** Removes what interrupted initialisations left. They were never used: used ones have another name. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    const creator = Number(name.slice(prefix.length).split('-')[0]);
    if (!found || (processExists(creator) && Date.now() - found.mtimeMs < abandonedAfterMs)) continue;
    // An initdb whose parent was killed may still be writing there: then the next start removes the rest.
    await rm(path, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
  }
}

async function sync(path: string): Promise<void> {
  // Windows cannot open folders; its rename is durable enough for a first start.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
