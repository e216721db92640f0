/**
 * What this worker claimed and does not serve, because it has no code for the version: given back at once, and from then
 * on its claims leave that version of the name to other workers. What it was is learnt by claiming: how versions compare
 * is no business of the store's.
 */
import type { Logger } from 'pino';
import { isEntityInstanceId } from '../model/entity-id.ts';
import { versionedName } from '../model/versions.ts';
import type { Claim, QueuedActivity, WorkerId } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import type { Executor } from './executor.ts';

export interface ForeignVersionsOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly log: Logger;
}

export class ForeignVersions {
  readonly #options: ForeignVersionsOptions;
  readonly #orchestrations = new Set<string>();
  readonly #activities = new Set<string>();

  constructor(options: ForeignVersionsOptions) {
    this.#options = options;
  }

  /** What claims of instances must leave alone; each a {@link versionedName}. */
  get orchestrations(): readonly string[] {
    return [...this.#orchestrations];
  }

  /** The same of activities. */
  get activities(): readonly string[] {
    return [...this.#activities];
  }

  /**
   * Before taking over from dead workers: what is taken over and given back loses the activities that ran with it, so
   * those are looked at first.
   */
  async lookAtOrphans(hubId: number, names: readonly string[]): Promise<void> {
    const { store, executor } = this.#options;
    if (!executor.isSelective) return;
    for (const { name, version } of await store.findOrphanVersions({ hubId, names })) {
      if (name.startsWith('@') || executor.servesOrchestration(name, version)) continue;
      this.#note(this.#orchestrations, name, version);
    }
  }

  /** Gives back what is not served here. @returns the rest */
  async sort(who: { readonly workerId: WorkerId; readonly hubId: number }, claims: readonly Claim[]) {
    const { store, executor } = this.#options;
    const isServed = ({ instanceId, name, version }: Claim): boolean =>
      isEntityInstanceId(instanceId) || executor.servesOrchestration(name, version);
    if (claims.every(isServed)) return claims;
    const foreign = claims.filter((claim) => !isServed(claim));
    for (const { name, version } of foreign) this.#note(this.#orchestrations, name, version);
    await store.discardMessages(
      who.workerId,
      foreign.map(({ key, sequence }) => ({ key, fence: sequence, messageIds: [], keepOwnership: false })),
    );
    store.notifications.publish({ kind: 'instances', hubId: who.hubId });
    return claims.filter(isServed);
  }

  /** The same of activities from the queue. */
  async sortActivities(
    who: { readonly workerId: WorkerId; readonly hubId: number },
    tasks: readonly QueuedActivity[],
  ): Promise<readonly QueuedActivity[]> {
    const { store, executor } = this.#options;
    const isServed = ({ name, version }: QueuedActivity): boolean => executor.hasActivity(name, version);
    if (tasks.every(isServed)) return tasks;
    const foreign = tasks.filter((task) => !isServed(task));
    for (const { name, version } of foreign) this.#note(this.#activities, name, version);
    await store.releaseActivities(
      who.workerId,
      foreign.map(({ id }) => id),
    );
    store.notifications.publish({ kind: 'activities', hubId: who.hubId });
    return tasks.filter(isServed);
  }

  #note(known: Set<string>, name: string, version: string | null | undefined): void {
    const key = versionedName(name, version);
    if (known.has(key)) return;
    known.add(key);
    this.#options.log.info({ function: name, version: version ?? null }, 'left to workers that have this version');
  }
}
