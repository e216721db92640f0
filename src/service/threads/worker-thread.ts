/** One thread as the main thread sees it: what it was told to be, what it answers, whether its event loop turns. */
import { Worker as NodeWorker } from 'node:worker_threads';
import type { NewInstance, StartOffer, WorkerId, WorkNotification } from '../../model/work.ts';
import type { WorkerSnapshot } from '../../worker/counters.ts';
import { HeadCounts } from './head-counts.ts';
import { Outbox } from './outbox.ts';
import {
  SharedState,
  type FromThread,
  type OfferedStart,
  type Role,
  type Running,
  type ThreadData,
  type ToThread,
} from './protocol.ts';

/** Longer is not waited for whether a thread takes a start: then it is stored for whoever comes. */
const offerTimeoutMs = 250;

/**
 * - `loading`, `ready`: works nothing;
 * - `starting`, `active`: works;
 * - `retiring`: finishes what held it up, and is ready again;
 * - `stopping`, `ended`.
 */
export type ThreadState = 'loading' | 'ready' | 'starting' | 'active' | 'retiring' | 'stopping' | 'ended';

export interface ThreadEvents {
  readonly log: (line: string) => void;
  readonly registered: (workerId: WorkerId) => void;
  readonly told: (thread: WorkerThread, notification: WorkNotification) => void;
  /** Its state is another one. */
  readonly changed: (thread: WorkerThread) => void;
}

/** How a thread ended. */
export interface ThreadEnd {
  /** What `process.exit()` was called with, and by whom, if it was. */
  readonly exit?: { readonly code: number; readonly running: Running };
  readonly isOutOfMemory: boolean;
  readonly error?: Error;
}

export class WorkerThread {
  readonly shared = new SharedState();
  state: ThreadState = 'loading';
  role: Role = 'worker';
  /** Under which it is registered. */
  workerId: WorkerId | undefined;
  /** Why it could not load the modules. */
  problem: string | undefined;
  /** Milliseconds since its event loop last turned, as far as could be seen. */
  stillMs = 0;
  /** Whether somebody sees to it that it goes on or is ended. */
  isWatched = false;
  /** It is ended from here, and what it did is being counted. */
  isCondemned = false;
  /** It was told to stop. */
  wasStopped = false;
  readonly ended: Promise<ThreadEnd>;
  readonly #thread: NodeWorker;
  readonly #outbox = new Outbox<ToThread>((messages) => this.#thread.postMessage(messages));
  readonly #events: ThreadEvents;
  #beats = 0;
  #nextId = 0;
  readonly #offers = new Map<number, (offer: OfferedStart | undefined) => void>();
  readonly #counts = new HeadCounts();
  #exit: ThreadEnd['exit'];
  #error: Error | undefined;

  constructor(
    data: Omit<ThreadData, 'shared'>,
    { maxHeapMb, ...events }: ThreadEvents & { readonly maxHeapMb: number },
  ) {
    this.#events = events;
    // As source in tests, compiled elsewhere.
    const file = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js';
    this.#thread = new NodeWorker(new URL(file, import.meta.url), {
      workerData: { ...data, shared: this.shared.buffer } satisfies ThreadData,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    });
    this.#thread.on('message', (messages: readonly FromThread[]) => {
      for (const message of messages) this.#hear(message);
    });
    this.#thread.on('error', (error: Error) => (this.#error = error));
    this.ended = new Promise((resolve) => {
      this.#thread.once('exit', () => {
        this.#letGo();
        const isOutOfMemory = codeOf(this.#error) === 'ERR_WORKER_OUT_OF_MEMORY';
        resolve({
          ...(this.#exit === undefined ? {} : { exit: this.#exit }),
          ...(this.#error === undefined ? {} : { error: this.#error }),
          isOutOfMemory,
        });
      });
    });
  }

  /** Of the thread, in this process. */
  get threadId(): number {
    return this.#thread.threadId;
  }

  post(message: ToThread): void {
    this.#outbox.post(message);
  }

  activate(role: Role, name: string): void {
    this.role = role;
    this.#become('starting');
    this.post({ kind: 'activate', role, name });
  }

  /** @param elapsedMs since the last look; of a look that came late only what is certain */
  look(elapsedMs: number): void {
    const { beats } = this.shared;
    if (beats === this.#beats && this.state !== 'loading') this.stillMs += elapsedMs;
    else this.stillMs = 0;
    this.#beats = beats;
  }

  async offer(hubId: number, start: NewInstance): Promise<StartOffer | undefined> {
    this.#nextId += 1;
    const id = this.#nextId;
    const offered = await new Promise<OfferedStart | undefined>((resolve) => {
      const timer = setTimeout(() => {
        const owner = this.#runs(start);
        // When the answer comes after all, it is too late.
        this.#offers.set(id, () => owner === undefined && this.post({ kind: 'withdraw', id }));
        resolve(owner === undefined ? undefined : { owner, firstTurn: null });
      }, offerTimeoutMs);
      this.#offers.set(id, (offer) => {
        clearTimeout(timer);
        resolve(offer);
      });
      this.post({ kind: 'offer', id, hubId, start });
    });
    if (offered === undefined) return undefined;
    return {
      ...offered,
      accept: (key) => this.post({ kind: 'accept', id, key, hasTurn: offered.firstTurn !== null }),
      withdraw: () => this.post({ kind: 'withdraw', id }),
    };
  }

  /** Its worker, if it is in the first turn of this instance: another one would run the same. */
  #runs({ instanceId }: NewInstance): WorkerId | undefined {
    return this.shared.marked?.instanceId === instanceId ? this.workerId : undefined;
  }

  /** What its worker has counted; nothing when it does not answer. */
  count(): Promise<readonly WorkerSnapshot[]> {
    return this.#counts.ask((id) => this.post({ kind: 'count', id }));
  }

  retire(message: Omit<Extract<ToThread, { kind: 'retire' }>, 'kind'>): void {
    this.#become('retiring');
    this.post({ kind: 'retire', ...message });
  }

  stop(): void {
    this.wasStopped = true;
    this.#become('stopping');
    this.post({ kind: 'stop' });
  }

  /** Whatever it does. */
  async terminate(): Promise<void> {
    this.#become('ended');
    await this.#thread.terminate();
  }

  #become(state: ThreadState): void {
    if (this.state === 'ended') return;
    this.state = state;
    this.#events.changed(this);
  }

  #hear(message: FromThread): void {
    switch (message.kind) {
      case 'told':
        return this.#events.told(this, message.notification);
      case 'log':
        return this.#events.log(message.line);
      case 'offered': {
        const { id, offer } = message;
        const answer = this.#offers.get(id);
        this.#offers.delete(id);
        return answer?.(offer);
      }
      case 'counted':
        return this.#counts.answer(message.id, message.snapshots);
      case 'registered':
        this.workerId = message.workerId;
        return this.#events.registered(message.workerId);
      case 'ready':
        // It has deregistered.
        this.workerId = undefined;
        if (this.state !== 'stopping') this.#become('ready');
        return;
      case 'active':
        if (this.state === 'starting') this.#become('active');
        return;
      case 'exiting':
        this.#exit = { code: message.code, running: message.running ?? {} };
        return;
      case 'unloadable':
        this.problem = message.message;
        return;
      case 'stopped':
        this.workerId = undefined;
        void this.terminate();
        return;
    }
  }

  /** Nobody answers any more. */
  #letGo(): void {
    for (const answer of [...this.#offers.values()]) answer(undefined);
    this.#offers.clear();
    this.#counts.letGo();
    this.#become('ended');
  }
}

function codeOf(error: Error | undefined): unknown {
  return error !== undefined && 'code' in error ? error.code : undefined;
}
