/** What was counted against a turn or a batch that has committed after all. */
import type { Logger } from 'pino';
import type { WorkerStore } from '../store/store.ts';
import type { LiveInstance } from './live-instances.ts';

/** Beside the commit: what is forgotten too late only makes a later crash count more. */
export function forgiveTurn(
  live: Pick<LiveInstance, 'instance'>,
  { store, log }: { readonly store: Pick<WorkerStore, 'forgetStrikes'>; readonly log: Logger },
): void {
  const { strikes, ...instance } = live.instance;
  live.instance = instance;
  if (strikes?.some(({ taskScheduledId }) => taskScheduledId === undefined) !== true) return;
  store.forgetStrikes(instance.key).catch((error: unknown) => {
    log.warn({ err: error, instanceId: instance.instanceId }, 'what was counted against a turn was not forgotten');
  });
}
