/** Removes records that are old enough, now and then, as long as the process runs. */

const firstMs = 60_000;
const everyMs = 3_600_000;

export class Pruning {
  readonly #prune: () => Promise<unknown>;
  #timer: NodeJS.Timeout | undefined;

  /** @param prune may fail: the next time is soon enough */
  constructor(prune: () => Promise<unknown>) {
    this.#prune = prune;
  }

  /** @param afterMs when to begin, in ms. Default 60,000 */
  start(afterMs = firstMs): void {
    this.#timer = setTimeout(() => void this.#run(), afterMs).unref();
  }

  async #run(): Promise<void> {
    try {
      await this.#prune();
    } finally {
      // Unless it was stopped meanwhile.
      if (this.#timer !== undefined) this.start(everyMs);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
