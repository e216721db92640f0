/** A value that is read again now and then, when somebody asks for it: for what every request needs and rarely changes. */

/** Served without a word. */
const freshMs = 1_000;
/** Served while it is read again. */
const staleMs = 5_000;

export class Refreshed<T> {
  readonly #read: () => Promise<T>;
  #value: T | undefined;
  #readAt = -Infinity;
  #reading: Promise<T> | undefined;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  /** The value, at most 5 s old: no promise while it is at hand. */
  get(): T | Promise<T> {
    const age = this.ageMs;
    if (this.#value === undefined || age > staleMs) return this.refresh();
    // Whoever reads when the old value has run out gets the error.
    if (age > freshMs) this.refresh().catch(() => undefined);
    return this.#value;
  }

  get ageMs(): number {
    return performance.now() - this.#readAt;
  }

  /** Reads anew; callers at the same time share one reading. */
  refresh(): Promise<T> {
    if (this.#reading !== undefined) return this.#reading;
    // Counted from the beginning: what changes while it is read may be missing.
    const begun = performance.now();
    const reading = this.#read()
      .then((value) => {
        if (this.#reading === reading) {
          this.#value = value;
          this.#readAt = begun;
        }
        return value;
      })
      .finally(() => {
        if (this.#reading === reading) this.#reading = undefined;
      });
    this.#reading = reading;
    return reading;
  }

  /** Forgets the value, also one that is being read: the next caller reads. */
  forget(): void {
    this.#value = undefined;
    this.#reading = undefined;
  }
}
