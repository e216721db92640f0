/**
 * The instances that this client started last: a caller that starts and then waits needs no look at the instance to know
 * that it exists and what its key is. What is remembered is bounded, and dropped all at once.
 */
import type { InstanceKey } from '../model/work.ts';

const remembered = 1_000;

/** A start, with the mark of `CompletionWaiters` from before it. */
export interface RecentStart {
  readonly key: InstanceKey;
  readonly mark: number;
}

export class RecentStarts {
  #last = new Map<string, RecentStart>();
  #before = new Map<string, RecentStart>();

  add(instanceId: string, start: RecentStart): void {
    if (this.#last.size >= remembered) {
      this.#before = this.#last;
      this.#last = new Map();
    }
    this.#last.set(instanceId, start);
  }

  /** Once: whoever waits again looks first. */
  take(instanceId: string): RecentStart | undefined {
    const start = this.#last.get(instanceId) ?? this.#before.get(instanceId);
    if (start !== undefined && !this.#last.delete(instanceId)) this.#before.delete(instanceId);
    return start;
  }
}
