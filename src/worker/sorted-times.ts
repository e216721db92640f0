/** Times that are yet to come, each once, the next one first. */
export class SortedTimes {
  /** The latest first. */
  readonly #times: number[] = [];
  readonly #max: number;

  /** @param max how many are kept: the latest are forgotten */
  constructor(max: number) {
    this.#max = max;
  }

  get next(): number | undefined {
    return this.#times.at(-1);
  }

  add(at: number): void {
    let [low, high] = [0, this.#times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle] ?? at) > at) low = middle + 1;
      else high = middle;
    }
    if (this.#times[low] === at) return;
    this.#times.splice(low, 0, at);
    if (this.#times.length > this.#max) this.#times.shift();
  }

  /** Forgets those until then. @returns whether there were any */
  takeUntil(now: number): boolean {
    const before = this.#times.length;
    for (let next = this.next; next !== undefined && next <= now; next = this.next) this.#times.pop();
    return this.#times.length < before;
  }
}
