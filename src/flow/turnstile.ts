/** So many may do something at the same time; the others wait for their turn. */
export class Turnstile {
  readonly #size: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#size = size;
  }

  /**
   * Resolves when there is a place; rejects for who would rather be turned away than wait longer. Default: waits for as long as
   * it takes.
   * @returns gives it back; can be called more than once
   */
  async enter(patience?: { readonly waitMs: number; readonly onWaited: () => Error }): Promise<() => void> {
    if (this.#taken < this.#size) this.#taken += 1;
    else {
      // The place of somebody who leaves is handed on.
      await new Promise<void>((resolve, reject) => {
        if (patience === undefined) {
          this.#waiting.add(resolve);
          return;
        }
        const timer = setTimeout(() => {
          this.#waiting.delete(next);
          reject(patience.onWaited());
        }, patience.waitMs);
        const next = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#waiting.add(next);
      });
    }
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#leave();
    };
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
