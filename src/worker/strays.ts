/**
 * What the store says a worker owns though the worker does not have it: a claim whose answer was lost, a start that was
 * stored though its caller was told otherwise, a turn that was abandoned. While the lease holds nobody else may take such
 * things, so the worker must find them itself.
 */
import type { Logger } from 'pino';
import type { Claim } from '../model/work.ts';
import type { Heartbeat, WorkerStore } from '../store/store.ts';
import type { Session } from './session.ts';

export class Strays {
  readonly #afterMs: number;
  #since = new Map<string, number>();

  /** @param afterMs how long something must have been unknown: longer than the answer to a claim takes, as a rule */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /**
   * @param now milliseconds by the worker's clock
   * @returns of what is unknown now that which has been so in every look for long enough
   */
  find(unknown: readonly string[], now: number): readonly string[] {
    this.#since = new Map(unknown.map((id) => [id, this.#since.get(id) ?? now]));
    return unknown.filter((id) => now - (this.#since.get(id) ?? now) >= this.#afterMs);
  }
}

/** Takes anew what belongs to a worker without its knowing. @returns what came of it */
export async function collectStrays(
  { workerId, live, activities, strays }: Session,
  beat: Extract<Heartbeat, { kind: 'alive' }>,
  { store, log, now }: { readonly store: WorkerStore; readonly log: Logger; readonly now: number },
): Promise<{ readonly released: boolean; readonly claims: readonly Claim[] }> {
  const held = new Set(activities.claimed);
  const tasks = strays.tasks.find(
    beat.ownedTasks.filter((id) => !held.has(id)),
    now,
  );
  if (tasks.length > 0) {
    log.warn({ tasks: tasks.length }, 'activities are given back that this worker owned without running them');
    await store.releaseActivities(workerId, tasks);
  }
  const unknown = beat.ownedInstances.filter((key) => live.getOwned(key) === undefined);
  const keys = strays.instances.find(unknown, now);
  if (keys.length === 0) return { released: tasks.length > 0, claims: [] };
  log.warn({ instances: keys.length }, 'instances are taken anew that this worker owned without having them');
  return { released: tasks.length > 0, claims: await store.takeBackInstances(workerId, keys) };
}
