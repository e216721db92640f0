/** The part of the storage port that is about many instances at once. */
import type { FoundPage, InstanceCounts, InstanceFilter, InstancePage } from '../model/instance.ts';

/** None of it is on the way of orchestrations. */
export interface ListingStore {
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
