/** Work in the background that leaves the database to others most of the time, the more the busier it is. */
import { setTimeout as delay } from 'node:timers/promises';

/** A step is followed by a pause of so many times its own length: at most a fifth of one connection is busy. */
const pauseFactor = 4;
const minPauseMs = 5;
const maxPauseMs = 10_000;

/** A step that takes longer was too large, or came at a bad time: the next one is half as large. */
const slowMs = 100;
const quickMs = 25;

export class Pace {
  readonly #signal: AbortSignal;
  readonly #max: number;
  readonly #min: number;
  #size: number;

  /** @param options.max what a step handles at most; it begins with half of that */
  constructor(options: { readonly signal: AbortSignal; readonly max: number; readonly min: number }) {
    this.#signal = options.signal;
    this.#max = options.max;
    this.#min = options.min;
    this.#size = Math.max(options.min, Math.ceil(options.max / 2));
  }

  /** How much the next step should handle. */
  get size(): number {
    return this.#size;
  }

  /** Takes a step and pauses. */
  async step<Result>(work: () => Promise<Result>): Promise<Result> {
    const begun = performance.now();
    const result = await work();
    const tookMs = performance.now() - begun;
    if (tookMs > slowMs) this.#size = Math.max(this.#min, Math.floor(this.#size / 2));
    else if (tookMs < quickMs) this.#size = Math.min(this.#max, this.#size * 2);
    const pauseMs = Math.min(maxPauseMs, Math.max(minPauseMs, tookMs * pauseFactor));
    // Stopping is no failure of what was done.
    await delay(pauseMs, undefined, { signal: this.#signal, ref: false }).catch(() => undefined);
    return result;
  }
}
