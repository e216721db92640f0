/**
 * What the store says a worker owns though the worker does not have it: a claim whose answer was lost, a start that was
 * stored though its caller was told otherwise, a turn that was abandoned. While the lease holds nobody else may take such
 * things, so the worker must find them itself.
 */
export class Strays {
  readonly #afterMs: number;
  #since = new Map<string, number>();

  /** @param afterMs how long something must have been unknown: longer than the answer to a claim takes, as a rule */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /**
   * @param now milliseconds by the worker's clock
   * @returns of what is unknown now that which has been so in every look for long enough
   */
  find(unknown: readonly string[], now: number): readonly string[] {
    this.#since = new Map(unknown.map((id) => [id, this.#since.get(id) ?? now]));
    return unknown.filter((id) => now - (this.#since.get(id) ?? now) >= this.#afterMs);
  }
}
