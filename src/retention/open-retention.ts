/** Retention as a hub's options ask for it. */
import type { Logger } from 'pino';
import { ArchiveFolder } from '../archive/archive-folder.ts';
import type { Origin } from '../model/access.ts';
import { parseDuration } from '../model/duration.ts';
import { type RetentionOptions, retentionRules } from '../model/retention.ts';
import type { AccessStore } from '../store/access-store.ts';
import type { ArchiveStore } from '../store/archive-store.ts';
import type { RetentionStore } from '../store/retention-store.ts';
import { Retention } from './retention.ts';

/**
 * @param options.retention `false`: everything is kept for ever
 * @throws DurableError `InvalidArgument` for times that are none
 */
export function openRetention(options: {
  readonly store: {
    readonly retention: RetentionStore;
    readonly archive: ArchiveStore;
    readonly access: AccessStore;
    readonly findHub: (name: string) => Promise<number | undefined>;
  };
  readonly taskHub: string;
  readonly retention: RetentionOptions | false | undefined;
  readonly origin?: Origin;
  readonly log: Logger;
}): Retention {
  const { store, taskHub, log, origin } = options;
  const retention = options.retention === false ? { after: 0 } : (options.retention ?? {});
  const folder = retention.exportTo;
  return new Retention({
    store: store.retention,
    access: store.access,
    taskHub,
    findHub: () => store.findHub(taskHub),
    rules: retentionRules(retention),
    everyMs: parseDuration(retention.every ?? '1h'),
    openArchive: folder === undefined ? undefined : () => new ArchiveFolder({ folder, store: store.archive, taskHub }),
    ...(origin === undefined ? {} : { origin }),
    log,
  });
}
