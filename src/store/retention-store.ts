/** The storage port of retention: finding what ended long ago and removing it, in steps that are short each. */
import type { RetentionRules } from '../model/retention.ts';
import type { InstanceKey } from '../model/work.ts';

/** How far a walk through the hub has come, in the order of creation; opaque. */
export interface SweepPlace {
  readonly created: string;
  readonly key: InstanceKey;
}

/** A sweep as it is stored. */
export interface SweepRecord {
  /** What is removed, for people. */
  readonly rules: string;
  readonly begunAt: Date;
  /** `null` while it is under way, or was broken off. */
  readonly endedAt: Date | null;
  /** Whether a process is at it. */
  readonly running: boolean;
  /** It has looked at everything that was created before. `null`: it is at the beginning. */
  readonly reached: Date | null;
  /** Instances that this sweep has removed. */
  readonly removed: number;
  /** Trees that stay because something in them has not ended, or not long enough ago. */
  readonly kept: number;
  /** Of all sweeps. */
  readonly removedTotal: number;
  /** Why the last step failed. */
  readonly error: string | null;
}

/** Whose sweep it is. */
export interface SweepHolder {
  readonly hubId: number;
  /** A UUID. */
  readonly holder: string;
  /** For how long nobody else may be at it, in ms. */
  readonly leaseMs: number;
}

/** An instance that is due, without a parent that is still there. */
export interface DueRoot {
  readonly key: InstanceKey;
  readonly name: string;
  readonly status: string;
  readonly endedAt: Date;
  /** What ended later stays, and the whole tree with it. Opaque. */
  readonly cutoff: string;
  /** Where a walk goes on behind it. */
  readonly place: SweepPlace;
}

/** One window of a walk. */
export interface DueWindow {
  readonly roots: readonly DueRoot[];
  /** Where the next one begins; `undefined`: that was the last. */
  readonly next: SweepPlace | undefined;
}

/** An instance of a tree that may go. */
export interface TreeMember {
  readonly key: InstanceKey;
  readonly root: InstanceKey;
  /** It has ended, before the cutoff of its root. */
  readonly mayGo: boolean;
  /** A rewind changes it: what is removed is what was looked at. */
  readonly executionId: string;
  /** At most so many rows of history. */
  readonly rows: number;
}

export interface RetentionStore {
  /**
   * Takes the hub's sweep: a new one if the last ended `everyMs` ago or had other rules, or one that was broken off.
   * @returns where it begins; `undefined` when another process is at it, or it is not due
   */
  takeSweep(
    request: SweepHolder & { readonly rules: string; readonly everyMs: number },
  ): Promise<{ readonly place: SweepPlace; readonly removed: number } | undefined>;
  /** Stores how far it has come, and keeps it. @returns `false`: another process has it, the caller must stop */
  keepSweep(
    request: SweepHolder & { readonly place: SweepPlace; readonly removed: number; readonly kept: number },
  ): Promise<boolean>;
  /** Ends it, or with an error or a place lets others go on with it. */
  leaveSweep(
    request: Omit<SweepHolder, 'leaseMs'> & { readonly ended: boolean; readonly error: string | null },
  ): Promise<void>;
  /** The last sweep; `undefined`: there was none. */
  readSweep(hubId: number): Promise<SweepRecord | undefined>;

  /** Looks at the next instances in the order of creation. */
  findDue(request: {
    readonly hubId: number;
    readonly rules: RetentionRules;
    readonly after: SweepPlace;
    readonly limit: number;
  }): Promise<DueWindow>;
  /**
   * Everything below these roots, and they themselves: leaves first.
   * @returns `undefined` when there are more than `limit`, unless it is one root
   */
  readTrees(roots: readonly DueRoot[], limit: number): Promise<readonly TreeMember[] | undefined>;
  /** Removes what is as it was looked at, with all that it left, in one transaction. @returns how many */
  removeMembers(members: readonly TreeMember[]): Promise<number>;
}

/** Where a walk begins. */
export const sweepStart: SweepPlace = { created: '-infinity', key: '0' };
