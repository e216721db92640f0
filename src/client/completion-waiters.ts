/**
 * Callers that wait for instances to end: woken by notifications, and by one query for all of them each poll, which is
 * the truth (A8).
 */
import type { InstanceKey } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';
import type { CompletedHere } from './client.ts';

/** Ends that are remembered, at least, for callers that look at an instance before they wait for it. */
const remembered = 10_000;

export class CompletionWaiters {
  readonly #store: ClientStore;
  readonly #pollMs: number;
  /** The last instances that ended, numbered; and those before, dropped all at once (one by one cost 4 % of a worker). */
  #endedAt = new Map<InstanceKey, number>();
  #endedBefore = new Map<InstanceKey, number>();
  #endings = 0;
  /** The first that is not forgotten. */
  #firstKnown = 0;
  #closed = false;
  readonly #waiting = new Map<InstanceKey, Set<(ended?: CompletedHere) => void>>();
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: ClientStore, pollMs: number) {
    this.#store = store;
    this.#pollMs = pollMs;
    this.#unsubscribe = store.notifications.subscribe((notification) => {
      if (notification.kind === 'ended') for (const key of notification.keys) this.#ended(key, notification.output);
      else if (notification.kind === 'resync') void this.#look();
    });
  }

  /** Now, for {@link mayHaveEndedSince}. */
  mark(): number {
    return this.#endings;
  }

  /** Whether the end of an instance was heard of since a mark, or may have been forgotten since. */
  mayHaveEndedSince(key: InstanceKey, mark: number): boolean {
    return mark < this.#firstKnown || (this.#endedAt.get(key) ?? this.#endedBefore.get(key) ?? -1) >= mark;
  }

  /**
   * Resolves when the instance has ended, the time is up or the signal aborts, whichever is first. Ends before the call
   * are not seen: take a {@link mark} before the instance is looked at.
   * @param options.timeoutMs milliseconds
   * @returns how it ended, if it completed in this process; else look
   */
  wait(
    key: InstanceKey,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<CompletedHere | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiters);
      const done = (ended?: CompletedHere): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', left);
        waiters.delete(done);
        if (waiters.size === 0 && this.#waiting.get(key) === waiters) this.#waiting.delete(key);
        resolve(ended);
      };
      const left = (): void => done();
      // Longer delays than a timer can hold end early; the caller looks and waits again.
      const timer = setTimeout(left, Math.min(options.timeoutMs, 2 ** 31 - 1));
      options.signal?.addEventListener('abort', left, { once: true });
      waiters.add(done);
      this.#timer ??= setTimeout(() => void this.#look(), this.#pollMs);
    });
  }

  #ended(key: InstanceKey, output: string | null | undefined): void {
    this.#endedAt.set(key, this.#endings);
    this.#endings += 1;
    if (this.#endedAt.size >= remembered) {
      this.#firstKnown = this.#endings - this.#endedAt.size;
      this.#endedBefore = this.#endedAt;
      this.#endedAt = new Map();
    }
    this.#wake(key, output);
  }

  #wake(key: InstanceKey, output?: string | null): void {
    const waiters = this.#waiting.get(key);
    if (waiters === undefined) return;
    const ended = output === undefined ? undefined : ({ runtimeStatus: 'Completed', output } as const);
    for (const done of [...waiters]) done(ended);
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
    this.#closed = true;
    this.#unsubscribe();
    for (const key of [...this.#waiting.keys()]) this.#wake(key);
    clearTimeout(this.#timer);
  }
}
