/** What one look at the metrics finds: read once for all metrics of a page, the database at most every few seconds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Backlog, MetricsStore, TableUse } from '../store/metrics-store.ts';
import type { WorkerSnapshot } from '../worker/counters.ts';

/** How long what the database said is good. */
const databaseMs = 5_000;
/** A page without the database's part is better than none. */
const maxWaitMs = 2_000;
/** The metrics of one page are read within this time. */
const pageMs = 50;

/** What the database said. */
export interface DatabaseState {
  readonly backlog: Backlog;
  readonly tables: readonly TableUse[];
}

export class Scrape {
  readonly #store: MetricsStore;
  readonly #taskHub: string;
  readonly #workers: () => Promise<readonly WorkerSnapshot[]>;
  #snapshots: Kept<readonly WorkerSnapshot[]> | undefined;
  #database: Kept<DatabaseState | undefined> | undefined;

  constructor(store: MetricsStore, taskHub: string, workers: () => Promise<readonly WorkerSnapshot[]>) {
    this.#store = store;
    this.#taskHub = taskHub;
    this.#workers = workers;
  }

  /** How the workers stand. */
  workers(): Promise<readonly WorkerSnapshot[]> {
    this.#snapshots = kept(this.#snapshots, pageMs, this.#workers);
    return this.#snapshots.value;
  }

  /** `undefined`: the database does not answer. */
  database(): Promise<DatabaseState | undefined> {
    this.#database = kept(this.#database, databaseMs, () => this.#ask());
    return this.#database.value;
  }

  async #ask(): Promise<DatabaseState | undefined> {
    const late = new AbortController();
    const answer = Promise.all([this.#store.readBacklog(this.#taskHub), this.#store.readTables()]).then(
      ([backlog, tables]) => ({ backlog, tables }),
      () => undefined, // which the page says
    );
    try {
      return await Promise.race([answer, delay(maxWaitMs, undefined, { signal: late.signal }).catch(() => undefined)]);
    } finally {
      late.abort();
    }
  }
}

interface Kept<Value> {
  readonly at: number;
  readonly value: Promise<Value>;
}

function kept<Value>(last: Kept<Value> | undefined, forMs: number, read: () => Promise<Value>): Kept<Value> {
  const now = performance.now();
  return last !== undefined && now - last.at < forMs ? last : { at: now, value: read() };
}
