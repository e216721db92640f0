/** So many may do something at the same time; the others wait for their turn. */
export class Turnstile {
  readonly #size: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves when there is a place. @returns gives it back; can be called more than once */
  async enter(): Promise<() => void> {
    if (this.#taken >= this.#size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken += 1;
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      const next = this.#waiting.shift();
      // The place is handed on.
      if (next === undefined) this.#taken -= 1;
      else next();
    };
  }
}
