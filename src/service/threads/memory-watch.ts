/**
 * Buffers count for no limit of V8: whoever fills one after the other is ended with the whole process, by the machine or by
 * its container. So the memory of the process is looked at, and the thread whose buffers take most of it is ended before.
 */
import type { Logger } from 'pino';
import { inspect } from './inspect.ts';
import type { ProbeAnswer } from './protocol.ts';
import type { WorkerThread } from './worker-thread.ts';

const mebi = 1_048_576;
/** A thread with less than this part of the limit is not to blame. */
const share = 0.25;
/** Until what was freed is given back to the machine. */
const restMs = 1_000;
const saidEveryMs = 60_000;

export interface MemoryWatchOptions {
  /** Of the whole process, in MiB. */
  readonly maxMemoryMb: number;
  readonly log: Logger;
  /** Ends the thread. */
  readonly relieve: (thread: WorkerThread, seen: ProbeAnswer) => Promise<void>;
}

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #isBusy = false;
  #restsUntil = -Infinity;
  #saidAt = -Infinity;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** Takes some microseconds while there is memory enough. Never throws. */
  look(threads: Iterable<WorkerThread>): void {
    if (this.#isBusy || performance.now() < this.#restsUntil) return;
    const takenMb = process.memoryUsage.rss() / mebi;
    if (takenMb < this.#options.maxMemoryMb) return;
    this.#isBusy = true;
    void this.#relieve([...threads], takenMb).finally(() => {
      this.#isBusy = false;
      this.#restsUntil = performance.now() + restMs;
    });
  }

  async #relieve(threads: readonly WorkerThread[], takenMb: number): Promise<void> {
    const { maxMemoryMb, log, relieve } = this.#options;
    let most: { readonly thread: WorkerThread; readonly seen: ProbeAnswer } | undefined;
    for (const thread of threads) {
      const seen = await inspect(thread.threadId);
      if (seen !== undefined && seen.bufferBytes > (most?.seen.bufferBytes ?? 0)) most = { thread, seen };
    }
    if (most !== undefined && most.seen.bufferBytes / mebi >= share * maxMemoryMb) {
      return relieve(most.thread, most.seen);
    }
    if (performance.now() - this.#saidAt < saidEveryMs) return;
    this.#saidAt = performance.now();
    log.warn(
      { takenMb: Math.round(takenMb), maxMemoryMb },
      'the process takes more memory than it should, but no thread has that much in buffers',
    );
  }
}
