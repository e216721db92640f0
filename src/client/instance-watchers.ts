/** Those who follow single instances: woken by notifications, and by one query for all of them each poll, the truth (A8). */
import type { InstanceStatus } from '../model/instance.ts';
import type { InstanceKey } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';

type Listener = (instance: InstanceStatus | undefined) => void;

/** Instances of one look. */
const batch = 1_000;

export class InstanceWatchers {
  readonly #store: ClientStore;
  readonly #pollMs: number;
  readonly #listeners = new Map<InstanceKey, Set<Listener>>();
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: ClientStore, pollMs: number) {
    this.#store = store;
    this.#pollMs = pollMs;
    this.#unsubscribe = store.notifications.subscribe((notification) => {
      if (this.#listeners.size === 0) return;
      if (notification.kind === 'resync') void this.#look([...this.#listeners.keys()]);
      if (notification.kind !== 'ended') return;
      const keys = notification.keys.filter((key) => this.#listeners.has(key));
      if (keys.length > 0) void this.#look(keys);
    });
  }

  watch(key: InstanceKey, listener: Listener): () => void {
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    void this.#look([key]);
    this.#schedule();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    };
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => void this.#poll(), this.#pollMs);
  }

  async #poll(): Promise<void> {
    await this.#look([...this.#listeners.keys()]);
    this.#timer = undefined;
    if (this.#listeners.size > 0) this.#schedule();
  }

  async #look(keys: readonly InstanceKey[]): Promise<void> {
    for (let at = 0; at < keys.length; at += batch) {
      const some = keys.slice(at, at + batch);
      try {
        const found = new Map((await this.#store.findByKeys(some)).map((one) => [one.key, one]));
        for (const key of some) for (const listener of [...(this.#listeners.get(key) ?? [])]) listener(found.get(key));
      } catch {
        // The database is away: the next look is in one poll.
        return;
      }
    }
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
    clearTimeout(this.#timer);
  }
}
