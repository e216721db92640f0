/** How long what has crashed again and again has to wait, so that it does not keep the machine busy. */

const maxBackOffMs = 10_000;
/** What lived for so long is not in a loop of crashes. */
const calmMs = 30_000;

export class BackOff {
  #crashes = 0;
  #crashedAt = -Infinity;

  /** It has crashed. */
  note(): void {
    this.#crashes = performance.now() - this.#crashedAt > calmMs ? 1 : this.#crashes + 1;
    this.#crashedAt = performance.now();
  }

  /** How long it has to wait from now on, in ms. */
  pauseMs(): number {
    if (this.#crashes <= 1) return 0;
    const backOffMs = Math.min(maxBackOffMs, 100 * 2 ** Math.min(this.#crashes, 10));
    return Math.max(0, this.#crashedAt + backOffMs - performance.now());
  }
}
