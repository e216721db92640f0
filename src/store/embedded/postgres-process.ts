/**
 * What runs under a data directory: starting the Postgres programs as the right user, and reading who already serves it.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import { join } from 'node:path';
import type { SystemUser } from './system-user.ts';

/** A server's own note in its data directory. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number | undefined;
  /** It accepts connections. */
  readonly isReady: boolean;
}

/** Reads `postmaster.pid`, which exists while a server runs and after one was killed. */
export async function readPostmaster(clusterDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(clusterDir, 'postmaster.pid'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const [pid, , , port, , , , status] = text.split('\n');
  if (!Number(pid)) return undefined;
  return { pid: Number(pid), port: Number(port) || undefined, isReady: status?.trim() === 'ready' };
}

/** Name of the setting that marks our servers in the process list with the data directory they serve. */
const markerSetting = 'perdure.data_directory';

export function marker(clusterDir: string): string {
  return `${markerSetting}=${clusterDir}`;
}

export type ProcessState = 'gone' | 'other' | 'ours';

/**
 * Says whether a process is a server of this data directory. A pid alone proves nothing: after a crash or in a new
 * container the number may belong to anything.
 */
export async function identify(pid: number, clusterDir: string): Promise<ProcessState> {
  if (!processExists(pid)) return 'gone';
  if (process.platform !== 'linux') return await identifyByPs(pid, clusterDir);
  // Empty for a zombie, which a container without an init process keeps for ever.
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (commandLine === '') return 'gone';
  if (commandLine.split('\0').includes(marker(clusterDir))) return 'ours';
  // One that somebody started by hand: a server's working directory is its data directory.
  const workingDirectory = await realpath(`/proc/${pid}/cwd`).catch(() => undefined);
  return workingDirectory === (await realpath(clusterDir)) ? 'ours' : 'other';
}

/** Where there is no /proc. Windows has no `ps` either: there a pid has to do. */
async function identifyByPs(pid: number, clusterDir: string): Promise<ProcessState> {
  if (process.platform === 'win32') return 'ours';
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  if (stdout.trim() === '') return 'gone';
  return stdout.includes(marker(clusterDir)) ? 'ours' : 'other';
}

/** Whether any process has this id, of whichever user. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** A program of Postgres to be started. */
export interface PostgresCommand {
  readonly program: string;
  /** Arguments, given the path under which the child reaches the folder. */
  readonly args: (folder: string) => readonly string[];
  readonly folder: string;
  readonly user: SystemUser | undefined;
  /** File descriptor for its output, or `'pipe'`. */
  readonly output: number | 'pipe';
}

/**
 * Starts a program in a session of its own: Ctrl-C in a terminal must not reach Postgres before Perdure has stopped.
 *
 * Another user than root may not be able to walk down to the folder (a clone in /root). Access rights are checked where
 * a path is walked, so the child inherits the opened folder and calls it `/proc/self/fd/3`; nothing has to be
 * opened up or moved.
 */
export function spawnPostgres(command: PostgresCommand): ChildProcess {
  const byDescriptor = command.user !== undefined && process.platform === 'linux';
  const descriptor = byDescriptor ? openSync(command.folder, 'r') : undefined;
  try {
    return spawn(command.program, command.args(byDescriptor ? '/proc/self/fd/3' : command.folder), {
      ...command.user,
      cwd: '/',
      detached: true,
      // Nothing of the caller's: PGPORT, PGOPTIONS or a locale that is not installed would change what is started.
      ...(process.platform === 'win32' ? {} : { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } }),
      stdio: ['ignore', command.output, command.output, ...(descriptor === undefined ? [] : [descriptor])],
    });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
