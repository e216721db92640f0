/** Knows what is under way in an environment, and so when it has come to rest. */

// Taken before a test can put fake timers in their place.
const { setImmediate: nextTurn, setTimeout: later, clearTimeout: forget } = globalThis;

/**
 * Between two pieces of work that are metered, a worker needs microtasks and at most one turn of the event loop (to join
 * what belongs into one statement). One would do; the others cost nothing.
 */
const quietTurns = 3;

export class WorkMeter {
  readonly #underWay = new Map<symbol, string>();
  #begun = 0;
  #wake: (() => void) | undefined;

  /** @returns what to call when the work is done, or will not be any more; the second time does nothing */
  begin(what: string): () => void {
    const id = Symbol(what);
    this.#underWay.set(id, what);
    this.#begun += 1;
    return () => {
      this.#underWay.delete(id);
      if (this.#underWay.size === 0) this.#wake?.();
    };
  }

  /** Names what is under way. */
  list(): readonly string[] {
    return [...new Set(this.#underWay.values())];
  }

  /**
   * Waits until nothing is under way and nothing begins by itself any more.
   * @param timeoutMs real milliseconds
   * @returns whether that came in time
   */
  async rest(timeoutMs: number): Promise<boolean> {
    let isLate = false;
    const timer = later(() => {
      isLate = true;
      this.#wake?.();
    }, timeoutMs);
    try {
      for (;;) {
        // The timer does not run while microtasks and immediates follow each other without end.
        if (isLate) return false;
        if (this.#underWay.size > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
        const begun = this.#begun;
        for (let turn = 0; turn < quietTurns; turn += 1) await new Promise((resolve) => nextTurn(resolve));
        if (this.#underWay.size === 0 && this.#begun === begun) return true;
      }
    } finally {
      this.#wake = undefined;
      forget(timer);
    }
  }
}
