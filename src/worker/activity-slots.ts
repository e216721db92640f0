/** The activities that this worker runs at the same time, whether they came from its own turns or from the queue. */
import type { ActivityOutcome, ActivityWork } from '../model/work.ts';
import type { Executor } from './executor.ts';

export class ActivitySlots {
  readonly #executor: Executor;
  #free: number;
  #underWay = 0;
  #closed = false;
  readonly #onFree: () => void;

  /** @param options.onFree called after a slot became free */
  constructor(executor: Executor, options: { readonly slots: number; readonly onFree: () => void }) {
    this.#executor = executor;
    this.#free = options.slots;
    this.#onFree = options.onFree;
  }

  get free(): number {
    return this.#closed ? 0 : this.#free;
  }

  /** Activities that run now. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Keeps a slot for an activity that this worker knows; give it back with {@link cancel} or use it with {@link run}. */
  reserve(name: string): boolean {
    if (this.free === 0 || !this.#executor.hasActivity(name)) return false;
    this.#free -= 1;
    return true;
  }

  cancel(): void {
    this.#free += 1;
    this.#onFree();
  }

  /** Runs in a reserved slot. */
  async run(work: ActivityWork, signal: AbortSignal): Promise<ActivityOutcome> {
    this.#underWay += 1;
    try {
      return await this.#executor.runActivity(work, signal);
    } finally {
      this.#underWay -= 1;
      this.cancel();
    }
  }

  /** No more reservations. */
  close(): void {
    this.#closed = true;
  }
}
