/**
 * One life of a worker in an environment: the real worker, with everything it touches in its hands only while it lives.
 * A worker that dies is not asked: from then on nothing that it called ever answers.
 */
import type { Logger } from 'pino';
import type { CancelPoll, Clock } from '../flow/clock.ts';
import type { ActivityOutcome, ActivityWork, TurnCommit } from '../model/work.ts';
import type { NotificationBus, Store } from '../store/store.ts';
import type { ActivityCancellation, Executor, OrchestrationRun } from '../worker/executor.ts';
import { Worker } from '../worker/worker.ts';
import type { Fault, FaultMoment } from './faults.ts';
import type { WorkMeter } from './work-meter.ts';

/** What an environment gives to the lives of its worker. */
export interface WorkerSurroundings {
  readonly store: Store;
  readonly clock: Clock;
  readonly executor: Executor;
  readonly meter: WorkMeter;
  readonly taskHub: string;
  readonly log: Logger;
  readonly maxActivities: number;
  /** Suspended orchestrators kept in memory; 0 replays every turn. */
  readonly maxLiveInstances: number;
  faultAt(moment: FaultMoment): Fault | undefined;
  instanceIdOf(key: string): string;
  /** An id that nothing has yet; the same ones in every run. */
  readonly newId: () => string;
  /** Delivers a second time what a commit took in. */
  duplicate(turns: readonly TurnCommit[]): void;
  /** The worker has died of a fault. */
  onCrash(): void;
}

/** Nobody else takes over here, so no lease needs to end: a hundred years. */
const leaseMs = 3_155_760_000_000;
const maxTurns = 1_000;
const maxLiveWeight = 64 * 1_048_576;

export class WorkerLife {
  readonly #around: WorkerSurroundings;
  readonly #polls = new Set<CancelPoll>();
  readonly #subscriptions = new Set<() => void>();
  readonly #runs = new Set<OrchestrationRun>();
  readonly #underWay = new Set<() => void>();
  readonly worker: Worker;
  #over = false;

  constructor(around: WorkerSurroundings) {
    this.#around = around;
    this.worker = new Worker({
      store: this.#guardStore(around.store),
      executor: this.#guardExecutor(around.executor),
      clock: this.#guardClock(around.clock),
      taskHub: around.taskHub,
      log: around.log,
      leaseMs,
      pollMs: 1_000,
      maxActivities: around.maxActivities,
      maxTurns,
      stopGraceMs: 0,
      unregisteredGraceMs: 1,
      newExecutionId: around.newId,
      // Lives come one after the other.
      endOtherLeases: true,
      live: { maxInstances: around.maxLiveInstances, maxWeight: maxLiveWeight },
    });
  }

  /** Begins to work. Counts as under way until it does, or until this life is over: it may die while it starts. */
  start(): Promise<void> {
    return this.#guard('the start of the worker', () => this.worker.start());
  }

  /** Dies: nothing is handed over, nothing answers any more. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const cancel of this.#polls) cancel();
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    for (const run of this.#runs) run.dispose();
    for (const ended of this.#underWay) ended();
  }

  #crash(): Promise<never> {
    this.end();
    this.#around.onCrash();
    return never();
  }

  /** Counts as under way until it has ended; its end is not heard after that of this life. */
  async #guard<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#over) return never();
    const end = this.#around.meter.begin(what);
    this.#underWay.add(end);
    try {
      return await this.#whileAlive(work);
    } finally {
      this.#underWay.delete(end);
      end();
    }
  }

  async #whileAlive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#over) return never();
    try {
      const result = await work();
      return this.#over ? await never() : result;
    } catch (error) {
      if (this.#over) return await never();
      throw error;
    }
  }

  #guardClock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      poll: (ms, look) => {
        if (this.#over) return () => undefined;
        const cancel = clock.poll(ms, () => {
          this.#polls.delete(cancel);
          look();
        });
        this.#polls.add(cancel);
        return () => {
          this.#polls.delete(cancel);
          cancel();
        };
      },
    };
  }

  #guardStore(store: Store): Store {
    const notifications: NotificationBus = {
      publish: (notification) => {
        if (!this.#over) store.notifications.publish(notification);
      },
      subscribe: (listener) => {
        const unsubscribe = store.notifications.subscribe(listener);
        this.#subscriptions.add(unsubscribe);
        return unsubscribe;
      },
    };
    const commitTurns: Store['commitTurns'] = (workerId, turns) =>
      this.#guard('a commit', async () => {
        const instanceIds = turns.map((turn) => this.#around.instanceIdOf(turn.key));
        const fault = this.#around.faultAt({ at: 'commit', instanceIds });
        if (fault === 'crash-before') return this.#crash();
        const outcomes = await store.commitTurns(workerId, turns);
        if (fault === 'crash-after') return this.#crash();
        if (fault === 'duplicate') this.#around.duplicate(turns);
        return outcomes;
      });
    const commitEntities: Store['commitEntities'] = (workerId, commits) =>
      this.#guard('a commit', async () => {
        const instanceIds = commits.map((commit) => this.#around.instanceIdOf(commit.key));
        const fault = this.#around.faultAt({ at: 'commit', instanceIds });
        if (fault === 'crash-before') return this.#crash();
        const outcomes = await store.commitEntities(workerId, commits);
        if (fault === 'crash-after') return this.#crash();
        return outcomes;
      });
    // Whatever the port grows by goes the same way.
    return new Proxy(store, {
      get: (target, name): unknown => {
        if (name === 'notifications') return notifications;
        if (name === 'commitTurns') return commitTurns;
        if (name === 'commitEntities') return commitEntities;
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: readonly unknown[]): Promise<unknown> =>
          this.#guard(String(name), async () => {
            const answer: unknown = Reflect.apply(member, target, args);
            return answer;
          });
      },
    });
  }

  #guardExecutor(executor: Executor): Executor {
    return {
      functions: executor.functions,
      limits: executor.limits,
      // One that nobody knows fails at once: here nobody else could come to know it.
      hasActivity: () => true,
      servesOrchestration: (name, version) => executor.servesOrchestration(name, version),
      isSelective: executor.isSelective,
      openRun: (target) => {
        const run = executor.openRun(target);
        this.#runs.add(run);
        const guarded: OrchestrationRun = {
          advance: (turn) => this.#guard(`a turn of instance '${target.instanceId}'`, () => run.advance(turn)),
          dispose: () => {
            this.#runs.delete(run);
            run.dispose();
          },
        };
        return guarded;
      },
      runEntityBatch: (batch) =>
        this.#guard(`a batch of entity '${batch.instanceId}'`, () => executor.runEntityBatch(batch)),
      runActivity: (work, cancellation) =>
        // Its executor counts it: a mock may say that it is not to be waited for.
        this.#whileAlive(() => this.#runActivity(executor, work, cancellation)),
    };
  }

  async #runActivity(
    executor: Executor,
    work: ActivityWork,
    cancellation: ActivityCancellation,
  ): Promise<ActivityOutcome | undefined> {
    const { name: activity, instanceId, attempt, redelivery } = work;
    const fault = this.#around.faultAt({ at: 'activity', activity, instanceId, attempt, redelivery });
    if (fault === 'crash-before') return this.#crash();
    const outcome = await executor.runActivity(work, cancellation);
    return fault === 'crash-after' ? this.#crash() : outcome;
  }
}

function never(): Promise<never> {
  return new Promise<never>(() => undefined);
}
