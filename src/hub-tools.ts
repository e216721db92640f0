/** What commands do on a hub's tables without running its orchestrations: retention, export, import. */
import type { Logger } from 'pino';
import { exportInstances, type ExportOptions } from './archive/export.ts';
import { importInstances, type ImportOptions, type ImportSum } from './archive/import.ts';
import type { Origin } from './model/access.ts';
import { DurableError } from './model/errors.ts';
import type { InstanceFilter } from './model/instance.ts';
import type { RetentionOptions } from './model/retention.ts';
import { openRetention } from './retention/open-retention.ts';
import type { Retention } from './retention/retention.ts';
import { openPostgresStore } from './store/postgres/index.ts';

/** A statement that stores a batch of large histories takes its time. */
const queryTimeoutMs = 120_000;

export interface HubTools {
  readonly retention: Retention;
  /** How many instances match, live ones and entities too. */
  count(filter: InstanceFilter): Promise<number>;
  /** @throws DurableError `TaskHubNotFound`, `InstanceNotFound` */
  exportInstances(options: Omit<ExportOptions, 'store' | 'listing' | 'hubId' | 'taskHub'>): Promise<number>;
  importInstances(options: Omit<ImportOptions, 'store' | 'hubId'>): Promise<ImportSum>;
  close(): Promise<void>;
}

/** For a schema that is up to date. */
export function openHubTools(options: {
  readonly databaseUrl: string;
  readonly directDatabaseUrl: string | undefined;
  readonly schema: string;
  readonly taskHub: string;
  readonly retention: RetentionOptions;
  readonly origin: Origin;
  readonly log: Logger;
}): HubTools {
  const { databaseUrl, directDatabaseUrl, schema, taskHub, retention, origin, log } = options;
  const store = openPostgresStore({
    connectionString: databaseUrl,
    ...(directDatabaseUrl === undefined ? {} : { directConnectionString: directDatabaseUrl }),
    schema,
    queryTimeoutMs,
  });
  return {
    retention: openRetention({ store, taskHub, retention, origin, log }),
    count: async (filter) => {
      const hubId = await store.findHub(taskHub);
      if (hubId === undefined) return 0;
      return Object.values(await store.countInstances(hubId, filter)).reduce((sum, count) => sum + count, 0);
    },
    exportInstances: async (request) => {
      const hubId = await store.findHub(taskHub);
      if (hubId === undefined) {
        throw new DurableError('InstanceNotFound', `Nothing was ever started in task hub '${taskHub}'.`);
      }
      return exportInstances({ ...request, store: store.archive, listing: store, hubId, taskHub });
    },
    importInstances: async (request) =>
      importInstances({ ...request, store: store.archive, hubId: await store.ensureHub(taskHub) }),
    close: () => store.close(),
  };
}
