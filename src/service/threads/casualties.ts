/**
 * What becomes of the work of a thread that stands still or has ended: whose doing it was is found out and counted, and
 * everything else is taken over by others at once (decision 18).
 */
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import type { Culprit } from '../../model/culprit.ts';
import type { Failure } from '../../model/failure.ts';
import type { NotificationBus } from '../../store/store.ts';
import type { SupervisorStore } from '../../store/supervisor-store.ts';
import { died, diedAlone, exited, hung, limitOf, outOfBuffers, outOfMemory, type BlockLimits } from './endings.ts';
import { inspect } from './inspect.ts';
import type { Persistence } from './persistence.ts';
import type { ProbeAnswer, Running } from './protocol.ts';
import type { ThreadEnd, WorkerThread } from './worker-thread.ts';

/** So often what stands still is looked at. */
const lookMs = 50;
/** A thread that does not even say what it does is left alone for so many times the usual time: most often it is short of CPU. */
const patience = 5;

export interface CasualtiesOptions extends BlockLimits {
  readonly store: SupervisorStore;
  readonly notifications: NotificationBus;
  readonly hubId: number;
  readonly persistence: Persistence;
  readonly log: Logger;
  /** After how long a still thread's work is given to others, in ms. */
  readonly stallMs: number;
  readonly maxHeapMb: number;
  readonly maxMemoryMb: number;
  /** How long a thread may take to finish what held it up, in ms. */
  readonly graceMs: number;
  /** Others are needed in its place; or suspects may have come into being. */
  readonly onChange: () => void;
}

export class Casualties {
  readonly #options: CasualtiesOptions;

  constructor(options: CasualtiesOptions) {
    this.#options = options;
  }

  /** Its event loop has stood still for long enough. Resolves when it goes on, or has been ended. */
  async attend(thread: WorkerThread): Promise<void> {
    const { log, stallMs } = this.#options;
    let seen: Running | undefined;
    let aside: { readonly culprit: Culprit | undefined; readonly done: Promise<void> } | undefined;
    let isReported = false;
    while (thread.stillMs >= stallMs && thread.state !== 'ended') {
      seen ??= known(await inspect(thread.threadId));
      const culprit = seen?.culprit ?? thread.shared.marked;
      const isClear = culprit !== undefined || thread.stillMs >= patience * stallMs;
      if (isClear && !isReported && thread.stillMs >= stallMs) {
        const stillMs = Math.round(thread.stillMs);
        log.warn({ stillMs, ...about(culprit), site: seen?.site }, 'a worker thread stands still');
        isReported = true;
        // What runs alone keeps its place.
        if (thread.role === 'worker' && thread.state === 'active') {
          aside = { culprit, done: this.#setAside(thread, culprit) };
        }
      }
      if (isClear && thread.stillMs >= limitOf(culprit, this.#options)) {
        // The line that it is at now says more than where it was at first.
        const now = await inspect(thread.threadId);
        if (thread.stillMs < stallMs) break;
        await this.#end(thread, now?.culprit ?? culprit, (guilty) =>
          hung(guilty, now?.site ?? seen?.site, this.#options),
        );
        return;
      }
      await delay(lookMs);
    }
    if (aside === undefined) return;
    await aside.done;
    if (thread.state !== 'active') return;
    log.info(about(aside.culprit), 'the worker thread goes on; others have the rest of its work');
    thread.retire({ ...(aside.culprit === undefined ? {} : { kept: aside.culprit }), graceMs: this.#options.graceMs });
  }

  async #setAside(thread: WorkerThread, culprit: Culprit | undefined): Promise<void> {
    const { store, hubId, persistence, onChange } = this.#options;
    const { workerId } = thread;
    if (workerId === undefined) return;
    thread.shared.isSetAside = true;
    await persistence.persist('setting work aside', () => store.setAside({ hubId, workerId, culprit }));
    this.#tell();
    onChange();
  }

  /** Its buffers leave the process no memory. */
  async relieve(thread: WorkerThread, { culprit, site, bufferBytes }: ProbeAnswer): Promise<void> {
    if (thread.state === 'ended') return;
    const bufferMb = Math.round(bufferBytes / 1_048_576);
    await this.#end(thread, culprit ?? thread.shared.marked, (guilty) =>
      outOfBuffers(guilty, bufferMb, this.#options.maxMemoryMb, site),
    );
  }

  async #end(
    thread: WorkerThread,
    culprit: Culprit | undefined,
    explain: (culprit: Culprit) => Failure,
  ): Promise<void> {
    const { log } = this.#options;
    const failure = culprit && explain(culprit);
    log.error(about(culprit), failure?.message ?? 'a worker thread is ended that stands still, or fills the memory');
    thread.isCondemned = true;
    // It ends when it is in JavaScript again.
    void thread.terminate();
    await this.#count(thread, culprit, failure);
  }

  /** It has ended by itself. @returns whether it is known whose doing it was */
  async bury(thread: WorkerThread, { exit, isOutOfMemory, error }: ThreadEnd): Promise<boolean> {
    const { log, maxHeapMb } = this.#options;
    const culprit = exit?.running.culprit ?? thread.shared.marked;
    const failure = culprit && this.#explain(culprit, exit, isOutOfMemory);
    log.error(
      { ...about(culprit), err: error, exitCode: exit?.code, ...(isOutOfMemory ? { maxHeapMb } : {}) },
      failure?.message ?? 'a worker thread has ended',
    );
    await this.#count(thread, culprit, failure);
    return culprit !== undefined;
  }

  #explain(culprit: Culprit, exit: ThreadEnd['exit'], isOutOfMemory: boolean): Failure {
    if (isOutOfMemory) return outOfMemory(culprit, this.#options.maxHeapMb);
    return exit === undefined ? died(culprit) : exited(culprit, exit.code, exit.running.site);
  }

  /** First whose doing it was, then others may have it. */
  async #count(
    { workerId, role }: WorkerThread,
    culprit: Culprit | undefined,
    failure: Failure | undefined,
  ): Promise<void> {
    const { store, hubId, persistence, onChange, log } = this.#options;
    if (culprit !== undefined && failure !== undefined) {
      await persistence.persist('counting a crash', async () => {
        const count = await store.strike({ hubId, culprit, failure });
        log.warn({ ...about(culprit), count }, 'user code has brought its worker down');
      });
    }
    if (workerId !== undefined && culprit === undefined && role === 'quarantine') {
      // It ran alone, so it is known what it was.
      await persistence.persist('counting a crash', () => store.strikeQuarantined([workerId], diedAlone));
    }
    if (workerId !== undefined) {
      await persistence.persist('ending a lease', () =>
        store.endLease(workerId, culprit !== undefined || role === 'quarantine'),
      );
    }
    this.#tell();
    onChange();
  }

  #tell(): void {
    const { notifications, hubId } = this.#options;
    notifications.publish({ kind: 'instances', hubId });
    notifications.publish({ kind: 'activities', hubId });
  }
}

function known(seen: Running | undefined): Running | undefined {
  return seen?.culprit === undefined ? undefined : seen;
}

function about(culprit: Culprit | undefined): object {
  return culprit === undefined ? {} : { instanceId: culprit.instanceId, [culprit.kind]: culprit.name };
}
