/** Writes instances of a hub as JSON Lines, for `perdure export`. */
import { DurableError } from '../model/errors.ts';
import type { InstanceFilter } from '../model/instance.ts';
import type { InstanceKey } from '../model/work.ts';
import type { ArchiveStore } from '../store/archive-store.ts';
import type { ListingStore } from '../store/listing-store.ts';
import { endLine, headerLine } from './format.ts';
import { linesOf } from './lines.ts';

const pageSize = 500;

export interface ExportOptions {
  readonly store: ArchiveStore;
  readonly listing: Pick<ListingStore, 'findOrchestrations'>;
  readonly hubId: number;
  readonly taskHub: string;
  /** These, all of which must be there; else those that match the filter. */
  readonly instanceIds: readonly string[];
  readonly filter: InstanceFilter;
  readonly history: boolean;
  /** Returns when more can be taken. */
  readonly write: (text: string) => Promise<void>;
  readonly onProgress: (instances: number) => void;
}

/**
 * @returns how many there were
 * @throws DurableError `InstanceNotFound`: then nothing was written
 */
export async function exportInstances(options: ExportOptions): Promise<number> {
  const { store, taskHub, history, write } = options;
  const pages = options.instanceIds.length > 0 ? await named(options) : matching(options);
  let count = 0;
  await write(headerLine({ taskHub, exportedAt: new Date().toISOString(), history, closed: true }));
  for await (const keys of pages) {
    for await (const { text, instances } of linesOf(store, keys, { history })) {
      await write(text);
      count += instances;
      options.onProgress(count);
    }
  }
  await write(endLine(count));
  return count;
}

async function named(options: ExportOptions): Promise<readonly (readonly InstanceKey[])[]> {
  const { store, hubId, instanceIds } = options;
  const found = await store.findKeys(hubId, instanceIds);
  const missing = instanceIds.find((id) => !found.has(id));
  if (missing !== undefined) {
    throw new DurableError('InstanceNotFound', `There is no instance '${missing}' in task hub '${options.taskHub}'.`);
  }
  return [[...new Set(found.values())]];
}

async function* matching({ listing, hubId, filter }: ExportOptions): AsyncGenerator<readonly InstanceKey[]> {
  let continuationToken: string | undefined;
  do {
    const page = await listing.findOrchestrations(hubId, filter, {
      limit: pageSize,
      ...(continuationToken === undefined ? {} : { continuationToken }),
    });
    yield page.instances.map((instance) => instance.key);
    continuationToken = page.continuationToken;
  } while (continuationToken !== undefined);
}
