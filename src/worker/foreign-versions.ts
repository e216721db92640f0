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

/** Whose claims they were. */
interface Claimer {
  readonly workerId: WorkerId;
  readonly hubId: number;
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
    for (const { name, version } of await store.findOrphanVersions({ hubId, names })) {
      if (name.startsWith('@') || executor.servesOrchestration(name, version)) continue;
      this.#note(this.#orchestrations, name, version);
    }
  }

  /** Tells claims of instances that are not served here from the others, and remembers what they are of. */
  sort(claims: readonly Claim[]): { readonly served: readonly Claim[]; readonly foreign: readonly Claim[] } {
    const { executor } = this.#options;
    const isServed = ({ instanceId, name, version }: Claim): boolean =>
      isEntityInstanceId(instanceId) || executor.servesOrchestration(name, version);
    if (claims.every(isServed)) return { served: claims, foreign: [] };
    const foreign = claims.filter((claim) => !isServed(claim));
    for (const { name, version } of foreign) this.#note(this.#orchestrations, name, version);
    return { served: claims.filter(isServed), foreign };
  }

  async giveBack({ workerId, hubId }: Claimer, foreign: readonly Claim[]): Promise<void> {
    const { store } = this.#options;
    await store.discardMessages(
      workerId,
      foreign.map(({ key, sequence }) => ({ key, fence: sequence, messageIds: [], keepOwnership: false })),
    );
    store.notifications.publish({ kind: 'instances', hubId });
  }

  /** As {@link sort}, of activities from the queue. */
  sortActivities(tasks: readonly QueuedActivity[]): {
    readonly served: readonly QueuedActivity[];
    readonly foreign: readonly QueuedActivity[];
  } {
    const { executor } = this.#options;
    const isServed = ({ name, version }: QueuedActivity): boolean => executor.hasActivity(name, version);
    if (tasks.every(isServed)) return { served: tasks, foreign: [] };
    const foreign = tasks.filter((task) => !isServed(task));
    for (const { name, version } of foreign) this.#note(this.#activities, name, version);
    return { served: tasks.filter(isServed), foreign };
  }

  async giveBackActivities({ workerId, hubId }: Claimer, foreign: readonly QueuedActivity[]): Promise<void> {
    const { store } = this.#options;
    await store.releaseActivities(
      workerId,
      foreign.map(({ id }) => id),
    );
    store.notifications.publish({ kind: 'activities', hubId });
  }

  #note(known: Set<string>, name: string, version: string | null | undefined): void {
    const key = versionedName(name, version);
    if (known.has(key)) return;
    known.add(key);
    this.#options.log.info({ function: name, version: version ?? null }, 'left to workers that have this version');
  }
}
