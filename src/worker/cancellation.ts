/** An error's causes that are looked at. */
const maxCauses = 10;

/**
 * Tells one activity to stop. Its AbortSignal comes into being only when somebody asks for it: most activities never do,
 * and making one cost more than running a small activity (measured).
 */
export class Cancellation {
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #isWithdrawn = false;

  /** Whether {@link request} was called. */
  get isRequested(): boolean {
    return this.#reason !== undefined;
  }

  /** Whether it was requested because the time was up. */
  get isTimeout(): boolean {
    return this.#reason?.name === 'TimeoutError';
  }

  /** Whether it was told to stop because its worker does, and nothing else before. */
  get isWithdrawn(): boolean {
    return this.#isWithdrawn;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /**
   * @param reason becomes the message of the signal's `reason`
   * @param name of that reason: `'TimeoutError'` when the time was up. Default `'AbortError'`, as that of a fetch
   */
  request(reason: string, name: 'AbortError' | 'TimeoutError' = 'AbortError'): void {
    if (this.#reason) return;
    this.#reason = new Error(reason);
    this.#reason.name = name;
    this.#controller?.abort(this.#reason);
  }

  /** The worker stops: an activity that ends because of it has not been done, and is run elsewhere. */
  withdraw(): void {
    if (this.#reason) return;
    this.#isWithdrawn = true;
    this.request('The worker stops.');
  }

  /** Whether an activity threw this because it was withdrawn: the reason of its signal, or what was made of it. */
  isWithdrawal(error: unknown): boolean {
    if (!this.#isWithdrawn) return false;
    let seen: unknown = error;
    for (let depth = 0; depth < maxCauses && seen instanceof Error; depth += 1) {
      if (seen === this.#reason || seen.name === 'AbortError') return true;
      seen = seen.cause;
    }
    return false;
  }
}
