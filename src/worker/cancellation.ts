/**
 * Tells one activity to stop. Its AbortSignal comes into being only when somebody asks for it: most activities never do,
 * and making one cost more than running a small activity (measured).
 */
export class Cancellation {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  /** Whether {@link request} was called. */
  get isRequested(): boolean {
    return this.#reason !== undefined;
  }

  /** Whether it was requested because the time was up. */
  get isTimeout(): boolean {
    return this.#reason?.name === 'TimeoutError';
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
}
