/** What the database and its pools say of themselves. Asked on the clients' connections; locks nothing. */
import type pg from 'pg';
import type { Backlog, MetricsStore, PoolUse, TableUse } from '../metrics-store.ts';
import { type Runner, statement, type StatementCounts, type Tables } from './sql.ts';

function statements(t: Tables) {
  return {
    // The function says which indexes serve it.
    backlog: statement('backlog', `select * from ${t.backlog}($1)`),
    // Looks at the catalogue and the sizes of files, never at a table.
    tables: statement(
      'table_use',
      `select c.relname as name, pg_total_relation_size(c.oid)::float8 as bytes,
         greatest(coalesce(s.n_live_tup, 0), c.reltuples, 0)::float8 as rows, coalesce(s.n_dead_tup, 0)::float8 as dead
       from pg_class c
       join pg_namespace n on n.oid = c.relnamespace
       left join pg_stat_all_tables s on s.relid = c.oid
       where n.nspname = $1 and c.relkind = 'r'
       order by c.relname`,
    ),
  };
}

interface BacklogRow {
  readonly instances: string;
  readonly unserved_instances: string;
  readonly oldest_instance_seconds: number;
  readonly activities: string;
  readonly oldest_activity_seconds: number;
  readonly workers: string;
}

/** Where what is no query comes from. */
export interface MetricsParts {
  readonly schema: string;
  readonly pools: readonly { readonly name: string; readonly pool: pg.Pool }[];
  readonly notifications: { readonly isListening: boolean };
  readonly counts: StatementCounts;
}

export class PostgresMetrics implements MetricsStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #parts: MetricsParts;

  constructor(runner: Runner, tables: Tables, parts: MetricsParts) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#parts = parts;
  }

  async readBacklog(taskHub: string): Promise<Backlog> {
    const [row] = await this.#runner.rows<BacklogRow>(this.#sql.backlog, [taskHub]);
    return {
      instances: Number(row?.instances ?? 0),
      unservedInstances: Number(row?.unserved_instances ?? 0),
      oldestInstanceSeconds: row?.oldest_instance_seconds ?? 0,
      activities: Number(row?.activities ?? 0),
      oldestActivitySeconds: row?.oldest_activity_seconds ?? 0,
      workers: Number(row?.workers ?? 0),
    };
  }

  async readTables(): Promise<readonly TableUse[]> {
    const rows = await this.#runner.rows<{ name: string; bytes: number; rows: number; dead: number }>(
      this.#sql.tables,
      [this.#parts.schema],
    );
    return rows.map(({ name, bytes, rows: count, dead }) => ({ table: name, bytes, rows: count, deadRows: dead }));
  }

  get pools(): readonly PoolUse[] {
    return this.#parts.pools.map(({ name, pool }) => ({
      pool: name,
      max: pool.options.max,
      open: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }));
  }

  get isListening(): boolean {
    return this.#parts.notifications.isListening;
  }

  get conflicts(): number {
    return this.#parts.counts.conflicts;
  }
}
