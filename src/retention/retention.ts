/** Removes what ended long ago, now and then, for the whole hub: one process at a time is at it, and any can go on with it. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Origin } from '../model/access.ts';
import { type RetentionRules, retentionText, shortestRetention } from '../model/retention.ts';
import type { AccessStore } from '../store/access-store.ts';
import {
  type RetentionStore,
  type SweepHolder,
  type SweepPlace,
  type SweepRecord,
  sweepStart,
  type TreeMember,
} from '../store/retention-store.ts';
import type { InstanceKey } from '../model/work.ts';
import { preview, type RetentionPreview, sweep } from './sweep.ts';
import { SweepAudit } from './sweep-audit.ts';

/** How long a silent process keeps others from the sweep. */
const leaseMs = 60_000;
/** How often a process looks whether a sweep is due. */
const maxCheckMs = 60_000;
const logEveryMs = 60_000;
/** How long a window may take before the lease is renewed all the same. */
const renewEveryMs = 10_000;

/** What this process has done since it began; only ever grows. */
export interface RetentionCounters {
  readonly sweeps: number;
  readonly removed: number;
  readonly exported: number;
  readonly failures: number;
}

/** What becomes of what has ended, and how far that is. */
export interface RetentionView {
  readonly rules: RetentionRules;
  readonly counters: RetentionCounters;
  /** The last sweep of the hub, by whichever process; `undefined`: there was none. */
  status(): Promise<SweepRecord | undefined>;
  /**
   * From when on a worker begins the next sweep, or goes on with one that was broken off; the past: when it looks next.
   * @param last what `status()` told
   * @returns `undefined` while one is under way, and when everything is kept for ever
   */
  nextAfter(last: SweepRecord | undefined): Date | undefined;
  /** What a sweep would remove now; removes nothing. */
  preview(signal?: AbortSignal): Promise<RetentionPreview>;
}

/** Where what is removed is kept, for as long as a sweep takes. */
export interface Archive {
  /** Returns when they are on the disk. @returns how many there were */
  write(keys: readonly InstanceKey[]): Promise<number>;
  close(): Promise<void>;
}

/** What {@link Retention} works with. */
export interface RetentionParts {
  readonly store: RetentionStore;
  readonly access: Pick<AccessStore, 'recordAudit' | 'finishAudit'>;
  readonly taskHub: string;
  /** `undefined`: there is no such hub yet. */
  readonly findHub: () => Promise<number | undefined>;
  readonly rules: RetentionRules;
  /** Between two sweeps, in ms. */
  readonly everyMs: number;
  /** `undefined`: nothing is kept of what is removed. */
  readonly openArchive: (() => Archive) | undefined;
  /** On whose behalf. Default: the service's own. */
  readonly origin?: Origin;
  readonly log: Logger;
}

/** What a sweep has done so far. */
export interface SweepProgress {
  readonly removed: number;
  readonly exported: number;
}

/** What became of a sweep. */
export interface SweepEnd extends SweepProgress {
  /** `false`: it was stopped, or another process has it now; what is left is done later. */
  readonly complete: boolean;
}

export class Retention implements RetentionView {
  readonly #parts: RetentionParts;
  readonly #holder = randomUUID();
  readonly #openedAt = new Date();
  readonly #stopping = new AbortController();
  readonly #counters = { sweeps: 0, removed: 0, exported: 0, failures: 0 };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  get rules(): RetentionRules {
    return this.#parts.rules;
  }

  get counters(): RetentionCounters {
    return { ...this.#counters };
  }

  async status(): Promise<SweepRecord | undefined> {
    const hubId = await this.#parts.findHub();
    return hubId === undefined ? undefined : this.#parts.store.readSweep(hubId);
  }

  nextAfter(last: SweepRecord | undefined): Date | undefined {
    const { rules, everyMs } = this.#parts;
    if (shortestRetention(rules) === 0 || last?.running === true) return undefined;
    if (last === undefined) return this.#openedAt;
    // Other rules, or an end that was not reached, are no reason to wait.
    if (last.endedAt === null || last.rules !== retentionText(rules)) return last.endedAt ?? last.begunAt;
    return new Date(last.endedAt.getTime() + everyMs);
  }

  async preview(signal: AbortSignal = this.#stopping.signal): Promise<RetentionPreview> {
    const { store, rules, findHub } = this.#parts;
    // Where everything is kept for ever there is nothing to walk for.
    const hubId = shortestRetention(rules) === 0 ? undefined : await findHub();
    if (hubId === undefined) return { rows: [], kept: 0, complete: true };
    return preview({ store, hubId, rules, from: sweepStart, signal });
  }

  /** Says what it does, and does it from now on; nothing, when everything is kept for ever. */
  start(): void {
    const { log, rules, everyMs } = this.#parts;
    if (shortestRetention(rules) === 0) {
      log.info('retention: what has ended is kept for ever');
      return;
    }
    log.info({ retention: retentionText(rules) }, 'retention: what ended longer ago is removed with its history');
    this.#schedule(Math.min(maxCheckMs, everyMs));
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.sweep({ everyMs: this.#parts.everyMs })
        .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'retention failed; it is tried again'))
        .finally(() => {
          if (!this.#stopping.signal.aborted) this.#schedule(afterMs);
        });
    }, afterMs).unref();
  }

  /**
   * Sweeps through the hub, if nobody else is at it.
   * @param options.everyMs not if the last sweep with the same rules ended less than so long ago
   * @returns `undefined` when it was not to be done
   * @throws what went wrong; what was removed stays removed
   */
  async sweep(options: {
    readonly everyMs: number;
    readonly onProgress?: (progress: SweepProgress) => void;
  }): Promise<SweepEnd | undefined> {
    const { store, rules, findHub, log } = this.#parts;
    const hubId = shortestRetention(rules) === 0 ? undefined : await findHub();
    if (hubId === undefined) return undefined;
    const me = { hubId, holder: this.#holder, leaseMs };
    const taken = await store.takeSweep({ ...me, rules: retentionText(rules), everyMs: options.everyMs });
    if (taken === undefined) return undefined;
    try {
      const end = await this.#run(me, taken.place, options.onProgress);
      await store.leaveSweep({ ...me, ended: end.complete, error: null });
      if (end.complete) this.#counters.sweeps += 1;
      if (end.removed > 0) log.info({ removed: end.removed, complete: end.complete }, 'retention: sweep ended');
      return end;
    } catch (error) {
      this.#counters.failures += 1;
      const reason = error instanceof Error ? error.message : String(error);
      // The database may be what failed: then the lease ends by itself.
      await store.leaveSweep({ ...me, ended: false, error: reason }).catch(() => undefined);
      throw error;
    }
  }

  async #run(
    me: SweepHolder,
    from: SweepPlace,
    onProgress: ((progress: SweepProgress) => void) | undefined,
  ): Promise<SweepEnd> {
    const { store, rules, openArchive, log } = this.#parts;
    const audit = new SweepAudit(this.#parts);
    const archive = openArchive?.();
    const sum = { removed: 0, exported: 0 };
    let place = from;
    let unsaved = 0;
    let savedAt = performance.now();
    let loggedAt = savedAt;
    const save = (kept: number): Promise<boolean> => {
      const removed = unsaved;
      unsaved = 0;
      savedAt = performance.now();
      return store.keepSweep({ ...me, place, removed, kept });
    };
    const remove = async (members: readonly TreeMember[]): Promise<boolean> => {
      await audit.begin();
      const exported = (await archive?.write(members.map((member) => member.key))) ?? 0;
      const removed = await store.removeMembers(members);
      unsaved += removed;
      sum.removed += removed;
      sum.exported += exported;
      this.#counters.removed += removed;
      this.#counters.exported += exported;
      onProgress?.(sum);
      const now = performance.now();
      if (now - loggedAt > logEveryMs) {
        loggedAt = now;
        log.info({ ...sum, reached: place.created }, 'retention: removing what ended long ago');
      }
      return now - savedAt < renewEveryMs || save(0);
    };
    try {
      const signal = this.#stopping.signal;
      const passed = (next: SweepPlace | undefined, kept: number): Promise<boolean> => {
        place = next ?? place;
        return save(kept);
      };
      const complete = await sweep({ store, hubId: me.hubId, rules, from, signal, remove, passed });
      if (unsaved > 0) await save(0);
      return { ...sum, complete };
    } finally {
      await archive?.close();
      await audit.end(sum.removed);
    }
  }
}
