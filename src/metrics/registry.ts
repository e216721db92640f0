/** Every metric of a task hub in one registry. `docs/observability.md` lists them; a test compares. */
import { Registry } from 'prom-client';
import type { WorkerSnapshot } from '../worker/counters.ts';
import { defineDatabase } from './database-metrics.ts';
import { Definitions } from './definitions.ts';
import { requestBounds, type RequestCounts } from './http-counts.ts';
import type { HubMetricsParts, RetentionCounts } from './hub-metrics.ts';
import { Scrape } from './scrape.ts';
import { defineWorkers } from './worker-metrics.ts';

/** Where a page's values come from. */
export interface MetricSources {
  readonly workers: () => Promise<readonly WorkerSnapshot[]>;
  readonly requests: () => readonly RequestCounts[];
  readonly retention: () => RetentionCounts;
}

export function openRegistry({ store, taskHub, version }: HubMetricsParts, sources: MetricSources): Registry {
  const registry = new Registry();
  const scrape = new Scrape(store, taskHub, sources.workers);
  const define = new Definitions(registry, { hub: taskHub });
  defineWorkers(define, () => scrape.workers());
  defineDatabase(define, store, () => scrape.database());
  define.histogram(
    {
      name: 'perdure_http_request_duration_seconds',
      help: 'Time from request to answer, by route and status. Long polls take as long as they are asked to.',
      labels: ['method', 'route', 'status'],
    },
    requestBounds,
    () =>
      sources.requests().map(({ method, route, status, buckets, sum }) => ({
        labels: { method, route, status: `${status}` },
        ...{ buckets, sum },
      })),
  );
  const retention = (name: string, help: string, read: (counts: RetentionCounts) => number): void =>
    define.counter(name, help, [], () => [[read(sources.retention())]]);
  retention(
    'perdure_retention_removed_instances_total',
    'Instances that ended long ago and were removed by this process.',
    (counts) => counts.removed,
  );
  retention(
    'perdure_retention_exported_instances_total',
    'Those that were written to files before.',
    (counts) => counts.exported,
  );
  retention(
    'perdure_retention_failures_total',
    'Sweeps of retention that broke off; they are gone on with.',
    (counts) => counts.failures,
  );
  define.gauge('perdure_build_info', 'Always 1; the versions are labels.', ['version', 'node'], () => [
    [1, { version, node: process.versions.node }],
  ]);
  return registry;
}
