import { processClock, type Clock } from '../flow/clock.ts';

/** The database's time between two statements that told it: last seen plus what has passed since (decision 21). */
export class DatabaseClock {
  readonly #clock: Pick<Clock, 'now'>;
  #seen = 0;
  #seenAt = 0;

  constructor(clock: Pick<Clock, 'now'> = processClock) {
    this.#clock = clock;
  }

  /** @param now database time in milliseconds since 1970, as a statement just returned it */
  observe(now: number): void {
    this.#seen = now;
    this.#seenAt = this.#clock.now();
  }

  /** Whole milliseconds since 1970. Behind the database by about one round trip, never ahead of it. */
  now(): number {
    return Math.floor(this.#seen + (this.#clock.now() - this.#seenAt));
  }
}
