/**
 * Taking activities from the queue: one statement for all that have no limit, and one more for each that has. How many
 * may run in the hub is counted where they are claimed, so those never run where they are scheduled.
 */
import type { SuspectFilter } from '../model/culprit.ts';
import type { WorkerId } from '../model/work.ts';
import type { ActivityClaim, WorkerStore } from '../store/store.ts';
import type { ActivityProcessor } from './activity-processor.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { Executor } from './executor.ts';
import type { ForeignVersions } from './foreign-versions.ts';

const maxClaim = 1_000;

/** Whoever claims now. A worker whose lease has ended goes on as another one. */
export interface Claimant {
  readonly workerId: WorkerId;
  readonly hubId: number;
  readonly includeDeadOwners: boolean;
  readonly suspects: SuspectFilter;
  readonly activities: ActivityProcessor;
}

export interface ActivityClaimsOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly slots: ActivitySlots;
  readonly foreign: ForeignVersions;
  /** `undefined` while nothing may be claimed. */
  readonly claimant: () => Claimant | undefined;
}

export class ActivityClaims {
  readonly #options: ActivityClaimsOptions;
  readonly #unlimited: readonly string[];
  readonly #limited: readonly { readonly name: string; readonly hubLimit: number | undefined }[];

  constructor(options: ActivityClaimsOptions) {
    this.#options = options;
    const { functions, limits } = options.executor;
    this.#unlimited = functions.activities.filter((name) => !limits.has(name.toLowerCase()));
    this.#limited = functions.activities.flatMap((name) => {
      const found = limits.get(name.toLowerCase());
      return found === undefined ? [] : [{ name, hubLimit: found.maxConcurrentPerHub }];
    });
  }

  /** @returns whether there may be more */
  async step(): Promise<'more' | 'enough' | 'full'> {
    const { slots, claimant } = this.#options;
    if (claimant() === undefined) return 'enough';
    // Reserved before the claim: turns take slots too, and what is claimed must run.
    const limit = slots.reserveMany(Math.min(maxClaim, Math.ceil(slots.free / 2)));
    if (limit === 0) return 'full';
    let more = await this.#claim({ names: this.#unlimited, limit }, (unused) => slots.cancel(unused));
    for (const { name, hubLimit } of this.#limited) {
      const room = slots.reserveNamed(name, maxClaim);
      if (room === 0) continue;
      const claim = { names: [name], limit: room, ...(hubLimit === undefined ? {} : { hubLimit }) };
      const giveBack = (unused: number): void => slots.giveBack(Array.from({ length: unused }, () => name));
      more = (await this.#claim(claim, giveBack)) || more;
    }
    return more ? 'more' : 'enough';
  }

  async #claim(
    claim: Pick<ActivityClaim, 'names' | 'limit' | 'hubLimit'>,
    giveBack: (unused: number) => void,
  ): Promise<boolean> {
    const { store, foreign, claimant } = this.#options;
    let taken = 0;
    try {
      const now = claimant();
      if (now === undefined || claim.names.length === 0) return false;
      const { activities, ...who } = now;
      const tasks = await store.claimActivities({ ...claim, ...who, without: foreign.activities });
      // Claimed for an id whose lease has ended.
      if (claimant()?.activities !== activities) return false;
      const sorted = foreign.sortActivities(tasks);
      taken = sorted.served.length;
      activities.take(sorted.served);
      if (sorted.foreign.length > 0) await foreign.giveBackActivities(who, sorted.foreign);
      return taken >= claim.limit;
    } finally {
      giveBack(Math.max(0, claim.limit - taken));
    }
  }
}
