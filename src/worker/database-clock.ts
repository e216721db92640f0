/** The database's time between two statements that told it: last seen plus what has passed since (decision 21). */
export class DatabaseClock {
  #seen = 0;
  #seenAt = 0;

  /** @param now database time in milliseconds since 1970, as a statement just returned it */
  observe(now: number): void {
    this.#seen = now;
    this.#seenAt = performance.now();
  }

  /** Whole milliseconds since 1970. Behind the database by about one round trip, never ahead of it. */
  now(): number {
    return Math.floor(this.#seen + (performance.now() - this.#seenAt));
  }
}
