/** What the database and the connections to it say. */
import type { Backlog, MetricsStore } from '../store/metrics-store.ts';
import type { Definitions, Sample } from './definitions.ts';
import type { DatabaseState } from './scrape.ts';

/** @param read `undefined`: the database does not answer, and then there are no values of it */
export function defineDatabase(
  define: Definitions,
  store: MetricsStore,
  read: () => Promise<DatabaseState | undefined>,
): void {
  define.gauge('perdure_database_up', 'Whether the database answered, 1 or 0.', [], async () => [
    [(await read()) === undefined ? 0 : 1],
  ]);
  const backlog = (name: string, help: string, value: (backlog: Backlog) => number): void => {
    define.gauge(name, help, [], async () => {
      const state = await read();
      return state === undefined ? [] : [[value(state.backlog)]];
    });
  };
  backlog('perdure_workers', 'Workers of the hub whose lease holds, in all processes.', (waiting) => waiting.workers);
  backlog(
    'perdure_backlog_instances',
    'Instances that wait for a worker to take them, at most 10,000.',
    (waiting) => waiting.instances,
  );
  backlog(
    'perdure_backlog_unserved_instances',
    'Those among them whose orchestration or entity no live worker has registered.',
    (waiting) => waiting.unservedInstances,
  );
  backlog(
    'perdure_backlog_oldest_instance_seconds',
    'How long the first of them has waited.',
    (waiting) => waiting.oldestInstanceSeconds,
  );
  backlog(
    'perdure_backlog_activities',
    'Activities in the queue that no live worker runs, at most 10,000.',
    (waiting) => waiting.activities,
  );
  backlog(
    'perdure_backlog_oldest_activity_seconds',
    'How long the first of them has waited.',
    (waiting) => waiting.oldestActivitySeconds,
  );
  defineTables(define, read);
  defineConnections(define, store);
}

function defineTables(define: Definitions, read: () => Promise<DatabaseState | undefined>): void {
  const tables = (name: string, help: string, value: (table: DatabaseState['tables'][number]) => number): void => {
    define.gauge(name, help, ['table'], async () => {
      const state = await read();
      return (state?.tables ?? []).map((table): Sample => [value(table), { table: table.table }]);
    });
  };
  tables('perdure_table_bytes', 'Size of a table with its indexes.', (table) => table.bytes);
  tables('perdure_table_rows', 'Rows of a table as Postgres estimates them.', (table) => table.rows);
  tables('perdure_table_dead_rows', 'Rows that vacuum has not swept yet, estimated.', (table) => table.deadRows);
}

function defineConnections(define: Definitions, store: MetricsStore): void {
  define.gauge('perdure_pool_max_connections', 'The most connections that a pool opens.', ['pool'], () =>
    store.pools.map(({ pool, max }): Sample => [max, { pool }]),
  );
  define.gauge('perdure_pool_connections', 'Open connections of a pool by what they do.', ['pool', 'state'], () =>
    store.pools.flatMap(({ pool, open, idle }): Sample[] => [
      [open - idle, { pool, state: 'busy' }],
      [idle, { pool, state: 'idle' }],
    ]),
  );
  define.gauge('perdure_pool_waiting', 'Callers that wait for a connection of a pool.', ['pool'], () =>
    store.pools.map(({ pool, waiting }): Sample => [waiting, { pool }]),
  );
  define.gauge('perdure_notifications_listening', 'Whether LISTEN is connected; polling goes on without.', [], () => [
    [store.isListening ? 1 : 0],
  ]);
  define.counter(
    'perdure_serialization_retries_total',
    'Statements that lost a deadlock or met a concurrent change, and were sent again.',
    [],
    () => [[store.conflicts]],
  );
}
