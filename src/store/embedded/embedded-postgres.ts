/**
 * The database of `npm start` without a DATABASE_URL: a real Postgres, started beside Perdure, with its data in a folder.
 *
 * Who may use the folder is decided by an advisory lock in that Postgres, held by one connection for as long as Perdure
 * runs. The operating system ends the connection when Perdure is killed, so there is no lock file that could be stale:
 * a server that survived its Perdure is found without a holder and taken over as it is.
 */
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { databaseUser, ensureCluster, readPassword } from './initialise.ts';
import { takeOwnership, type Ownership } from './ownership.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { identify, marker, readPostmaster, spawnPostgres } from './postgres-process.ts';
import { postgresUser, type SystemUser } from './system-user.ts';

export { EmbeddedPostgresError } from './embedded-postgres-error.ts';

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  /** Folder of this installation; the database is kept in `postgres` below it. */
  readonly dataDir: string;
  /** Told in a line what takes time or is unusual. */
  readonly log: (text: string) => void;
  /** Postgres settings over ours, for tests that need no durability. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Folder with the programs, for tests on other versions. Default: those of the installed package. */
  readonly native?: string;
}

/** A running embedded Postgres. */
export interface EmbeddedPostgres {
  /** Connection URL with password; the same until `stop`. */
  readonly url: string;
  /** Ends the server after its last transaction and waits for it. */
  stop(): Promise<void>;
}

/** How long a server may take to start (it may have to recover) or to stop. */
const patienceMs = 60_000;
/** How long a server may take to notice that the Perdure that owned it was killed. */
const deadHolderMs = 5_000;
const logSizeLimit = 10 * 1024 * 1024;

const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  // Statements here are short: compiling them never pays.
  jit: 'off',
  // The data directory is on a disk of today.
  random_page_cost: '1.1',
  // Nobody replicates a development database.
  wal_level: 'minimal',
  max_wal_senders: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
};

/**
 * Starts Postgres on a free port of 127.0.0.1, or takes over the server that a killed Perdure left behind.
 * @throws EmbeddedPostgresError with a one-line message, also when another Perdure uses the folder
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  await createDataDir(dataDir);
  const clusterDir = join(dataDir, 'postgres');
  const user = await postgresUser(clusterDir);
  const binaries = await findPostgresBinaries({
    user,
    log: options.log,
    ...(options.native === undefined ? {} : { native: options.native }),
  });
  await ensureCluster({ clusterDir, binaries, user, log: options.log, isForeign: options.native !== undefined });
  const server = new EmbeddedServer({ ...options, dataDir, clusterDir, user, binaries });
  await server.start();
  return server;
}

interface ServerParts extends EmbeddedPostgresOptions {
  readonly clusterDir: string;
  readonly user: SystemUser | undefined;
  readonly binaries: PostgresBinaries;
}

class EmbeddedServer implements EmbeddedPostgres {
  readonly #parts: ServerParts;
  #ownership: Ownership | undefined;
  #pid = 0;
  #port = 0;
  #isStopping = false;
  url = '';

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const password = await readPassword(this.#parts.clusterDir);
    await this.#bringUp(password);
    this.url = `postgres://${databaseUser}:${password}@127.0.0.1:${this.#port}/postgres`;
    await writeFile(this.#urlFile, `${this.url}\n`, { mode: 0o600 });
    // For the exit that nobody arranged; without it the server stays and the next start takes it over.
    process.once('exit', this.#endWithProcess);
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    process.removeListener('exit', this.#endWithProcess);
    await rm(this.#urlFile, { force: true });
    // The lock is held until the server is gone: nobody takes over what is about to end.
    await endServer(this.#pid, this.#parts.clusterDir);
    this.#ownership?.close();
  }

  get #urlFile(): string {
    return join(this.#parts.dataDir, 'database-url');
  }

  readonly #endWithProcess = (): void => {
    signal(this.#pid, 'SIGINT');
  };

  /** Starts or finds the server and becomes its owner. */
  async #bringUp(password: string): Promise<void> {
    const { clusterDir } = this.#parts;
    const deadline = Date.now() + patienceMs;
    const graceEnds = Date.now() + deadHolderMs;
    while (Date.now() < deadline) {
      const running = await this.#find();
      if (!running) {
        await this.#launch();
        continue;
      }
      const port = running.isReady ? running.port : undefined;
      const outcome = port === undefined ? 'not-ready' : await takeOwnership({ port, password });
      if (outcome === 'not-ready') {
        await sleep(20);
      } else if (outcome.kind === 'held' && !lives(outcome.holder) && Date.now() < graceEnds) {
        await sleep(20); // killed a moment ago: the server has yet to notice
      } else if (outcome.kind === 'held') {
        throw new EmbeddedPostgresError(inUse(this.#parts.dataDir, outcome.holder));
      } else if (outcome.kind === 'refused') {
        throw new EmbeddedPostgresError(
          `The Postgres of ${clusterDir} (process ${running.pid}) refuses the password kept there: ${outcome.message}`,
        );
      } else {
        this.#pid = running.pid;
        this.#port = port ?? 0;
        this.#ownership = outcome.ownership;
        outcome.ownership.onLost = () => void this.#recover(password);
        return;
      }
    }
    throw new EmbeddedPostgresError(`Postgres did not start within ${patienceMs / 1000} s: see ${this.#logFile}.`);
  }

  /** The server of this directory, if one lives. What a dead one left is removed. */
  async #find() {
    const { clusterDir } = this.#parts;
    const noted = await readPostmaster(clusterDir);
    if (!noted) return undefined;
    const state = await identify(noted.pid, clusterDir);
    if (state === 'ours') return noted;
    // Postgres itself heals the lock of a dead process, but not one whose number now belongs to another process. Should
    // parts of a killed server still run, its shared memory keeps a new one from starting.
    if (state === 'other') await rm(join(clusterDir, 'postmaster.pid'), { force: true });
    return undefined;
  }

  /** Starts a server and waits until it has noted itself in its directory, or has ended. */
  async #launch(): Promise<void> {
    const { clusterDir, user, binaries } = this.#parts;
    // After a crash of the server its clients come back to the port that they know.
    const port = this.#port || (await freePort());
    await rotateLog(this.#logFile);
    const output = openSync(this.#logFile, 'a', 0o600);
    const child = spawnPostgres({
      program: binaries.postgres,
      args: (folder) => [
        ...['-D', folder, '-p', String(port), '-c', marker(clusterDir)],
        ...Object.entries({ ...settings, ...this.#parts.settings }).flatMap(([name, value]) => [
          '-c',
          `${name}=${value}`,
        ]),
      ],
      folder: clusterDir,
      user,
      output,
    });
    closeSync(output);
    child.unref();
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    const hasEnded = (): boolean => failure !== undefined || child.exitCode !== null || child.signalCode !== null;
    const deadline = Date.now() + patienceMs;
    for (;;) {
      await sleep(5);
      const noted = await readPostmaster(clusterDir);
      if (noted?.isReady && noted.pid === child.pid) return;
      if (hasEnded()) break;
      if (Date.now() > deadline) return;
    }
    await this.#explainEnd(failure);
  }

  /** A server that ends at once found another one that was quicker, the port taken, or something that needs help. */
  async #explainEnd(failure: Error | undefined): Promise<void> {
    this.#failedLaunches += 1;
    if (await this.#find()) return;
    if (this.#failedLaunches < 5) {
      await sleep(200);
      return;
    }
    const text = failure?.message ?? (await lastLine(this.#logFile));
    throw new EmbeddedPostgresError(`The embedded Postgres does not start: ${text} (all of it in ${this.#logFile})`);
  }
  #failedLaunches = 0;

  get #logFile(): string {
    return join(this.#parts.dataDir, 'postgres.log');
  }

  /** The connection that holds the lock ended: Postgres restarts after a crash of a backend, or is gone altogether. */
  async #recover(password: string): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#bringUp(password);
        if (this.#isStopping) await endServer(this.#pid, this.#parts.clusterDir);
        else this.#parts.log('the embedded Postgres had ended unexpectedly and runs again');
        return;
      } catch (error) {
        if (this.#isStopping) return;
        this.#parts.log(error instanceof Error ? error.message : String(error));
        await sleep(5_000, undefined, { ref: false });
      }
    }
  }
}

async function createDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The data directory ${dataDir} cannot be created: choose another with --data-dir, or set DATABASE_URL.`,
      { cause },
    );
  }
}

function inUse(dataDir: string, holder: number | undefined): string {
  const who = holder === undefined ? 'another process' : `process ${holder}`;
  return (
    `Perdure is already running on ${dataDir} (${who}). Stop it first, give this one its own --data-dir, ` +
    `or share the database: DATABASE_URL="$(cat ${join(dataDir, 'database-url')})" and another --port.`
  );
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done, fail) => {
    probe.once('error', fail);
    probe.listen(0, '127.0.0.1', done);
  });
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

/** Fast shutdown; if that takes too long an immediate one, from which Postgres recovers at its next start. */
async function endServer(pid: number, clusterDir: string): Promise<void> {
  for (const name of ['SIGINT', 'SIGQUIT'] as const) {
    const deadline = Date.now() + patienceMs / 4;
    if (!signal(pid, name)) return;
    while (Date.now() < deadline) {
      if ((await identify(pid, clusterDir)) !== 'ours') return;
      await sleep(10);
    }
  }
}

/** Whether the owner runs here; one that nobody could name has gone meanwhile. */
function lives(holder: number | undefined): boolean {
  if (holder === undefined) return false;
  try {
    return process.kill(holder, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

async function rotateLog(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && found.size > logSizeLimit) await rename(path, `${path}.1`);
}

async function lastLine(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').at(-1) ?? '';
}
