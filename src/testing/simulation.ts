/**
 * The world of one test: a store and a clock of its own, and the real worker, engine and client on them. Owns the order
 * of things: calls come one after the other, each when everything before it has come to rest, and time moves only when
 * everything rests. So what a test sees does not depend on how fast anything was.
 */
import { pino } from 'pino';
import { CompletionWaiters } from '../client/completion-waiters.ts';
import type { WaitOptions } from '../client/client.ts';
import { DeclaredValues } from '../client/declared-values.ts';
import { KnownFunctions } from '../client/known-functions.ts';
import { LocalClient } from '../client/local-client.ts';
import { explainInstance } from '../core/state/explain-instance.ts';
import { planRewind } from '../core/state/rewind.ts';
import { isTerminal, type OrchestrationInstance } from '../model/instance.ts';
import type { TurnCommit } from '../model/work.ts';
import { MemoryData } from '../store/memory/data.ts';
import { openMemoryStore } from '../store/memory/index.ts';
import { nextDue } from '../store/memory/workers.ts';
import type { Store } from '../store/store.ts';
import type { UserLogWriter } from '../worker/in-process/activity-context.ts';
import { ActivityCalls } from './activity-calls.ts';
import { Faults, type FaultPlan } from './faults.ts';
import { chooseFunctions, type TestFunction } from './functions.ts';
import { TestExecutor } from './test-executor.ts';
import { VirtualClock } from './virtual-clock.ts';
import { stillWaiting } from './waiting-for.ts';
import { WorkMeter } from './work-meter.ts';
import { WorkerLife } from './worker-life.ts';

export interface SimulationOptions {
  readonly functions: readonly TestFunction[];
  /** Milliseconds since 1970. */
  readonly startTime: number;
  readonly forgetAfterEachTurn: boolean;
  readonly maxActivities: number;
  readonly faults: FaultPlan | undefined;
  readonly log: UserLogWriter | undefined;
  readonly restTimeoutMs: number;
}

const taskHub = 'test';
const maxLiveInstances = 10_000;
const maxPayloadLength = 16_777_216;
/** How long suspend and resume wait, in real milliseconds, for a worker that may be away. */
const effectMs = 100;

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #clock: VirtualClock;
  readonly #data: MemoryData;
  readonly #store: Store;
  #ids = 0;
  /** The same ids in every run. */
  readonly #newId = (): string => (this.#ids += 1).toString(16).padStart(32, '0');
  readonly #meter = new WorkMeter();
  readonly #executor: TestExecutor;
  /** Errors that the worker has logged: they are ours, not the user's. */
  readonly #problems: string[] = [];
  #life: WorkerLife | undefined;
  /** Ends with the last call that was made. */
  #last: Promise<unknown> = Promise.resolve();
  /** Calls that have not ended. */
  #calls = 0;
  #isClosed = false;
  readonly faults: Faults;
  readonly activityCalls = new ActivityCalls();
  readonly client: LocalClient;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#clock = new VirtualClock(options.startTime);
    this.#data = new MemoryData(this.#clock);
    this.#store = openMemoryStore(this.#data);
    this.faults = new Faults(options.faults);
    const chosen = chooseFunctions(options.functions);
    this.#executor = new TestExecutor({
      chosen,
      calls: this.activityCalls,
      meter: this.#meter,
      now: () => new Date(this.now),
      ...(options.log === undefined ? {} : { log: options.log }),
    });
    this.client = this.#openClient(new DeclaredValues(chosen.functions));
    this.startWorker();
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#clock.now();
  }

  /**
   * Makes a call when its turn has come. From inside an activity it is made at once: what waits for rest would wait for
   * that activity.
   * @param options.restFirst `false`: whatever is under way
   */
  operate<T>(call: () => Promise<T>, { restFirst = true }: { readonly restFirst?: boolean } = {}): Promise<T> {
    if (this.#executor.isInsideActivity) return call();
    this.#calls += 1;
    const result = this.#last.then(async () => {
      try {
        if (restFirst) await this.#rest();
        const answer = await call();
        await this.#rest();
        return answer;
      } finally {
        this.#calls -= 1;
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #rest(): Promise<void> {
    if (this.#isClosed) throw new Error('The environment was closed.');
    const { restTimeoutMs } = this.#options;
    if (!(await this.#meter.rest(restTimeoutMs))) {
      const list = this.#meter.list().join(', ') || 'turns that follow each other without end';
      throw new Error(
        `The environment did not come to rest within ${restTimeoutMs} ms: ${list}. For a test that looks while an ` +
          'activity runs there is env.unsettledClient; for activities that take longer, the option restTimeoutMs.',
      );
    }
    const [problem] = this.#problems.splice(0);
    if (problem !== undefined) throw new Error(`The worker of the environment failed: ${problem}`);
  }

  /** Moves time, stopping wherever something becomes due; only inside {@link operate}. */
  async advanceTo(time: number): Promise<void> {
    for (let due = this.#nextDue(); due !== undefined && due <= time; due = this.#nextDue()) await this.#moveTo(due);
    await this.#moveTo(time);
  }

  async #moveTo(time: number): Promise<void> {
    this.#clock.moveTo(time);
    this.#store.notifications.publish({ kind: 'resync' });
    await this.#rest();
  }

  /** When the next timer fires or the next scheduled instance starts, milliseconds since 1970. */
  #nextDue(): number | undefined {
    const dues = [...this.#data.hubs.values()].flatMap((hubId) => nextDue(this.#data, hubId) ?? []);
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  /**
   * Waits for the end of an instance. With a time-out time moves, that far at most. Without one it does not, and an
   * instance that cannot go on by itself, with no other call to come, is an error.
   * @throws StillWaitingError
   */
  async waitForCompletion(
    instanceId: string,
    { timeoutMs, signal }: WaitOptions = {},
  ): Promise<OrchestrationInstance | undefined> {
    const until = timeoutMs === undefined ? undefined : this.now + timeoutMs;
    for (;;) {
      const instance = await this.operate(() => this.client.getStatus(instanceId, { showHistory: true }));
      if (instance === undefined) return undefined;
      const { history: _, ...shown } = instance;
      if (isTerminal(instance.runtimeStatus) || signal?.aborted === true) return shown;
      if (this.#calls > 0) continue;
      if (until === undefined) {
        throw await stillWaiting(instance, { executor: this.#executor, now: this.now });
      }
      if (this.now >= until) return shown;
      await this.operate(() => this.#moveTo(Math.min(this.#nextDue() ?? until, until)));
    }
  }

  startWorker(): void {
    if (this.#isClosed || this.#life !== undefined) return;
    const { forgetAfterEachTurn, maxActivities } = this.#options;
    const life: WorkerLife = new WorkerLife({
      store: this.#store,
      clock: this.#clock,
      executor: this.#executor,
      meter: this.#meter,
      taskHub,
      log: pino({ level: 'error', base: null }, { write: (line: string) => void this.#problems.push(line) }),
      maxActivities,
      maxLiveInstances: forgetAfterEachTurn ? 0 : maxLiveInstances,
      faultAt: (moment) => this.faults.at(moment),
      instanceIdOf: (key) => this.#data.instances.get(key)?.instanceId ?? '',
      newId: this.#newId,
      duplicate: (turns) => this.#duplicate(turns),
      onCrash: () => this.#restartWorker(),
    });
    this.#life = life;
    void life.start().catch((error: unknown) => void this.#problems.push(String(error)));
  }

  /** Ends the worker as a crash does. */
  endWorker(): void {
    this.#life?.end();
    this.#life = undefined;
    this.#executor.loseCalls();
  }

  #restartWorker(): void {
    this.endWorker();
    this.startWorker();
  }

  /** The ends that these turns took in come again. */
  #duplicate(turns: readonly TurnCommit[]): void {
    for (const { key, executionId, events } of turns) {
      const instance = this.#data.live(key);
      if (instance === undefined) continue;
      for (const { timestamp: _, ...event } of events) {
        if (!isEnd(event.type)) continue;
        this.#data.send(instance, { event, executionId });
        this.#store.notifications.publish({ kind: 'inbox', hubId: instance.hubId, keys: [key] });
      }
    }
  }

  #openClient(declared: DeclaredValues): LocalClient {
    return new LocalClient(taskHub, {
      store: this.#store,
      waiters: new CompletionWaiters(this.#store, effectMs),
      known: new KnownFunctions(this.#store),
      pollMs: effectMs,
      maxPayloadLength,
      declared,
      placement: { offer: async (hubId, start) => this.#life?.worker.offer(hubId, start) },
      planRewind,
      explainer: {
        explain: explainInstance,
        awaitedEvents: async (instance, history) =>
          (await this.#executor.awaitedEvents(instance, history)).map((name) => ({ name, since: null })),
      },
      newId: this.#newId,
    });
  }

  close(): void {
    this.endWorker();
    this.#isClosed = true;
  }
}

function isEnd(type: TurnCommit['events'][number]['type']): boolean {
  return (
    type === 'TaskCompleted' ||
    type === 'TaskFailed' ||
    type === 'TimerFired' ||
    type === 'SubOrchestrationInstanceCompleted' ||
    type === 'SubOrchestrationInstanceFailed'
  );
}
