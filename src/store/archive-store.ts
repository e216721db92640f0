/** The storage port of export and import: instances as they are stored, whole. */
import type { InstanceKey } from '../model/work.ts';

/** Rows of history, in order; `events` is JSON text. */
export interface StoredHistoryRow {
  readonly sequence: number;
  readonly events: string;
}

/** An instance with everything that is stored of it. Times are ISO 8601 in UTC with microseconds; payloads are as sent. */
export interface StoredInstance {
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | null;
  /** JSON text. */
  readonly tags: string | null;
  readonly executionId: string;
  readonly status: string;
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
  readonly completedAt: string | null;
  readonly scheduledStartAt: string | null;
  readonly input: string | null;
  readonly output: string | null;
  readonly customStatus: string | null;
  /** JSON text. */
  readonly failure: string | null;
  /** JSON text. */
  readonly parent: string | null;
  readonly history: readonly StoredHistoryRow[];
}

/** What became of an instance that was brought. */
export type InsertOutcome =
  | 'created'
  /** It is there already. */
  | 'present'
  /** Another instance has its id. */
  | 'taken';

/** A sub-orchestration that was brought, and by whose id its parent may be found. */
export interface BroughtChild {
  readonly instanceId: string;
  readonly parentInstanceId: string;
}

export interface ArchiveStore {
  /** About how many characters each of them takes; those that are gone are left out. In the order given. */
  measure(keys: readonly InstanceKey[]): Promise<readonly { readonly key: InstanceKey; readonly size: number }[]>;
  /** Those of the given instances that are there, in the order given. */
  readStored(keys: readonly InstanceKey[], options: { readonly history: boolean }): Promise<readonly StoredInstance[]>;
  /** The keys of those that are there. */
  findKeys(hubId: number, instanceIds: readonly string[]): Promise<ReadonlyMap<string, InstanceKey>>;
  /** Stores ended instances with their histories, all in one transaction. Outcomes in the order given. */
  insertEnded(hubId: number, instances: readonly StoredInstance[]): Promise<readonly InsertOutcome[]>;
  /** Puts children below their parents, where these are. @returns the children that are below one now */
  linkChildren(hubId: number, children: readonly BroughtChild[]): Promise<ReadonlySet<string>>;
}
