/** After a commit: those who got messages with it are told. */
import type { CommitOutcome, InstanceKey } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import { noteDue, type LiveInstances } from './live-instances.ts';

type Committed = Extract<CommitOutcome, { readonly kind: 'committed' }>;

/** Owners in this process see their messages at once, others by notification, and polling finds what this misses (A8). */
export function wakeTargets(
  { told, committedAt }: Pick<Committed, 'told' | 'committedAt'>,
  worker: {
    readonly store: Pick<WorkerStore, 'notifications'>;
    readonly hubId: number;
    readonly live: LiveInstances;
    readonly onTimer: (fireAt: number) => void;
  },
): void {
  const keys: InstanceKey[] = [];
  for (const { key, visibleAt } of told) {
    if (visibleAt <= committedAt) {
      keys.push(key);
      continue;
    }
    worker.onTimer(visibleAt);
    const here = worker.live.getOwned(key);
    if (here !== undefined) noteDue(here, visibleAt);
  }
  if (keys.length > 0) worker.store.notifications.publish({ kind: 'inbox', hubId: worker.hubId, keys });
}
