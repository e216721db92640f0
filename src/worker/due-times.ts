/**
 * When messages become visible, as far as this worker knows: a timer for the next of them. What it has not heard of (timers
 * of others, or of a worker before it) heartbeats tell, the next one each time.
 */
import type { CancelPoll, Clock } from '../flow/clock.ts';
import { SortedTimes } from './sorted-times.ts';

/** The next so many are kept; those behind them are told again before they are due. */
const maxTimes = 10_000;
/** Looks are at least so far apart, in ms: many that are due one after the other share one. */
const restMs = 20;

export interface DueTimesOptions {
  /** Of this process. */
  readonly own: Clock;
  /** Database time, milliseconds since 1970; never ahead of it. */
  readonly now: () => number;
  /** The longest wait, in ms: then time is looked at again. */
  readonly maxWaitMs: number;
  /** Something is due. */
  readonly onDue: () => void;
}

export class DueTimes {
  readonly #options: DueTimesOptions;
  readonly #times = new SortedTimes(maxTimes);
  #cancel: CancelPoll | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: DueTimesOptions) {
    this.#options = options;
  }

  /** Something becomes visible at this database time. */
  add(at: number): void {
    if (this.#stopped) return;
    const before = this.#times.next;
    this.#times.add(at);
    if (this.#times.next !== before) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const { next } = this.#times;
    if (next === undefined) return;
    const { own, now, maxWaitMs } = this.#options;
    // Our clock is behind the database's, so what is due here is due there.
    const rest = this.#lookedAt + restMs - own.now();
    const waitMs = Math.min(Math.max(0, next - now(), rest) + 1, maxWaitMs);
    this.#cancel = own.poll(waitMs, () => this.#look());
  }

  #look(): void {
    const { own, now, onDue } = this.#options;
    if (this.#times.takeUntil(now())) {
      this.#lookedAt = own.now();
      onDue();
    }
    this.#arm();
  }
}
