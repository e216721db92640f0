/**
 * Joins calls made while earlier ones are on their way into one batch. No timer: a lone item leaves at once, a busy
 * caller's items gather for as long as the statements before them take.
 */

/** How a {@link Batcher} works. */
export interface BatcherOptions<Item, Result> {
  /**
   * Processes a batch; results in the order of the items. A rejection rejects every item of the batch; a result that is
   * a promise settles its own item.
   */
  readonly run: (items: readonly Item[]) => Promise<readonly (Result | PromiseLike<Result>)[]>;
  /** Batches under way at the same time. */
  readonly concurrency: number;
  readonly maxItems: number;
  /** Upper bound of a batch's weight, e.g. bytes; a single heavier item still goes alone. Default: no bound. */
  readonly maxWeight?: number;
  readonly weigh?: (item: Item) => number;
  /** Items of one batch must differ in this; a repeated one waits for the next batch. */
  readonly distinctBy?: (item: Item) => string;
  /** Default: whoever adds an item waits for as long as it takes. */
  readonly patience?: BatchPatience;
}

/** For callers who would rather be turned away than wait. */
export interface BatchPatience {
  /** How long an item waits for its batch, in ms. */
  readonly waitMs: number;
  /** What it is rejected with then, or at once when too many wait already: it was never part of a batch. */
  readonly onWaited: () => Error;
  /** How many may wait. */
  readonly maxWaiting: number;
  /** How long its batch may take, in ms; what becomes of it is not looked at any more. */
  readonly runMs: number;
  readonly onRun: () => Error;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly weight: number;
  /** Where there is no patience. */
  readonly since: number;
  readonly resolve: (result: Result | PromiseLike<Result>) => void;
  readonly reject: (error: unknown) => void;
}

export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #waitingWeight = 0;
  #underWay = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that are waiting for a batch. */
  get size(): number {
    return this.#waiting.length;
  }

  add(item: Item): Promise<Result> {
    const { patience } = this.#options;
    if (patience !== undefined && this.#waiting.length >= patience.maxWaiting)
      return Promise.reject(patience.onWaited());
    return new Promise((resolve, reject) => {
      const weight = this.#options.weigh?.(item) ?? 0;
      this.#waitingWeight += weight;
      const since = patience === undefined ? 0 : performance.now();
      this.#waiting.push({ item, weight, since, resolve, reject });
      this.#schedule();
      if (patience !== undefined) this.#giveUpLater(patience.waitMs);
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  drained(): Promise<void> {
    if (this.#underWay === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay >= this.#options.concurrency) return;
    this.#scheduled = true;
    // After the microtasks of this tick, so that what one answer sets free shares a batch.
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#underWay < this.#options.concurrency) void this.#send(this.#take());
    });
  }

  /** One timer for all: those that wait longest are the first. */
  #giveUpLater(afterMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const { patience } = this.#options;
      if (patience === undefined) return;
      const since = performance.now() - patience.waitMs;
      const next = this.#waiting.findIndex((waiting) => waiting.since > since);
      const late = this.#waiting.splice(0, next === -1 ? this.#waiting.length : next);
      for (const { weight, reject } of late) {
        this.#waitingWeight -= weight;
        reject(patience.onWaited());
      }
      const [first] = this.#waiting;
      if (first !== undefined) this.#giveUpLater(Math.max(1, first.since - since));
      else if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }, afterMs);
  }

  #take(): readonly Waiting<Item, Result>[] {
    const { maxItems, maxWeight = Number.POSITIVE_INFINITY, distinctBy } = this.#options;
    if (distinctBy === undefined && this.#waiting.length <= maxItems && this.#waitingWeight <= maxWeight) {
      const all = this.#waiting;
      this.#waiting = [];
      this.#waitingWeight = 0;
      return all;
    }
    const batch = this.#takeSome({ maxItems, maxWeight, distinctBy });
    for (const { weight } of batch) this.#waitingWeight -= weight;
    return batch;
  }

  #takeSome({
    maxItems,
    maxWeight,
    distinctBy,
  }: {
    readonly maxItems: number;
    readonly maxWeight: number;
    readonly distinctBy: ((item: Item) => string) | undefined;
  }): readonly Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    const rest: Waiting<Item, Result>[] = [];
    const seen = new Set<string>();
    let weight = 0;
    for (const [index, waiting] of this.#waiting.entries()) {
      const own = waiting.weight;
      if (batch.length > 0 && (batch.length >= maxItems || weight + own > maxWeight)) {
        // All that follow wait too: a light one must not overtake a heavy one.
        this.#waiting = rest.concat(this.#waiting.slice(index));
        return batch;
      }
      const name = distinctBy?.(waiting.item);
      if (name !== undefined && seen.has(name)) {
        rest.push(waiting);
        continue;
      }
      batch.push(waiting);
      weight += own;
      if (name !== undefined) seen.add(name);
    }
    this.#waiting = rest;
    return batch;
  }

  async #send(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    this.#underWay += 1;
    const { patience } = this.#options;
    // Items are settled once: what comes after this is not heard.
    const late =
      patience === undefined
        ? undefined
        : setTimeout(() => {
            for (const waiting of batch) waiting.reject(patience.onRun());
          }, patience.runMs);
    try {
      const results = await this.#options.run(batch.map((waiting) => waiting.item));
      batch.forEach((waiting, index) => {
        const result = results[index];
        if (result === undefined) waiting.reject(new Error('a batch returned fewer results than items'));
        else waiting.resolve(result);
      });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    } finally {
      clearTimeout(late);
      this.#underWay -= 1;
      if (this.#waiting.length > 0) this.#schedule();
      else if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}
