/**
 * Callers that wait for instances to end: woken by notifications, and by one query for all of them each poll, which is
 * the truth (A8).
 */
import type { InstanceKey } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';

export class CompletionWaiters {
  readonly #store: ClientStore;
  readonly #pollMs: number;
  readonly #waiting = new Map<InstanceKey, Set<() => void>>();
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: ClientStore, pollMs: number) {
    this.#store = store;
    this.#pollMs = pollMs;
    this.#unsubscribe = store.notifications.subscribe((notification) => {
      if (notification.kind === 'ended') for (const key of notification.keys) this.#wake(key);
      else if (notification.kind === 'resync') void this.#look();
    });
  }

  /**
   * Resolves when the instance has ended, the time is up or the signal aborts, whichever is first. Register before
   * looking at the instance, so that no end falls in between.
   * @param options.timeoutMs milliseconds
   */
  wait(key: InstanceKey, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiters);
      const done = (): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', done);
        waiters.delete(done);
        if (waiters.size === 0 && this.#waiting.get(key) === waiters) this.#waiting.delete(key);
        resolve();
      };
      // Longer delays than a timer can hold end early; the caller looks and waits again.
      const timer = setTimeout(done, Math.min(options.timeoutMs, 2 ** 31 - 1));
      options.signal?.addEventListener('abort', done, { once: true });
      waiters.add(done);
      this.#timer ??= setTimeout(() => void this.#look(), this.#pollMs);
    });
  }

  #wake(key: InstanceKey): void {
    for (const done of [...(this.#waiting.get(key) ?? [])]) done();
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      if (this.#waiting.size === 0) return;
      for (const key of await this.#store.findEnded([...this.#waiting.keys()])) this.#wake(key);
    } catch {
      // The database is away: waiters go on waiting until their time is up, and the next look is in one poll.
    } finally {
      if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => void this.#look(), this.#pollMs);
    }
  }

  /** Lets every waiter go. */
  close(): void {
    this.#unsubscribe();
    for (const key of [...this.#waiting.keys()]) this.#wake(key);
    clearTimeout(this.#timer);
  }
}
