/** The activities that this worker runs at the same time, whether they came from its own turns or from the queue. */
import type { Failure } from '../model/failure.ts';
import type { ActivityOutcome, ActivityWork } from '../model/work.ts';
import type { ActivityDeadlines } from './activity-deadlines.ts';
import type { Cancellation } from './cancellation.ts';
import type { WorkerCounters } from './counters.ts';
import type { Executor } from './executor.ts';

export interface SlotOptions {
  /** Activities at the same time. */
  readonly slots: number;
  /** How many more may wait here, in order, while no other worker could take them from the queue. */
  readonly maxBacklog: number;
  readonly counters: WorkerCounters;
  /** Whether the lease may still be relied on: asked before each start (decision 8). */
  readonly leaseHolds: () => boolean;
  /** Whether turns get no places: what runs here was claimed. */
  readonly onlyClaimed?: boolean;
  /** Absent: activities may take as long as they like. */
  readonly deadlines?: ActivityDeadlines | undefined;
  /** Called after a slot became free. */
  readonly onFree: () => void;
  /** Called after an activity with a limit ended: another one of its name may begin. */
  readonly onLimitFree: () => void;
}

export class ActivitySlots {
  readonly #executor: Executor;
  readonly #options: SlotOptions;
  /** Slots that are promised, those that run included. */
  #reserved = 0;
  #running = 0;
  /** Places taken by activities that have a limit, by name in lower case. */
  readonly #limited = new Map<string, number>();
  readonly #backlog: (() => void)[] = [];
  #closed = false;
  /** Whether no other worker lives: then the queue would only be a detour. */
  alone = false;

  constructor(executor: Executor, options: SlotOptions) {
    this.#executor = executor;
    this.#options = options;
  }

  get free(): number {
    return this.#closed ? 0 : Math.max(0, this.#options.slots - this.#reserved);
  }

  /** Activities that wait here for a slot. */
  get waiting(): number {
    return this.#backlog.length;
  }

  /** Activities that run or wait here. */
  get underWay(): number {
    return this.#running + this.#backlog.length;
  }

  /**
   * Keeps a place for an activity that this worker knows: use it with {@link run} or give it back with {@link giveBack}.
   * One with a limit for the hub has none here: who runs it is decided where it is claimed.
   */
  reserve(name: string, version?: string): boolean {
    const { slots, maxBacklog, onlyClaimed = false } = this.#options;
    const limit = this.alone ? slots + maxBacklog : slots;
    if (onlyClaimed || this.#closed || this.#reserved >= limit || !this.#executor.hasActivity(name, version))
      return false;
    if (this.#executor.limits.size > 0) {
      const limits = this.#executor.limits.get(name.toLowerCase());
      if (limits?.maxConcurrentPerHub !== undefined || this.roomFor(name) === 0) return false;
      this.#count(name, 1);
    }
    this.#reserved += 1;
    return true;
  }

  /** How many more activities of a name may begin here, as far as its own limit goes. */
  roomFor(name: string): number {
    const key = name.toLowerCase();
    const limit = this.#executor.limits.get(key)?.maxConcurrentPerWorker ?? Number.POSITIVE_INFINITY;
    return Math.max(0, limit - (this.#limited.get(key) ?? 0));
  }

  /** Keeps up to `count` places for claims of one activity, which has a limit. @returns how many */
  reserveNamed(name: string, count: number): number {
    const reserved = this.reserveMany(Math.min(count, this.roomFor(name)));
    this.#count(name, reserved);
    return reserved;
  }

  /** Gives places back that were kept for activities of these names. */
  giveBack(names: readonly string[]): void {
    for (const name of names) this.#count(name, -1);
    this.cancel(names.length);
  }

  #count(name: string, by: number): void {
    if (this.#executor.limits.size === 0) return;
    const key = name.toLowerCase();
    if (this.#executor.limits.has(key)) this.#limited.set(key, (this.#limited.get(key) ?? 0) + by);
  }

  /** Keeps up to `count` slots for activities that are about to be claimed. @returns how many */
  reserveMany(count: number): number {
    const reserved = Math.min(count, this.free);
    this.#reserved += reserved;
    return reserved;
  }

  /** Gives places back that {@link reserveMany} kept. */
  cancel(count: number): void {
    if (count === 0) return;
    this.#reserved -= count;
    this.#options.onFree();
  }

  /** Runs in a reserved place. @returns `undefined` when it is not done: not started, or withdrawn */
  async run(work: ActivityWork, cancellation: Cancellation): Promise<ActivityOutcome | undefined> {
    try {
      let waitedMs = work.waitedMs ?? 0;
      if (this.#running >= this.#options.slots) {
        const since = performance.now();
        await new Promise<void>((resolve) => this.#backlog.push(resolve));
        waitedMs += performance.now() - since;
      }
      if (cancellation.isRequested || this.#closed || !this.#options.leaseHolds()) {
        this.#startNext();
        return undefined;
      }
      this.#running += 1;
      this.#options.counters.activityWaited(work.name, waitedMs);
      try {
        const run = this.#executor.runActivity(work, cancellation);
        const { deadlines } = this.#options;
        return await (deadlines === undefined ? run : deadlines.within(work, cancellation, run));
      } finally {
        this.#running -= 1;
        this.#startNext();
      }
    } finally {
      this.giveBack([work.name]);
      if (this.#executor.limits.size > 0 && this.#executor.limits.has(work.name.toLowerCase())) {
        this.#options.onLimitFree();
      }
    }
  }

  /** What becomes of one that is not run any more; its place is given back. */
  fail(name: string, failure: Failure): ActivityOutcome {
    this.giveBack([name]);
    return { kind: 'failed', failure };
  }

  #startNext(): void {
    this.#backlog.shift()?.();
  }

  /** No more reservations; what waits is not started. */
  close(): void {
    this.#closed = true;
    // Left armed it would keep the process for as long as an activity may take.
    this.#options.deadlines?.close();
    for (const wake of this.#backlog.splice(0)) wake();
  }
}
