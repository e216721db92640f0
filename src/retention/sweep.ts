/** One walk through a hub along what was created long ago: trees that are due, and how they are removed. */
import type { RetentionRules } from '../model/retention.ts';
import type { InstanceKey } from '../model/work.ts';
import type { DueRoot, RetentionStore, SweepPlace, TreeMember } from '../store/retention-store.ts';
import { Pace } from './pace.ts';

/** Trees that are looked at together. */
const rootsAtOnce = 400;
/** What these trees may have in all. One tree alone may have more. */
const maxMembers = 20_000;
/** Instances of one transaction, and rows of history that they may have. One instance alone may have more. */
const maxInstances = 400;
const minInstances = 10;
const maxRows = 5_000;

/** Some trees that are due. */
interface DueTrees {
  readonly roots: readonly DueRoot[];
  /** Members of trees in which everything may go, leaves first. */
  readonly members: readonly TreeMember[];
  /** Roots of trees in which something must stay. */
  readonly kept: readonly DueRoot[];
  /** Where to go on; `undefined`: that was all. */
  readonly next: SweepPlace | undefined;
}

interface WalkOptions {
  readonly store: RetentionStore;
  readonly hubId: number;
  readonly rules: RetentionRules;
  readonly from: SweepPlace;
  readonly signal: AbortSignal;
}

async function* walk({ store, hubId, rules, from, signal }: WalkOptions): AsyncGenerator<DueTrees> {
  const pace = new Pace({ signal, max: rootsAtOnce, min: minInstances });
  for (let after: SweepPlace | undefined = from; after !== undefined && !signal.aborted;) {
    const place: SweepPlace = after;
    const trees = await pace.step(async (): Promise<DueTrees> => {
      const found = await store.findDue({ hubId, rules, after: place, limit: pace.size });
      let { roots, next } = found;
      let all = await store.readTrees(roots, maxMembers);
      while (all === undefined) {
        roots = roots.slice(0, Math.ceil(roots.length / 2));
        next = roots.at(-1)?.place;
        all = await store.readTrees(roots, maxMembers);
      }
      const staying = new Set(all.filter((member) => !member.mayGo).map((member) => member.root));
      return {
        roots,
        members: all.filter((member) => !staying.has(member.root)),
        kept: roots.filter((root) => staying.has(root.key)),
        next,
      };
    });
    yield trees;
    after = trees.next;
  }
}

/**
 * Walks through what is due and has it removed, in small steps.
 * @param options.remove removes some instances, leaves of a tree before the rest; `false` ends the sweep
 * @param options.passed called with each place up to which everything is done, `undefined` at the end; `false` ends the sweep
 * @returns whether it came to the end
 */
export async function sweep(
  options: WalkOptions & {
    readonly remove: (members: readonly TreeMember[]) => Promise<boolean>;
    readonly passed: (place: SweepPlace | undefined, kept: number) => Promise<boolean>;
  },
): Promise<boolean> {
  const { signal } = options;
  const pace = new Pace({ signal, max: maxInstances, min: minInstances });
  for await (const { members, kept, next } of walk(options)) {
    for (let at = 0; at < members.length;) {
      if (signal.aborted) return false;
      const chunk = chunkOf(members, at, pace.size);
      at += chunk.length;
      if (!(await pace.step(() => options.remove(chunk)))) return false;
    }
    if (signal.aborted || !(await options.passed(next, kept.length))) return false;
    if (next === undefined) return true;
  }
  return false;
}

function chunkOf(members: readonly TreeMember[], at: number, size: number): readonly TreeMember[] {
  let rows = 0;
  let end = at;
  while (end < members.length && end - at < size) {
    rows += members[end]?.rows ?? 0;
    if (rows > maxRows && end > at) break;
    end += 1;
  }
  return members.slice(at, end);
}

/** What would go, of one name that ended in one way. */
export interface RetentionPreviewRow {
  readonly name: string;
  readonly status: string;
  /** Orchestrations that nobody calls any more; what they called goes with them. */
  readonly roots: number;
  /** With their sub-orchestrations. */
  readonly instances: number;
  /** When the first and the last of them ended. */
  readonly oldest: Date;
  readonly newest: Date;
}

/** What a sweep would remove now. */
export interface RetentionPreview {
  readonly rows: readonly RetentionPreviewRow[];
  /** Trees that are due but stay, because something in them has not ended, or not long enough ago. */
  readonly kept: number;
  /** `false`: it was stopped before the end. */
  readonly complete: boolean;
}

/** Looks at what a sweep would do, and does nothing. */
export async function preview(options: WalkOptions): Promise<RetentionPreview> {
  const rows = new Map<string, RetentionPreviewRow>();
  let keptTrees = 0;
  for await (const { roots, members, kept } of walk(options)) {
    keptTrees += kept.length;
    const sizes = new Map<InstanceKey, number>();
    for (const { root } of members) sizes.set(root, (sizes.get(root) ?? 0) + 1);
    for (const root of roots) {
      const size = sizes.get(root.key);
      if (size === undefined) continue;
      const id = JSON.stringify([root.name, root.status]);
      const known = rows.get(id);
      rows.set(id, {
        name: root.name,
        status: root.status,
        roots: (known?.roots ?? 0) + 1,
        instances: (known?.instances ?? 0) + size,
        oldest: known !== undefined && known.oldest < root.endedAt ? known.oldest : root.endedAt,
        newest: known !== undefined && known.newest > root.endedAt ? known.newest : root.endedAt,
      });
    }
  }
  const sorted = [...rows.values()].sort((a, b) => a.name.localeCompare(b.name) || a.status.localeCompare(b.status));
  return { rows: sorted, kept: keptTrees, complete: !options.signal.aborted };
}
