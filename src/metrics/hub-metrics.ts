/**
 * The metrics of a task hub: what its workers and its HTTP servers count, and what the database says, put together when
 * somebody looks. Until then nothing of it exists, and prom-client is not even loaded.
 */
import type { Registry } from 'prom-client';
import type { MetricsStore } from '../store/metrics-store.ts';
import type { WorkerSnapshot } from '../worker/counters.ts';
import type { HttpCounts } from './http-counts.ts';
import { WorkerLedger } from './worker-ledger.ts';

/** Where the counts of workers come from: this thread, or others that are asked. */
export type WorkerSource = () => readonly WorkerSnapshot[] | Promise<readonly WorkerSnapshot[]>;

/** What retention has done in this process. */
export interface RetentionCounts {
  readonly removed: number;
  readonly exported: number;
  readonly failures: number;
}

/** What metrics are made of. */
export interface HubMetricsParts {
  readonly taskHub: string;
  readonly store: MetricsStore;
  readonly version: string;
  /** Absent: nothing is removed. */
  readonly retention?: () => RetentionCounts;
}

/** The metrics of a task hub, for Prometheus. */
export class HubMetrics {
  readonly #parts: HubMetricsParts;
  readonly #workers: WorkerSource[] = [];
  readonly #servers: HttpCounts[] = [];
  readonly #ledger = new WorkerLedger();
  #registry: Promise<Registry> | undefined;

  constructor(parts: HubMetricsParts) {
    this.#parts = parts;
  }

  /** Workers are to be counted too. */
  addWorkers(source: WorkerSource): void {
    this.#workers.push(source);
  }

  /** The requests of an HTTP server are to be counted too. */
  addServer(counts: HttpCounts): void {
    this.#servers.push(counts);
  }

  /**
   * The registry of prom-client that holds them, for a `/metrics` of your own: merge it with yours, or join the texts. It
   * reads the counts when it is asked, and the database at most every five seconds.
   */
  registry(): Promise<Registry> {
    this.#registry ??= import('./registry.ts').then(({ openRegistry }) =>
      openRegistry(this.#parts, {
        workers: async () =>
          this.#ledger.take((await Promise.all(this.#workers.map(async (source) => source()))).flat()),
        requests: () => this.#servers.flatMap((server) => server.all),
        retention: this.#parts.retention ?? (() => ({ removed: 0, exported: 0, failures: 0 })),
      }),
    );
    return this.#registry;
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    return (await this.registry()).metrics();
  }
}
