/** The one Postgres of a run: started here with durable settings, or the one of DATABASE_URL. */
import { rm } from 'node:fs/promises';
import pg from 'pg';

/** What differs from the embedded server's own settings. Every commit is flushed to disk before it returns. */
const settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  wal_level: 'replica',
  max_connections: '300',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  deadlock_timeout: '200ms',
  log_lock_waits: 'on',
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.max': '10000',
};

export async function openPostgres({ dataDir, log }) {
  const given = process.env.DATABASE_URL;
  if (given) return new BenchPostgres(given, async () => undefined);
  const { startEmbeddedPostgres } = await import('../../dist/store/embedded/embedded-postgres.js');
  await rm(dataDir, { recursive: true, force: true });
  const server = await startEmbeddedPostgres({ dataDir, log, settings });
  const postgres = new BenchPostgres(server.url, async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  await postgres.trackStatements(false);
  return postgres;
}

class BenchPostgres {
  #pool;
  #end;
  #url;
  #next = 0;

  constructor(url, end) {
    this.#url = url;
    this.#end = end;
    this.#pool = new pg.Pool({ connectionString: url, max: 4, application_name: 'bench' });
    this.#pool.on('error', () => undefined);
  }

  async rows(text, values) {
    return (await this.#pool.query(text, values)).rows;
  }

  async describe() {
    const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'shared_buffers'];
    const rows = await this.rows('select name, current_setting(name) as value from unnest($1::text[]) as name', [
      names,
    ]);
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  }

  /** A new, empty database (or a copy of one), after a checkpoint so that nobody pays for another's writes. */
  async createDatabase(template) {
    const name = `perdure_bench_${process.pid}_${this.#next++}`;
    const copied = template ? `template ${template} strategy file_copy` : '';
    await this.rows(`create database ${name} ${copied}`);
    await this.rows('checkpoint');
    const url = new URL(this.#url);
    url.pathname = `/${name}`;
    return { name, url: url.href };
  }

  async dropDatabase({ name }) {
    await this.rows(`drop database if exists ${name} with (force)`);
  }

  /** Switches statement statistics, off by default because many small statements pay most for them. */
  async trackStatements(on) {
    try {
      await this.rows('create extension if not exists pg_stat_statements');
      await this.rows(`alter system set pg_stat_statements.track = '${on ? 'all' : 'none'}'`);
      await this.rows('select pg_reload_conf()');
      await new Promise((done) => setTimeout(done, 200));
      if (on) await this.rows('select pg_stat_statements_reset()');
      return true;
    } catch {
      return false; // not loaded, or not ours to change, in the Postgres of DATABASE_URL
    }
  }

  /** Statements (without those of the harness and its questions) of a database since statistics were reset. */
  async statements({ name }, limit = 1_000) {
    return this.rows(
      `select s.calls::int, s.total_exec_time as ms, s.rows::int, s.wal_bytes::float8 as wal, s.query
       from pg_stat_statements s join pg_database d on d.oid = s.dbid
       where d.datname = $1 order by s.total_exec_time desc limit $2`,
      [name, limit],
    );
  }

  async activity({ name }) {
    const [row] = await this.rows(
      `select deadlocks::int, xact_rollback::int as rollbacks, (xact_commit + xact_rollback)::float8 as transactions,
         pg_database_size(datname)::float8 as bytes, (pg_current_wal_lsn() - '0/0')::float8 as wal
       from pg_stat_database where datname = $1`,
      [name],
    );
    return row;
  }

  /** What Perdure's tables take, and how many of their rows are dead, in another database than the harness' own. */
  async sizes({ url }) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query(
        `select coalesce(sum(pg_table_size(relid)) filter (where relname in ('instances', 'history')), 0)::float8 / 1e6 as "keptMb",
           coalesce(sum(pg_indexes_size(relid)) filter (where relname in ('instances', 'history')), 0)::float8 / 1e6 as "indexMb",
           coalesce(sum(pg_total_relation_size(relid)) filter (where relname in ('executions', 'messages', 'activity_tasks')), 0)::float8 / 1e6 as "hotMb",
           sum(n_dead_tup)::float8 as "deadRows",
           100.0 * sum(n_tup_hot_upd) filter (where relname = 'executions')
             / nullif(sum(n_tup_upd) filter (where relname = 'executions'), 0)::float8 as "hotUpdates"
         from pg_stat_user_tables where schemaname = 'perdure'`,
      );
      return rows[0];
    } finally {
      await client.end();
    }
  }

  /**
   * Backends of a database that wait for a lock right now: for one that another transaction holds (`locks`), or for
   * their turn to make a table or index longer by some pages (`extensions`: every writer of a table that grows does it,
   * for microseconds). Waiting for the WAL flush is neither.
   */
  async lockWaits({ name }) {
    const [row] = await this.rows(
      `select count(*) filter (where wait_event <> 'extend')::int as locks,
              count(*) filter (where wait_event = 'extend')::int as extensions
       from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'`,
      [name],
    );
    return row;
  }

  async close() {
    await this.#pool.end();
    await this.#end();
  }
}
