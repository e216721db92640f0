/**
 * The workers of a process, each in a thread of its own: user code can neither stop heartbeats nor HTTP, and is ended from
 * here when it does not end by itself. One thread more than there are workers waits with everything loaded, to take the
 * place of one that stands still. What is suspected of ending its worker runs in a process of its own (`quarantine.ts`), which has
 * one of these, too.
 */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { NewInstance, StartOffer, WorkerId, WorkNotification } from '../../model/work.ts';
import type { HubWorker } from '../../hub-worker.ts';
import type { NotificationBus } from '../../store/store.ts';
import type { SupervisorStore } from '../../store/supervisor-store.ts';
import type { WorkerSnapshot } from '../../worker/counters.ts';
import { Casualties } from './casualties.ts';
import type { BlockLimits } from './endings.ts';
import { BackOff } from './back-off.ts';
import { MemoryWatch } from './memory-watch.ts';
import { Persistence } from './persistence.ts';
import type { Role, ThreadData } from './protocol.ts';
import { Quarantine } from './quarantine.ts';
import { WorkerThread } from './worker-thread.ts';
import { limitYoungGeneration } from './young-generation.ts';

/** A larger input is not copied into a thread beside those of others: its worker reads it, a few at a time (F76). In characters. */
const maxOffered = 262_144;
/** So long nobody may work before the service is not ready any more. */
const downMs = 5_000;
/** When everything has started, so that the start is not slower for it. */
const spareAfterMs = 5_000;
/** Threads that are kept ready. */
const maxReady = 2;
/** Threads beside those that work: each may be held up by something. */
const maxHeldUp = 16;
/** Beyond what activities may take: for the last statements. */
const stopExtraMs = 10_000;
const mostQuietRenewals = 20;

interface SharedOptions extends BlockLimits {
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
  readonly maxMemoryMb: number;
  /** What a thread is begun with. */
  readonly thread: Omit<ThreadData, 'shared' | 'beatMs'>;
  readonly log: Logger;
  /** Takes the lines of the threads' logs. */
  readonly writeLog: (line: string) => void;
}

/** Of a process that takes all work, or of one that takes a suspect at a time and nothing else. */
export type ThreadedWorkersOptions = SharedOptions &
  (
    | { readonly kind: 'service'; readonly workers: number; readonly endOtherLeases: boolean }
    | { readonly kind: 'quarantine'; readonly onRegistered: (workerId: WorkerId) => void }
  );

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
  readonly #backOff = new BackOff();
  #quarantine: Quarantine | undefined;
  readonly #memory: MemoryWatch;
  #workedAt = 0;
  #wantsSpare = false;
  #quietRenewals = 0;
  #isStopping = false;
  readonly #firstStart: { resolve?: () => void; reject?: (error: Error) => void } = {};

  constructor(options: ThreadedWorkersOptions) {
    this.#options = options;
    this.#persistence = new Persistence(options.log);
    this.#memory = new MemoryWatch({
      ...options,
      relieve: async (thread, seen) => this.#casualties?.relieve(thread, seen),
    });
  }

  async start(): Promise<void> {
    const options = this.#options;
    const { store, log, writeLog, thread, stopGraceMs } = options;
    limitYoungGeneration();
    this.#hubId = await store.ensureHub(options.taskHub);
    if (options.kind === 'service') {
      if (options.endOtherLeases) await store.endLeases(this.#hubId);
      this.#quarantine = new Quarantine({
        ...{ store: store.supervision, persistence: this.#persistence, log, writeLog },
        data: { thread, stopGraceMs },
        onDeath: () => this.#renewNow(),
      });
    }
    this.#casualties = new Casualties({
      ...options,
      store: store.supervision,
      notifications: store.notifications,
      hubId: this.#hubId,
      persistence: this.#persistence,
      graceMs: options.activityLimitMs,
      onChange: () => this.#renewNow(),
    });
    this.#unsubscribe = store.notifications.subscribe((notification) => this.#passOn(notification));
    const started = new Promise<void>((resolve, reject) => Object.assign(this.#firstStart, { resolve, reject }));
    this.#balance();
    // What the process has died of the last time is not kept waiting until all others work.
    void this.#renew();
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
    log.debug({ workers: this.#workers }, 'worker threads run');
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
    if (hubId !== this.#hubId || this.#isStopping || (start.event.input?.length ?? 0) > maxOffered) return undefined;
    const able = this.#working().filter(({ stillMs }) => stillMs < this.#options.stallMs / 2);
    if (able.length === 0) return undefined;
    this.#turn = (this.#turn + 1) % able.length;
    return able[this.#turn]?.offer(hubId, start);
  }

  async snapshots(): Promise<readonly WorkerSnapshot[]> {
    const counting = [...this.#threads].filter(({ state }) => state === 'active' || state === 'retiring');
    const counts = counting.map((thread) => thread.count());
    return (await Promise.all([...counts, this.#quarantine?.snapshots() ?? []])).flat();
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
    const work = all.filter(({ state, shared }) => (state === 'starting' || state === 'active') && !shared.isSetAside);
    let missing = this.#workers - work.length;
    for (; missing > 0 && ready.length > 0; missing -= 1) this.#activate(ready.shift());
    while (ready.length > maxReady) ready.pop()?.stop();
    const loading = all.filter(({ state }) => state === 'loading').length;
    const wanted = Math.max(0, missing) + this.#spares - ready.length - loading;
    const room = this.#workers + maxHeldUp - all.length;
    for (let count = 0; count < Math.min(wanted, room); count += 1) this.#spawn();
  }

  /** How many threads should work. */
  get #workers(): number {
    return this.#options.kind === 'service' ? this.#options.workers : 1;
  }

  get #role(): Role {
    return this.#options.kind === 'service' ? 'worker' : 'quarantine';
  }

  /** Threads that wait with everything loaded. */
  get #spares(): number {
    return this.#wantsSpare ? 1 : 0;
  }

  #activate(thread: WorkerThread | undefined): void {
    this.#names += 1;
    const name = `${this.#role === 'quarantine' ? 'q' : ''}${this.#names}`;
    thread?.activate(this.#role, `${hostname()}:${process.pid}/${name}`);
  }

  #spawn(): void {
    const options = this.#options;
    const { thread: data, log, writeLog, maxHeapMb } = options;
    const pauseMs = this.#backOff.pauseMs();
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
        registered: (workerId) => this.#registered(workerId),
        told: (teller, notification) => this.#told(teller, notification),
        changed: () => this.#changed(),
      },
    );
    this.#threads.add(thread);
    void thread.ended.then(async (end) => {
      this.#threads.delete(thread);
      // A suspect that ends its thread does so several times.
      if (options.kind === 'quarantine') this.#wantsSpare = true;
      const isMeant = this.#isStopping || thread.isCondemned || thread.wasStopped;
      if (!isMeant) {
        if (this.#firstStart.reject !== undefined && thread.problem !== undefined) {
          this.#firstStart.reject(new Error(thread.problem, { cause: end.error }));
          return;
        }
        // Suspects are given up soon, and others wait behind them.
        if (options.kind === 'service') this.#backOff.note();
        const isCounted = await this.#casualties?.bury(thread, end);
        if (options.kind === 'quarantine' && isCounted !== true) this.#backOff.note();
      }
      this.#balance();
    });
    log.debug({ threads: this.#threads.size }, 'a thread is begun');
  }

  #registered(workerId: WorkerId): void {
    if (this.#options.kind === 'quarantine') this.#options.onRegistered(workerId);
  }

  #changed(): void {
    if ([...this.#threads].filter(({ state }) => state === 'active').length >= this.#workers) {
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
    this.#memory.look(this.#threads);
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
    const { log } = this.#options;
    this.#renewing = (async () => {
      try {
        await this.#noteSuspects(await this.#renewLeases());
      } catch (error) {
        log.warn({ err: error }, 'leases were not renewed');
      }
    })();
    await this.#renewing;
  }

  /** @returns whether there are suspects */
  async #renewLeases(): Promise<boolean> {
    const { store, leaseMs } = this.#options;
    const workerIds = [...this.#threads].flatMap(({ workerId, isCondemned }) =>
      workerId === undefined || isCondemned ? [] : [workerId],
    );
    const { suspects } = await store.supervision.renewLeases({ hubId: this.#hubId, workerIds, leaseMs });
    return suspects;
  }

  #renewNow(): void {
    this.#balance();
    void this.#renew();
  }

  /** While there are suspects there is a process that takes nothing else, and for a while after. */
  async #noteSuspects(found: boolean): Promise<void> {
    if (this.#quarantine === undefined || this.#isStopping) return;
    this.#quietRenewals = found ? 0 : this.#quietRenewals + 1;
    if (found) this.#quarantine.open();
    else if (this.#quietRenewals >= mostQuietRenewals) await this.#quarantine.closeWhenIdle();
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
    const quarantine = this.#quarantine?.stop(stopGraceMs + stopExtraMs);
    await Promise.race([Promise.all(all.map(({ ended }) => ended)), late]);
    clearTimeout(timer);
    await quarantine;
    clearInterval(this.#looks);
    this.#unsubscribe?.();
    for (const thread of all) await thread.terminate();
    await this.#persistence.close();
    await this.#renewing;
  }
}
