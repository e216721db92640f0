/** What a turn begins with: the inbox and, where nothing is remembered, the history. Many instances share a read. */
import type { Logger } from 'pino';
import { Batcher } from '../flow/batcher.ts';
import { Turnstile } from '../flow/turnstile.ts';
import type { ClaimContents, InstanceKey } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import { weightOfEvents } from './committer.ts';
import type { DatabaseClock } from './database-clock.ts';
import type { Executor } from './executor.ts';
import { openMemory, type LiveInstance } from './live-instances.ts';
import { timersOf } from './turn-tracing.ts';

type ReadRequest = Parameters<WorkerStore['readClaimed']>[0][number];

const maxBackOffMs = 5_000;
/** Turns under way, at most, that began with more than is read together: so memory does not depend on how many there are. */
const maxHeavyTurns = 2;

interface TurnReaderOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly clock: DatabaseClock;
  readonly log: Logger;
}

export class TurnReader {
  readonly #options: TurnReaderOptions;
  readonly #batcher: Batcher<ReadRequest, ClaimContents>;
  readonly #heavy = new Turnstile(maxHeavyTurns);
  readonly #places = new Map<InstanceKey, () => void>();
  #stopping = false;

  constructor(options: TurnReaderOptions) {
    this.#options = options;
    this.#batcher = new Batcher({ run: (requests) => this.#readAll(requests), concurrency: 2, maxItems: 500 });
  }

  /** From now on a read that fails is not tried again. */
  stop(): void {
    this.#stopping = true;
  }

  /** Reads what is needed, and gives the instance its memory. @returns `undefined` when nothing had to be read */
  async read(live: LiveInstance): Promise<ClaimContents | undefined> {
    const { store, executor, clock } = this.#options;
    const { instance } = live;
    const cold = live.memory === undefined;
    // A fresh instance that was begun here has nothing stored to read.
    if (cold && !live.inboxWaiting && !live.takenOver && instance.sequence === 0) {
      live.memory = openMemory(executor, instance, []);
      return undefined;
    }
    if (!live.inboxWaiting && !live.takenOver && !cold) return undefined;
    live.inboxWaiting = false;
    const request = { key: instance.key, withHistory: cold && instance.sequence > 0, withTasks: live.takenOver };
    const light = await this.#batcher.add(request);
    const contents = light.isHeavy === true ? await this.#readAlone(request) : light;
    clock.observe(contents.readAt);
    if (cold && contents.unreadable === undefined) {
      live.weight = weightOfEvents(contents.history);
      live.startedAt = contents.history[0]?.timestamp;
      if (instance.trace !== undefined) live.timersSince = timersOf(contents.history);
      live.memory = openMemory(executor, instance, contents.history);
      if (
        !live.memory.state.started &&
        !contents.messages.some((message) => message.event.type === 'ExecutionStarted')
      ) {
        const start = await store.readStart(instance.key);
        if (start !== undefined) live.events.push(start);
      }
    }
    return contents;
  }

  /** Waits until few others have as much in memory. */
  async #readAlone(request: ReadRequest): Promise<ClaimContents> {
    const { key } = request;
    this.end(key);
    this.#places.set(key, await this.#heavy.enter());
    const [contents] = await this.#readAll([{ ...request, whole: true }]);
    if (contents === undefined) throw new Error('a read returned nothing');
    return contents;
  }

  /** What was read for a turn is not needed any more. */
  end(key: InstanceKey): void {
    this.#places.get(key)?.();
    this.#places.delete(key);
  }

  /** Goes on trying while the database is away: the turns that wait for it hold results that exist nowhere else. */
  async #readAll(requests: readonly ReadRequest[]): Promise<readonly ClaimContents[]> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#options.store.readClaimed(requests);
      } catch (error) {
        if (this.#stopping) throw error;
        this.#options.log.warn({ err: error }, 'reading what waits for instances failed, trying again');
        await new Promise((resolve) => setTimeout(resolve, Math.min(maxBackOffMs, 50 * 2 ** attempt)));
      }
    }
  }
}
