/** The verbs on many instances at once. */
import type { InstanceCounts, InstanceFilter, InstancePage } from '../model/instance.ts';

export const bulkOperations = ['terminate', 'suspend', 'resume', 'rewind'] as const;
export type BulkOperation = (typeof bulkOperations)[number];

/** Options of {@link ListingClient.bulk}. */
export interface BulkOptions {
  readonly reason?: string;
  /** For `terminate`: their live sub-orchestrations end too. Default `false`. */
  readonly recursive?: boolean;
  /** Only say what would be done. Default `false`. */
  readonly dryRun?: boolean;
  /** Needed when the filter says nothing: all instances are meant. Default `false`. */
  readonly all?: boolean;
  /** How many instances are acted on at most, 1 to 100,000. Default 10,000. */
  readonly limit?: number;
  /** Goes on where an earlier call stopped; with the same operation and filter. */
  readonly continuationToken?: string;
  /** Stops between two instances; what was done stays done. */
  readonly signal?: AbortSignal;
}

/** What {@link ListingClient.bulk} did, or would do. */
export interface BulkOutcome {
  readonly dryRun: boolean;
  /** Instances that match and are in a status that the operation is for. */
  readonly matched: number;
  /** Those of them for which the request was stored; with `dryRun` those for which it would be. */
  readonly accepted: number;
  /** Those whose status had changed when it was their turn. */
  readonly refused: number;
  /** The first 1,000 of the accepted ones. */
  readonly instanceIds: readonly string[];
  /** When the limit was reached, or the signal stopped it, and there may be more. */
  readonly continuationToken?: string;
}

export interface ListingClient {
  /**
   * One page of instances. Where little matches, a page may be short, even empty, and more may follow: the token says so.
   * @throws DurableError `InvalidArgument` for a limit outside 1 to 1,000, a foreign continuation token, or a filter that
   *   no instance can match
   */
  getStatusBy(
    filter: InstanceFilter,
    page?: { readonly limit?: number; readonly continuationToken?: string },
  ): Promise<InstancePage>;

  /**
   * How many instances match, by status; entities count as Running, as they do in lists. It looks at all that may match, in
   * many short statements: some seconds for millions.
   * @param options.signal stops it early; then what was counted so far is returned
   */
  countBy(filter: InstanceFilter, options?: { readonly signal?: AbortSignal }): Promise<InstanceCounts>;

  /**
   * Does the same to all orchestrations that match and are in a status that it is for: `terminate` live ones, `suspend`
   * Pending and Running ones, `resume` Suspended ones, `rewind` Failed ones. Each by itself, as the verb of that name does,
   * but without waiting for the effect. Repeating a call that broke off does what is left.
   * @throws DurableError `InvalidArgument` for an empty filter without `all`, a limit out of range, a foreign token
   */
  bulk(operation: BulkOperation, filter: InstanceFilter, options?: BulkOptions): Promise<BulkOutcome>;

  /**
   * Removes ended instances that match; live ones never.
   * @param options.dryRun only counts them. Default `false`
   */
  purgeInstanceHistoryBy(
    filter: InstanceFilter,
    options?: { readonly dryRun?: boolean },
  ): Promise<{
    readonly instancesDeleted: number;
    /** With `dryRun`: how many would be. */
    readonly instancesMatched?: number;
  }>;
}
