/** A Postgres of a run: one that gets the faults, or the one of the ledger. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/store/embedded/embedded-postgres.ts';
import { readPostmaster } from '../src/store/embedded/postgres-process.ts';

/** Commits survive a crash of the server, which is killed, not of the machine, which is not. */
const settings = { fsync: 'off', max_connections: '200', shared_buffers: '64MB' };

const database = 'chaos';

export class Cluster {
  readonly #server: EmbeddedPostgres;
  readonly #dataDir: string;
  /** Of the database. */
  readonly url: string;

  private constructor(server: EmbeddedPostgres, dataDir: string) {
    this.#server = server;
    this.#dataDir = dataDir;
    const url = new URL(server.url);
    url.pathname = `/${database}`;
    this.url = url.href;
  }

  static async start(dataDir: string): Promise<Cluster> {
    await mkdir(dataDir, { recursive: true });
    const server = await startEmbeddedPostgres({ dataDir, log: () => undefined, settings });
    await query(server.url, `create database ${database}`);
    return new Cluster(server, dataDir);
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return await query<Row>(this.url, text, values);
  }

  /** Ends the server without a shutdown; what keeps it starts it again. Ends when it answers again. */
  async crash(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void> {
    const noted = await readPostmaster(join(this.#dataDir, 'postgres'));
    if (noted === undefined) throw new Error('there is no Postgres to crash');
    process.kill(noted.pid, signal);
    await this.#whenBack(noted.pid);
  }

  /** Ends a share of the connections. */
  async terminateBackends(share: number): Promise<void> {
    await this.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = $1 and pid <> pg_backend_pid() and random() <= $2`,
      [database, share],
    ).catch(() => undefined); // the server may be crashing: then they end without us
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async #whenBack(before: number): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      const noted = await readPostmaster(join(this.#dataDir, 'postgres'));
      if (noted?.isReady === true && noted.pid !== before) {
        const answers = await this.query('select 1').then(
          () => true,
          () => false,
        );
        if (answers) return;
      }
      await sleep(20);
    }
    throw new Error('Postgres did not come back within a minute');
  }
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // the query that is under way rejects
  await client.connect();
  try {
    const { rows } = await client.query<Row>(text, values);
    return rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Where activities note their runs. */
export const ledgerTable = `create table runs (
  id integer generated always as identity primary key,
  task text not null,
  attempt integer not null,
  redelivery integer not null,
  instance_id text not null,
  name text not null,
  node text not null,
  pid integer not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  outcome text,
  result text
)`;
