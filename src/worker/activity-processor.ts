/**
 * Activities from the queue: run in free slots, results written in batches. What runs where it was scheduled never
 * comes by here (`orchestration-processor.ts`).
 */
import type { Logger } from 'pino';
import { Batcher } from '../flow/batcher.ts';
import type { ActivityCompletion, QueuedActivity, WorkerId } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import { Cancellation } from './cancellation.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { Executor } from './executor.ts';
import { poisonOfActivity } from './failures.ts';

const maxBackOffMs = 5_000;

export interface ActivityProcessorOptions {
  readonly store: WorkerStore;
  readonly workerId: WorkerId;
  readonly hubId: number;
  readonly slots: ActivitySlots;
  /** Of activities, by name in lower case. */
  readonly limits: Executor['limits'];
  readonly log: Logger;
}

export class ActivityProcessor {
  readonly #options: ActivityProcessorOptions;
  readonly #running = new Map<string, { readonly task: QueuedActivity; readonly cancellation: Cancellation }>();
  readonly #completions: Batcher<ActivityCompletion, 'written'>;
  #closed = false;

  constructor(options: ActivityProcessorOptions) {
    this.#options = options;
    this.#completions = new Batcher({
      run: (completions) => this.#write(completions),
      concurrency: 2,
      maxItems: 1_000,
      maxWeight: 16 * 1_048_576,
      weigh: ({ outcome }) =>
        outcome.kind === 'completed' ? (outcome.result?.length ?? 0) : outcome.failure.message.length,
    });
  }

  /** Ids of the queued activities that this worker holds. */
  get claimed(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** Runs claimed activities; a slot is reserved for each. */
  take(tasks: readonly QueuedActivity[]): void {
    for (const task of tasks) void this.#run(task);
  }

  /** Tells activities to stop whose rows are gone: their orchestration was terminated or purged. */
  lost(taskIds: readonly string[]): void {
    for (const id of taskIds)
      this.#running.get(id)?.cancellation.request('The call timed out, or its orchestration ended.');
  }

  /** Tells all to stop. */
  abortAll(reason: string): void {
    for (const { cancellation } of this.#running.values()) cancellation.request(reason);
  }

  /** Others have them, but for those of this kind. */
  keepOnly(isKept: (task: QueuedActivity) => boolean): void {
    for (const [id, { task, cancellation }] of this.#running) {
      if (isKept(task)) continue;
      this.#running.delete(id);
      cancellation.request('Another worker has it.');
    }
  }

  /** Tells all to stop, to be run elsewhere. */
  withdrawAll(): void {
    for (const { cancellation } of this.#running.values()) cancellation.withdraw();
  }

  /** Gives back what has not ended; ends that come later are dropped. */
  async handOver(): Promise<void> {
    this.#closed = true;
    const left = [...this.#running.keys()];
    await this.#completions.drained();
    if (left.length > 0) await this.#options.store.releaseActivities(this.#options.workerId, left);
  }

  async #run(task: QueuedActivity): Promise<void> {
    const { slots, log } = this.#options;
    const cancellation = new Cancellation();
    this.#running.set(task.id, { task, cancellation });
    const poison = poisonOfActivity(task);
    const outcome = poison === undefined ? await slots.run(task, cancellation) : slots.fail(task.name, poison);
    // Not started, or too late: whoever gets the row next runs it.
    if (outcome === undefined || this.#closed) {
      if (!this.#closed && !cancellation.isWithdrawn) this.#running.delete(task.id);
      return;
    }
    try {
      await this.#completions.add({ task, outcome });
    } catch (error) {
      // The row stays ours until the lease ends; then it runs again.
      log.error({ err: error, instanceId: task.instanceId, taskId: task.id }, 'the end of an activity was not written');
    } finally {
      this.#running.delete(task.id);
    }
  }

  /** Repeats until the database has answered: a second sending finds the rows gone and is a no-op. */
  async #write(completions: readonly ActivityCompletion[]): Promise<readonly 'written'[]> {
    const { store, workerId, hubId, limits, log } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await store.completeActivities(workerId, completions);
        break;
      } catch (error) {
        // A worker that stops gives the rows back, or its lease ends: they run again elsewhere.
        if (this.#closed) throw error;
        if (attempt === 0) log.warn({ err: error }, 'writing the ends of activities failed, trying again');
        await new Promise((resolve) => setTimeout(resolve, Math.min(maxBackOffMs, 50 * 2 ** Math.min(attempt, 10))));
      }
    }
    const keys = [...new Set(completions.map((completion) => completion.task.instanceKey))];
    store.notifications.publish({ kind: 'instances', hubId });
    store.notifications.publish({ kind: 'inbox', hubId, keys });
    // When one with a limit for the hub ends, another may begin elsewhere.
    if (limits.size > 0 && completions.some(({ task }) => hasHubLimit(limits, task.name))) {
      store.notifications.publish({ kind: 'activities', hubId });
    }
    return completions.map(() => 'written' as const);
  }
}

function hasHubLimit(limits: Executor['limits'], name: string): boolean {
  return limits.get(name.toLowerCase())?.maxConcurrentPerHub !== undefined;
}
