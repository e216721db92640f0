/** The part of the storage port that is about many instances at once. */
import type { Obstacles } from '../model/explanation.ts';
import type { FoundPage, InstanceCounts, InstanceFilter, InstancePage, InstanceStatus } from '../model/instance.ts';
import type { InstanceKey } from '../model/work.ts';

/** A window of what runs. */
export interface LiveWindow {
  /** With a text that is another one when status or custom status are. */
  readonly live: readonly { readonly key: InstanceKey; readonly state: string }[];
  /** Where the next window begins; `undefined`: there is none. */
  readonly next: InstanceKey | undefined;
}

/** For those who follow what happens: looks that are bounded, whatever the store holds. */
export interface WatchStore {
  /** Those of the given instances that are there. */
  findByKeys(keys: readonly InstanceKey[]): Promise<readonly InstanceStatus[]>;
  /** Live orchestrations in the order of their keys, behind this one. Windows may hold less than others, even nothing. */
  lookAtLive(hubId: number, after: InstanceKey): Promise<LiveWindow>;
  /** Those among the instances created behind a key that have ended already, and the newest that was looked at. */
  lookAtNew(
    hubId: number,
    after: InstanceKey,
  ): Promise<{ readonly ended: readonly InstanceKey[]; readonly newest: InstanceKey }>;
  /** The key given last; '0' when there is none. */
  newestKey(): Promise<InstanceKey>;
}

/** None of it is on the way of orchestrations. */
export interface ListingStore extends WatchStore {
  /** What keeps a live instance where it is; `undefined` when it is not live. One look, by key, without locks. */
  findObstacles(key: InstanceKey): Promise<Obstacles | undefined>;
  /**
   * Pages by instance id (by creation time when the filter has a time or status). Where little matches, a page may be short,
   * even empty, and there is more all the same: the token says so.
   * @param page.limit 1 to 1,000
   * @throws DurableError `InvalidArgument` for a token that is not ours or belongs to another filter
   */
  listInstances(
    hubId: number,
    filter: InstanceFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<InstancePage>;
  /** The same, in the same order, of orchestrations only (no entities), and without what they carry. */
  findOrchestrations(
    hubId: number,
    filter: InstanceFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<FoundPage>;
  /**
   * How many instances match, by status. In many short statements: what changes meanwhile may count as before or after.
   * @param signal stops it early; what was counted so far is returned
   */
  countInstances(hubId: number, filter: InstanceFilter, signal?: AbortSignal): Promise<InstanceCounts>;
  /** Removes terminal instances that match, in small transactions. @returns how many */
  purgeInstances(hubId: number, filter: InstanceFilter): Promise<number>;
}
