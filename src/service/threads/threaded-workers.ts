/**
 * The workers of a process, each in a thread of its own: user code can neither stop heartbeats nor HTTP, and is ended from
 * here when it does not end by itself. One thread more than there are workers waits with everything loaded, to take the
 * place of one that stands still.
 */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { NewInstance, StartOffer, WorkNotification } from '../../model/work.ts';
import type { HubWorker } from '../../hub-worker.ts';
import type { NotificationBus } from '../../store/store.ts';
import type { SupervisorStore } from '../../store/supervisor-store.ts';
import type { WorkerSnapshot } from '../../worker/counters.ts';
import { Casualties } from './casualties.ts';
import type { BlockLimits } from './endings.ts';
import { diedAlone } from './endings.ts';
import { Persistence } from './persistence.ts';
import type { ThreadData } from './protocol.ts';
import { WorkerThread } from './worker-thread.ts';

/** So long nobody may work before the service is not ready any more. */
const downMs = 5_000;
/** When everything has started, so that the start is not slower for it. */
const spareAfterMs = 5_000;
const maxBackOffMs = 10_000;
/** A process whose threads lived for so long is not in a loop of crashes. */
const calmMs = 30_000;
/** Threads that are kept ready. */
const maxReady = 2;
/** Threads beside those that work: each may be held up by something. */
const maxHeldUp = 16;
/** Beyond what activities may take: for the last statements. */
const stopExtraMs = 10_000;
const mostQuietRenewals = 20;

export interface ThreadedWorkersOptions extends BlockLimits {
  readonly workers: number;
  readonly store: {
    readonly notifications: NotificationBus;
    readonly supervision: SupervisorStore;
    ensureHub(name: string): Promise<number>;
    endLeases(hubId: number): Promise<void>;
  };
  readonly taskHub: string;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly stopGraceMs: number;
  readonly activityLimitMs: number;
  readonly stallMs: number;
  readonly maxHeapMb: number;
  readonly endOtherLeases: boolean;
  /** What a thread is begun with. */
  readonly thread: Omit<ThreadData, 'shared' | 'beatMs'>;
  readonly log: Logger;
  /** Takes the lines of the threads' logs. */
  readonly writeLog: (line: string) => void;
}

export class ThreadedWorkers implements HubWorker {
  readonly #options: ThreadedWorkersOptions;
  readonly #persistence: Persistence;
  readonly #threads = new Set<WorkerThread>();
  #casualties: Casualties | undefined;
  #hubId = 0;
  #names = 0;
  #turn = 0;
  #teller: WorkerThread | undefined;
  #unsubscribe: (() => void) | undefined;
  #looks: NodeJS.Timeout | undefined;
  #renewals: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #respawn: NodeJS.Timeout | undefined;
  #lookedAt = 0;
  #crashes = 0;
  #crashedAt = -Infinity;
  #workedAt = 0;
  #wantsSpare = false;
  #suspects = false;
  #quietRenewals = 0;
  #isStopping = false;
  readonly #firstStart: { resolve?: () => void; reject?: (error: Error) => void } = {};

  constructor(options: ThreadedWorkersOptions) {
    this.#options = options;
    this.#persistence = new Persistence(options.log);
  }

  async start(): Promise<void> {
    const { store, endOtherLeases, log } = this.#options;
    this.#hubId = await store.ensureHub(this.#options.taskHub);
    if (endOtherLeases) await store.endLeases(this.#hubId);
    this.#casualties = new Casualties({
      ...this.#options,
      store: store.supervision,
      notifications: store.notifications,
      hubId: this.#hubId,
      persistence: this.#persistence,
      graceMs: this.#options.activityLimitMs,
      onChange: () => this.#renewNow(),
    });
    this.#unsubscribe = store.notifications.subscribe((notification) => this.#passOn(notification));
    const started = new Promise<void>((resolve, reject) => Object.assign(this.#firstStart, { resolve, reject }));
    this.#balance();
    await started;
    this.#workedAt = performance.now();
    const everyMs = this.#beatMs * 2;
    this.#lookedAt = performance.now();
    this.#looks = setInterval(() => this.#look(everyMs), everyMs);
    this.#scheduleRenewal();
    setTimeout(() => {
      this.#wantsSpare = true;
      this.#balance();
    }, spareAfterMs).unref();
    log.debug({ workers: this.#options.workers }, 'worker threads run');
  }

  get #beatMs(): number {
    return Math.min(50, Math.max(10, this.#options.stallMs / 10));
  }

  /** Whether no worker has worked for long: they crash again and again. */
  get isDown(): boolean {
    if (this.#working().length > 0) this.#workedAt = performance.now();
    return performance.now() - this.#workedAt > downMs;
  }

  async offer(hubId: number, start: NewInstance): Promise<StartOffer | undefined> {
    if (hubId !== this.#hubId || this.#isStopping) return undefined;
    const able = this.#working().filter(({ stillMs }) => stillMs < this.#options.stallMs / 2);
    if (able.length === 0) return undefined;
    this.#turn = (this.#turn + 1) % able.length;
    return able[this.#turn]?.offer(hubId, start);
  }

  async snapshots(): Promise<readonly WorkerSnapshot[]> {
    const counting = [...this.#threads].filter(({ state }) => state === 'active' || state === 'retiring');
    return (await Promise.all(counting.map((thread) => thread.count()))).flat();
  }

  /** Those that take work. */
  #working(): readonly WorkerThread[] {
    return [...this.#threads].filter(
      ({ state, role, shared }) => state === 'active' && role === 'worker' && !shared.isSetAside,
    );
  }

  /** Sees to it that there are as many as there should be. */
  #balance(): void {
    if (this.#isStopping) return;
    const all = [...this.#threads];
    const ready = all.filter(({ state }) => state === 'ready');
    const works = ({ state, role, shared }: WorkerThread, wanted: string): boolean =>
      role === wanted && (state === 'starting' || state === 'active') && !shared.isSetAside;
    let missing = this.#options.workers - all.filter((thread) => works(thread, 'worker')).length;
    for (; missing > 0 && ready.length > 0; missing -= 1) this.#activate(ready.shift(), 'worker');
    let wantsQuarantine = this.#suspects && !all.some((thread) => works(thread, 'quarantine'));
    if (wantsQuarantine && ready.length > 0) {
      this.#activate(ready.shift(), 'quarantine');
      wantsQuarantine = false;
    }
    while (ready.length > maxReady) ready.pop()?.stop();
    const loading = all.filter(({ state }) => state === 'loading').length;
    const wanted = Math.max(0, missing) + (wantsQuarantine ? 1 : 0) + this.#spares - ready.length - loading;
    const room = this.#options.workers + maxHeldUp - all.length;
    for (let count = 0; count < Math.min(wanted, room); count += 1) this.#spawn();
  }

  /** Threads that wait with everything loaded: suspects use up one after the other. */
  get #spares(): number {
    if (!this.#wantsSpare) return 0;
    return this.#suspects ? 2 : 1;
  }

  #activate(thread: WorkerThread | undefined, role: 'worker' | 'quarantine'): void {
    this.#names += 1;
    thread?.activate(role, `${hostname()}:${process.pid}/${role === 'quarantine' ? 'q' : ''}${this.#names}`);
  }

  #spawn(): void {
    const { thread: data, log, writeLog, maxHeapMb } = this.#options;
    const pauseMs = this.#pauseMs();
    if (pauseMs > 0) {
      this.#respawn ??= setTimeout(() => {
        this.#respawn = undefined;
        this.#balance();
      }, pauseMs);
      return;
    }
    const thread = new WorkerThread(
      { ...data, beatMs: this.#beatMs },
      {
        maxHeapMb,
        log: writeLog,
        told: (teller, notification) => this.#told(teller, notification),
        changed: () => this.#changed(),
      },
    );
    this.#threads.add(thread);
    void thread.ended.then(async (end) => {
      this.#threads.delete(thread);
      const isMeant = this.#isStopping || thread.isCondemned || thread.wasStopped;
      if (!isMeant) {
        if (this.#firstStart.reject !== undefined && thread.problem !== undefined) {
          this.#firstStart.reject(new Error(thread.problem, { cause: end.error }));
          return;
        }
        this.#crashes = performance.now() - this.#crashedAt > calmMs ? 1 : this.#crashes + 1;
        this.#crashedAt = performance.now();
        await this.#casualties?.bury(thread, end);
      }
      this.#balance();
    });
    log.debug({ threads: this.#threads.size }, 'a thread is begun');
  }

  /** How long the next thread has to wait, so that a module that ends its thread does not keep the machine busy. */
  #pauseMs(): number {
    if (this.#crashes <= 1) return 0;
    const backOffMs = Math.min(maxBackOffMs, 100 * 2 ** Math.min(this.#crashes, 10));
    return Math.max(0, this.#crashedAt + backOffMs - performance.now());
  }

  #changed(): void {
    if (this.#working().length >= this.#options.workers) {
      this.#firstStart.resolve?.();
      delete this.#firstStart.reject;
    }
    // Not while states are being looked at.
    queueMicrotask(() => this.#balance());
  }

  #told(teller: WorkerThread, notification: WorkNotification): void {
    this.#teller = teller;
    this.#options.store.notifications.publish(notification);
    this.#teller = undefined;
  }

  #passOn(notification: WorkNotification): void {
    // Only clients wait for ends.
    if (notification.kind === 'ended') return;
    for (const thread of this.#threads) {
      if (thread === this.#teller || (thread.state !== 'active' && thread.state !== 'retiring')) continue;
      thread.post({ kind: 'heard', notification });
    }
  }

  #look(everyMs: number): void {
    const now = performance.now();
    const elapsedMs = now - this.#lookedAt;
    this.#lookedAt = now;
    // When this thread was late itself, others may have been, too, and have not been able to say that they live.
    const isLate = elapsedMs > everyMs * 2;
    if (elapsedMs > 1_000) {
      this.#options.log.warn(
        { stillMs: Math.round(elapsedMs) },
        'the main thread stood still (HTTP triggers run in it)',
      );
    }
    for (const thread of this.#threads) {
      thread.look(isLate ? 0 : elapsedMs);
      if (thread.stillMs < this.#options.stallMs || thread.isWatched) continue;
      thread.isWatched = true;
      void this.#casualties?.attend(thread).finally(() => {
        thread.isWatched = false;
        this.#balance();
      });
    }
  }

  #scheduleRenewal(): void {
    const everyMs = Math.min(this.#options.pollMs, this.#options.leaseMs / 3);
    this.#renewals = setTimeout(() => {
      void this.#renew().finally(() => {
        if (!this.#isStopping) this.#scheduleRenewal();
      });
    }, everyMs);
  }

  /** The main thread renews what threads cannot while they stand still. */
  async #renew(): Promise<void> {
    const { store, leaseMs, log } = this.#options;
    this.#renewing = (async () => {
      try {
        const workerIds = [...this.#threads].flatMap(({ workerId, isCondemned }) =>
          workerId === undefined || isCondemned ? [] : [workerId],
        );
        const { suspects } = await store.supervision.renewLeases({ hubId: this.#hubId, workerIds, leaseMs });
        if (suspects) await store.supervision.strikeQuarantined(this.#hubId, diedAlone);
        await this.#noteSuspects(suspects);
      } catch (error) {
        log.warn({ err: error }, 'leases were not renewed');
      }
    })();
    await this.#renewing;
  }

  #renewNow(): void {
    this.#balance();
    void this.#renew();
  }

  /** While there are suspects somebody takes nothing else; when there have been none for a while, that thread is a spare again. */
  async #noteSuspects(found: boolean): Promise<void> {
    this.#quietRenewals = found ? 0 : this.#quietRenewals + 1;
    if (found && !this.#suspects) {
      this.#suspects = true;
      this.#balance();
    }
    if (!this.#suspects || this.#quietRenewals < mostQuietRenewals) return;
    const idle: WorkerThread[] = [];
    for (const thread of this.#threads) {
      if (thread.role !== 'quarantine' || thread.state !== 'active' || thread.isWatched) continue;
      const [counts] = await thread.count();
      // It may be at work for long.
      if (counts === undefined || counts.ownedInstances + counts.activitiesRunning > 0) return;
      idle.push(thread);
    }
    this.#suspects = false;
    for (const thread of idle) thread.retire({ graceMs: this.#options.activityLimitMs });
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#renewals);
    clearTimeout(this.#respawn);
    const all = [...this.#threads];
    for (const thread of all) thread.stop();
    const { stopGraceMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, stopGraceMs + stopExtraMs)));
    await Promise.race([Promise.all(all.map(({ ended }) => ended)), late]);
    clearTimeout(timer);
    clearInterval(this.#looks);
    this.#unsubscribe?.();
    for (const thread of all) await thread.terminate();
    await this.#persistence.close();
    await this.#renewing;
  }
}
