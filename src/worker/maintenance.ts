/** What any worker does now and then for the whole hub: it sweeps up what nobody else would. */
import type { Logger } from 'pino';
import { unlockOf } from '../model/entity-work.ts';
import type { InstanceKey } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';

/** Entities that one round looks at, of each kind. */
const page = 500;
/** Behind no key. */
const fromTheBeginning = '0';

/** @returns what has to be looked at now: whether messages were left for instances, and entities that nobody runs */
export async function maintain(options: {
  readonly store: WorkerStore;
  readonly hubId: number;
  /** After how long an activity or entity that nobody registers fails, in ms. */
  readonly graceMs: number;
  readonly log: Logger;
}): Promise<{ readonly told: boolean; readonly unregisteredEntities: readonly string[] }> {
  const { store, hubId, graceMs, log } = options;
  await store.removeDeadWorkers(hubId);
  await store.sweepMessages(hubId);
  await tidyEntities(store, hubId);
  const activities = await store.failUnregisteredActivities({ hubId, graceMs });
  if (activities.length > 0) log.warn({ activities }, 'activities failed that no live worker has registered');
  const unregisteredEntities = await store.findUnregisteredEntities({ hubId, graceMs });
  if (unregisteredEntities.length > 0) {
    log.warn({ entities: unregisteredEntities }, 'operations fail of entities that no live worker has registered');
  }
  return { told: activities.length > 0, unregisteredEntities };
}

/** Locks of orchestrations that are gone are given back, and entities that are nothing any more disappear. */
async function tidyEntities(store: WorkerStore, hubId: number): Promise<void> {
  for await (const orphans of pages((after) => store.findOrphanedLocks(hubId, { after, limit: page }))) {
    for (const { instanceId, lock } of orphans) await store.sendToEntity({ hubId, instanceId, event: unlockOf(lock) });
  }
  for await (const empty of pages((after) => store.findEmptyEntities(hubId, { after, limit: page }))) {
    await store.removeEmptyEntities(empty);
  }
}

async function* pages<Row extends { readonly key: InstanceKey }>(
  read: (after: InstanceKey) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  let rows = await read(fromTheBeginning);
  while (rows.length > 0) {
    yield rows;
    const last = rows.at(-1);
    rows = rows.length < page || last === undefined ? [] : await read(last.key);
  }
}
