/**
 * One worker: a lease, the loops that claim and beat, and the processors. The lease holds for everything the worker
 * owns; when it ends, whatever the reason, everything is dropped and the worker begins again under a new id
 * (decision 8). Finding work never depends on a notification: each heartbeat looks.
 */
import { hostname } from 'node:os';
import { defaultLimits } from '../core/state/turn-limits.ts';
import { processClock, type CancelPoll, type Clock } from '../flow/clock.ts';
import { within } from '../flow/within.ts';
import type { Culprit, SuspectFilter } from '../model/culprit.ts';
import { entityExecutionName } from '../model/entity-id.ts';
import { hasCode } from '../model/errors.ts';
import type { Claim, NewInstance, StartOffer, WorkNotification } from '../model/work.ts';
import type { Heartbeat } from '../store/store.ts';
import { ActivityClaims, type Claimant } from './activity-claims.ts';
import { ActivityDeadlines } from './activity-deadlines.ts';
import { ActivitySlots } from './activity-slots.ts';
import { WorkerCounters, type WorkerSnapshot } from './counters.ts';
import { DatabaseClock } from './database-clock.ts';
import { DueTimes } from './due-times.ts';
import { finish, keepOnly } from './finish.ts';
import { ForeignVersions } from './foreign-versions.ts';
import { defaultLiveLimits, LiveInstances } from './live-instances.ts';
import { maintain } from './maintenance.ts';
import { newExecutionId } from './new-execution.ts';
import { offerOf, openSession, renew, reset, snapshotOf, take, type Lease, type Session } from './session.ts';
import { collectStrays } from './strays.ts';
import { WorkLoop } from './work-loop.ts';
import type { WorkerOptions } from './worker-options.ts';

/** How long the answers to claims under way are waited for at the end. */
const claimEndMs = 2_000;
const maxMaintenanceMs = 15_000;
/** Instances claimed even when all activity slots are taken, one handful after the other: their turns must go on. */
const minClaim = 16;
const maxClaim = 1_000;
/** Activities that wait in memory instead of the queue while this worker is the only one. */
const maxBacklog = 10_000;

export class Worker {
  readonly #options: WorkerOptions;
  readonly #own: Clock;
  readonly #clock: DatabaseClock;
  readonly #slots: ActivitySlots;
  readonly #counters: WorkerCounters;
  readonly #foreign: ForeignVersions;
  /** Names of the executions that this worker claims. */
  readonly #names: readonly string[];
  readonly #claims: ActivityClaims;
  readonly #suspects: SuspectFilter;
  readonly #claimLoop: WorkLoop;
  readonly #taskLoop: WorkLoop;
  #session: Session | undefined;
  #hubId = 0;
  #unsubscribe: (() => void) | undefined;
  #cancelBeat: CancelPoll | undefined;
  #beating: Promise<void> = Promise.resolve();
  readonly #dueTimes: DueTimes;
  #deadWorkers = true;
  #crashed = false;
  #maintainedAt = 0;
  #maintenance: Promise<void> | undefined;
  #stopping = false;
  /** The lease is given back: no more heartbeats. */
  #handingOver = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#own = options.clock ?? processClock;
    this.#clock = new DatabaseClock(this.#own);
    this.#dueTimes = new DueTimes({
      own: this.#own,
      now: () => this.#clock.now(),
      maxWaitMs: options.pollMs * 10,
      onDue: () => this.#onDue(),
    });
    this.#suspects = options.suspects ?? 'all';
    this.#foreign = new ForeignVersions(options);
    this.#counters = options.counters ?? new WorkerCounters(options.executor.functions);
    const { orchestrators, entities } = options.executor.functions;
    this.#names = [...orchestrators, ...entities.map(entityExecutionName)];
    const limit = options.activityLimitMs;
    this.#slots = new ActivitySlots(options.executor, {
      slots: options.maxActivities,
      maxBacklog,
      counters: this.#counters,
      onlyClaimed: this.#isSolo,
      deadlines: limit === undefined ? undefined : new ActivityDeadlines(limit, this.#own),
      leaseHolds: () => this.#leaseHolds(),
      onFree: () => (this.#isSolo ? this.#claimLoop : this.#taskLoop).resume(),
      onLimitFree: () => this.#taskLoop.wake(),
    });
    this.#claimLoop = new WorkLoop({
      step: () => this.#claimInstances(),
      log: options.log,
      what: 'claiming instances',
    });
    this.#claims = new ActivityClaims({
      store: options.store,
      executor: options.executor,
      slots: this.#slots,
      foreign: this.#foreign,
      claimant: () => this.#claimant(),
    });
    this.#taskLoop = new WorkLoop({
      step: async () => (this.#isSolo ? 'enough' : this.#claims.step()),
      log: options.log,
      what: 'claiming activities',
    });
  }

  /** Registers and begins. @throws DurableError `StoreUnavailable` */
  async start(): Promise<void> {
    this.#hubId = await this.#options.store.ensureHub(this.#options.taskHub);
    if (this.#options.endOtherLeases) await this.#options.store.endLeases(this.#hubId);
    await this.#begin();
    this.#unsubscribe = this.#options.store.notifications.subscribe((notification) => this.#hear(notification));
    this.#scheduleBeat();
    this.#claimLoop.wake();
    this.#taskLoop.wake();
  }

  /**
   * Stops in order: nothing new, turns finish, activities get their time, the rest is handed over.
   * Other workers go on with it within one poll.
   */
  async stop(): Promise<void> {
    await this.#end({ isQuiet: () => this.#slots.underWay === 0, graceMs: this.#options.stopGraceMs });
  }

  /**
   * Stops after others have taken over what it owned, but for what held it up, which is finished first.
   * @param options.isQuiet whether that has ended
   */
  async retire(options: {
    readonly kept: Culprit | undefined;
    readonly isQuiet: () => boolean;
    readonly graceMs: number;
  }): Promise<void> {
    if (this.#session !== undefined) keepOnly(this.#session, options.kept);
    await this.#end(options);
  }

  async #end(options: { readonly isQuiet: () => boolean; readonly graceMs: number }): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#unsubscribe?.();
    this.#dueTimes.stop();
    await within(Promise.all([this.#claimLoop.stop(), this.#taskLoop.stop()]), claimEndMs);
    this.#slots.close();
    if (this.#session) {
      const { store, log } = this.#options;
      const endBeats = async (): Promise<void> => {
        this.#handingOver = true;
        this.#cancelBeat?.();
        await this.#beating;
      };
      await finish(this.#session, { ...options, store, log, endBeats });
      store.notifications.publish({ kind: 'instances', hubId: this.#hubId });
      store.notifications.publish({ kind: 'activities', hubId: this.#hubId });
    }
    this.#handingOver = true;
    this.#cancelBeat?.();
    await this.#beating;
  }

  /** A new id with nothing owned. */
  async #begin(): Promise<void> {
    const { store, executor, leaseMs, log } = this.#options;
    const sentAt = this.#own.now();
    const {
      workerId,
      now,
      alone,
      crashed = false,
    } = await store.registerWorker({
      hubId: this.#hubId,
      name: this.#options.name ?? `${hostname()}:${process.pid}`,
      functions: executor.functions,
      leaseMs,
      quarantine: this.#isSolo,
    });
    this.#options.onRegistered?.(workerId);
    this.#clock.observe(now);
    this.#slots.alone = alone;
    this.#crashed = crashed;
    const live = new LiveInstances(this.#options.live ?? defaultLiveLimits);
    const lease: Lease = { endsAt: sentAt + leaseMs };
    this.#session = openSession({
      ...{ store, executor, workerId, hubId: this.#hubId, live, lease, log },
      slots: this.#slots,
      clock: this.#clock,
      own: this.#own,
      limits: this.#options.limits ?? defaultLimits,
      counters: this.#counters,
      tracing: this.#options.tracing,
      newExecutionId: this.#options.newExecutionId ?? newExecutionId,
      onRoom: () => this.#claimLoop.resume(),
      onTimer: (fireAt) => this.#dueTimes.add(fireAt),
    });
    log.info({ workerId }, 'worker registered');
  }

  /** What it has counted, and how it stands now. */
  snapshots(): readonly WorkerSnapshot[] {
    return [snapshotOf({ counts: this.#counters.counts, slots: this.#slots, session: this.#session })];
  }

  #claimant(): Claimant | undefined {
    if (this.#stopping || this.#session === undefined) return undefined;
    const { workerId, activities } = this.#session;
    return { workerId, hubId: this.#hubId, includeDeadOwners: this.#deadWorkers, suspects: this.#suspects, activities };
  }

  /** Whether it takes one suspect at a time, and nothing else. */
  get #isSolo(): boolean {
    return this.#suspects === 'only';
  }

  #leaseHolds(): boolean {
    if (this.#session === undefined || this.#options.isSetAside?.() === true) return false;
    return this.#own.now() < this.#session.lease.endsAt;
  }

  /** Takes a new instance before it is stored, if there is room. */
  async offer(hubId: number, start: NewInstance): Promise<StartOffer | undefined> {
    const session = this.#session;
    if (session === undefined || this.#stopping || hubId !== this.#hubId) return undefined;
    if (!this.#options.executor.servesOrchestration(start.name, start.version)) return undefined;
    if (!this.#leaseHolds() || this.#room(session) <= 0) return undefined;
    // What ends the process before it is stored would do so each time it is started again, and never be given up.
    const offered = { ...start, isNewId: start.isNewId && !this.#crashed };
    return offerOf(session, offered, () => this.#session === session);
  }

  /**
   * How many more instances may have a turn here. Every turn may want an activity slot; what has none here is better
   * shared. While no other worker lives and nothing waits for a slot, the bound is memory.
   */
  #room({ orchestrations, live }: Session): number {
    if (this.#slots.alone && this.#slots.waiting === 0) return this.#options.maxTurns * 2 - live.ownedCount;
    return this.#slots.free - orchestrations.turns;
  }

  #hear(notification: WorkNotification): void {
    if (notification.kind === 'resync') {
      this.#claimLoop.wake();
      this.#taskLoop.wake();
      this.#session?.orchestrations.inboxesDue();
      this.#session?.entities.inboxesDue();
      return;
    }
    if (notification.kind === 'reset') {
      if (this.#session) reset(this.#session, notification.change);
      return;
    }
    if (notification.hubId !== this.#hubId) return;
    if (notification.kind === 'instances') this.#claimLoop.wake();
    else if (notification.kind === 'activities') this.#taskLoop.wake();
    else if (notification.kind === 'inbox') {
      this.#session?.orchestrations.inboxArrived(notification.keys);
      this.#session?.entities.inboxArrived(notification.keys);
      // It may have been given up while the message was stored.
      this.#claimLoop.wake();
    }
  }

  /** @returns whether there may be more */
  async #claimInstances(): Promise<'more' | 'enough' | 'full'> {
    const session = this.#session;
    if (this.#stopping || session === undefined) return 'enough';
    const turns = session.orchestrations.turns + session.entities.turns;
    if (this.#isSolo && (turns > 0 || session.live.ownedCount > 0 || this.#slots.underWay > 0)) return 'full';
    const limit = Math.min(
      this.#options.maxTurns - turns,
      maxClaim,
      Math.max(turns === 0 ? minClaim : 0, this.#room(session)),
    );
    if (limit <= 0) return 'full';
    if (this.#deadWorkers && this.#options.executor.isSelective) {
      await this.#foreign.lookAtOrphans(this.#hubId, this.#names);
    }
    const claims = await this.#options.store.claimOrchestrations({
      workerId: session.workerId,
      hubId: this.#hubId,
      names: this.#names,
      without: this.#foreign.orchestrations,
      limit: this.#isSolo ? 1 : limit,
      includeDeadOwners: this.#deadWorkers,
      suspects: this.#suspects,
    });
    await this.#take(session, claims);
    if (!this.#isSolo) return claims.length > 0 ? 'more' : 'enough';
    // One at a time, whatever it is.
    return claims.length > 0 ? 'full' : this.#claims.step();
  }

  /** Begins with claimed instances; what was claimed for an id whose lease has ended is found by that id's heirs. */
  #take(session: Session, claims: readonly Claim[]): Promise<void> | undefined {
    if (this.#session !== session) return undefined;
    const { served, foreign } = this.#foreign.sort(claims);
    take(session, served);
    if (foreign.length === 0) return undefined;
    return this.#foreign.giveBack({ workerId: session.workerId, hubId: this.#hubId }, foreign);
  }

  #scheduleBeat(): void {
    const everyMs = Math.min(this.#options.pollMs, this.#options.leaseMs / 3);
    this.#cancelBeat = this.#own.poll(everyMs, () => {
      this.#beating = this.#heartbeat()
        // Whose tables a newer version has is told so elsewhere.
        .catch((error: unknown) =>
          this.#options.log[hasCode(error, 'SchemaMismatch') ? 'debug' : 'warn']({ err: error }, 'heartbeat failed'),
        )
        .finally(() => {
          if (!this.#handingOver) this.#scheduleBeat();
        });
    });
  }

  async #heartbeat(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return this.#stopping ? undefined : this.#begin();
    const { store, leaseMs, log } = this.#options;
    const sentAt = this.#own.now();
    const quiet = session.live.atRest();
    const beat = await renew(session, { store, hubId: this.#hubId, leaseMs });
    if (beat.kind === 'expired') {
      log.error({ workerId: session.workerId }, 'the lease has ended: everything is dropped, other workers have it');
      this.#session = undefined;
      session.activities.abortAll('The lease of the worker has ended.');
      session.live.clear();
      if (this.#stopping) return;
      await this.#begin();
      this.#claimLoop.wake();
      this.#taskLoop.wake();
      return;
    }
    session.lease.endsAt = sentAt + leaseMs;
    this.#clock.observe(beat.now);
    session.activities.lost(beat.lostTasks);
    this.#slots.alone = beat.alone;
    this.#crashed = beat.crashed === true;
    if (this.#stopping) return;
    this.#deadWorkers = beat.deadWorkers;
    if (beat.instancesReady || beat.deadWorkers) this.#claimLoop.wake();
    if (beat.activitiesReady || beat.deadWorkers) this.#taskLoop.wake();
    session.orchestrations.inboxArrived(beat.inboxKeys);
    session.entities.inboxArrived(beat.inboxKeys);
    if (beat.nextDueAt !== undefined) this.#dueTimes.add(beat.nextDueAt);
    session.live.dropGone(quiet, new Set(beat.ownedInstances));
    await this.#collectStrays(session, beat);
    // Beside the heartbeat: on a slow database it must not cost the lease (F53).
    this.#maintenance ??= this.#maintain()
      .catch((error: unknown) => {
        log.warn({ err: error }, 'maintenance failed');
      })
      .finally(() => {
        this.#maintenance = undefined;
      });
  }

  async #collectStrays(session: Session, beat: Extract<Heartbeat, { kind: 'alive' }>): Promise<void> {
    const { store, log } = this.#options;
    const found = await collectStrays(session, beat, { store, log, now: this.#own.now() });
    if (found.released) this.#taskLoop.wake();
    if (found.claims.length > 0) await this.#take(session, found.claims);
  }

  async #maintain(): Promise<void> {
    const { store, unregisteredGraceMs, pollMs, log } = this.#options;
    const everyMs = Math.max(pollMs, Math.min(maxMaintenanceMs, unregisteredGraceMs / 2));
    if (this.#own.now() - this.#maintainedAt < everyMs) return;
    this.#maintainedAt = this.#own.now();
    const hubId = this.#hubId;
    const { told, unregisteredEntities } = await maintain({ store, hubId, graceMs: unregisteredGraceMs, log });
    if (told) {
      store.notifications.publish({ kind: 'instances', hubId });
      this.#session?.orchestrations.inboxesDue();
    }
    const session = this.#session;
    if (session === undefined || this.#stopping || unregisteredEntities.length === 0) return;
    // Somebody has to say that nobody knows them.
    const claims = await store.claimOrchestrations({
      workerId: session.workerId,
      hubId,
      names: unregisteredEntities,
      limit: minClaim,
      includeDeadOwners: false,
    });
    await this.#take(session, claims);
  }

  /** Messages became visible. */
  #onDue(): void {
    this.#claimLoop.wake();
    this.#session?.orchestrations.inboxesDue(this.#clock.now() + 1);
    this.#session?.entities.inboxesDue();
  }
}
