/** The storage port of metrics: what is asked of the store when somebody looks, and at no other time. */

/** Work that waits in a hub for a worker. Counts end at 10,000: how much more there is does not matter any more. */
export interface Backlog {
  /** Instances that a worker could take at once. */
  readonly instances: number;
  /** Those among them whose name no live worker has registered. */
  readonly unservedInstances: number;
  /** How long the first of them has waited, in seconds; 0 without any. */
  readonly oldestInstanceSeconds: number;
  /** Activities in the queue. */
  readonly activities: number;
  readonly oldestActivitySeconds: number;
  /** Workers whose lease holds. */
  readonly workers: number;
}

/** A table as Postgres sees it. Rows are estimates. */
export interface TableUse {
  readonly table: string;
  /** With its indexes. */
  readonly bytes: number;
  readonly rows: number;
  /** Not yet swept by vacuum. */
  readonly deadRows: number;
}

/** The connections of one pool. */
export interface PoolUse {
  readonly pool: string;
  readonly max: number;
  readonly open: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
}

export interface MetricsStore {
  /** Of a hub that nobody has used yet: nothing. */
  readBacklog(taskHub: string): Promise<Backlog>;
  readTables(): Promise<readonly TableUse[]>;
  readonly pools: readonly PoolUse[];
  /** Whether notifications are heard. */
  readonly isListening: boolean;
  /** Statements that lost a deadlock or met a concurrent change, and were sent again. */
  readonly conflicts: number;
}
