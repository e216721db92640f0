/** What a test sees of its environment. */
import type { OrchestrationClient, OrchestrationReference, StartOptions, WaitOptions } from '../client/client.ts';
import { notFound } from '../client/arguments.ts';
import { parseDuration } from '../model/duration.ts';
import { fromPayload } from '../core/replay/payload.ts';
import type { ActivityDefinition, Duration } from '../model/functions.ts';
import type { OrchestrationInstance } from '../model/instance.ts';
import type { OrchestrationHistory } from '../model/orchestration-history.ts';
import type { UserLogWriter } from '../worker/in-process/activity-context.ts';
import type { ActivityCall } from './activity-calls.ts';
import type { FaultInjection, FaultPlan } from './faults.ts';
import type { TestFunction } from './functions.ts';
import { Simulation } from './simulation.ts';
import { openTestClient } from './test-client.ts';

/** Options of {@link createTestEnvironment}. */
export interface TestEnvironmentOptions {
  /** Orchestrations, activities, and mocks in place of activities. All exports of a module may be given. */
  readonly functions: readonly TestFunction[];
  /** What the clock says in the beginning. Default: 2026-01-01T00:00:00Z. */
  readonly startTime?: Date;
  /** `true`: every turn is replayed from history, as after a restart of the worker. Default `false`. */
  readonly forgetAfterEachTurn?: boolean;
  /** Activities that run at the same time; with 1 one after the other, in the order of the calls. Default 500. */
  readonly maxActivities?: number;
  /** What goes wrong by itself; see also {@link TestEnvironment.injectFault}. Default: nothing. */
  readonly faults?: FaultPlan;
  /** Gets the lines of `ctx.log`. Default: nowhere. */
  readonly log?: UserLogWriter;
  /** Real milliseconds after which something that does not come to rest is an error. Default 10,000. */
  readonly restTimeoutMs?: number;
}

/**
 * Orchestrations in memory, on a clock that stands still until the test moves it. What runs is what runs in production,
 * but for the store and the clock.
 *
 * Calls take effect one after the other: each is made when everything before it has come to rest, and resolves when
 * everything has come to rest again. Activities may take real time; it is waited for.
 */
export interface TestEnvironment {
  /**
   * The verbs on orchestrations. `waitForCompletion` without a time-out lets no time pass: it throws a
   * {@link StillWaitingError}, which says what the instance waits for, when it cannot go on by itself and no other call is
   * to come. With a time-out time passes, that far at most.
   */
  readonly client: OrchestrationClient;
  /** The same without waiting for rest: for tests that look, or send, while an activity runs. */
  readonly unsettledClient: OrchestrationClient;
  /** The time by the environment's clock. */
  readonly now: Date;
  /**
   * Lets time pass. Timers fire in order, each at its time, and what follows from them happens then.
   * @throws TypeError for something that is no duration
   */
  advance(duration: Duration): Promise<void>;
  /** Lets time pass until a moment. @throws RangeError for one that is over */
  advanceTo(time: Date): Promise<void>;
  /** Waits until everything that can happen without time passing has happened. */
  settle(): Promise<void>;
  /** Sends an event, as {@link OrchestrationClient.raiseEvent}. */
  raiseEvent: OrchestrationClient['raiseEvent'];
  /** Starts an orchestration and waits for its output as {@link outputOf} does. */
  run<Output = unknown, Input = unknown>(
    orchestration: OrchestrationReference<Input>,
    options?: StartOptions<Input> & WaitOptions,
  ): Promise<Output>;
  /**
   * The output of an instance, once it has completed; waits as `client.waitForCompletion` does.
   * @throws DurableError `InstanceNotFound`
   * @throws Error when it ended otherwise, or not within the time-out
   * @throws StillWaitingError when it cannot go on by itself
   */
  outputOf<Output = unknown>(instanceId: string, options?: WaitOptions): Promise<Output>;
  /**
   * The history of an instance's current execution, for {@link assertReplays} and for a look at it.
   * @throws DurableError `InstanceNotFound`
   */
  history(instanceId: string): Promise<OrchestrationHistory>;
  /** The runs of an activity so far (without one: of all), in the order in which they began. */
  activityCalls<Input, Output>(activity: ActivityDefinition<Input, Output>): readonly ActivityCall<Input, Output>[];
  activityCalls(activity?: string): readonly ActivityCall[];
  /** Arranges for something to go wrong the next time that its moment comes. */
  injectFault(injection: FaultInjection): void;
  /**
   * The worker dies here and now, also while activities run: what it had in memory is gone. Another takes over.
   * @param options.downFor how long there is no worker. Default: none of the environment's time
   */
  crash(options?: { readonly downFor?: Duration }): Promise<void>;
  /** Ends it. Nothing of it keeps the process alive, so this is a courtesy to activities that still run. */
  close(): Promise<void>;
}

const defaultStart = Date.UTC(2026, 0, 1);
const defaultRestTimeoutMs = 10_000;
const defaultMaxActivities = 500;

/**
 * Makes an environment for one test. It needs no database, no network and no real time, and shares nothing with other
 * environments.
 * @throws DurableError `InvalidArgument` when two functions have one name
 * @throws TypeError for something among the functions that is no definition
 */
export function createTestEnvironment(options: TestEnvironmentOptions): TestEnvironment {
  const simulation = new Simulation({
    functions: options.functions,
    startTime: (options.startTime ?? new Date(defaultStart)).getTime(),
    forgetAfterEachTurn: options.forgetAfterEachTurn ?? false,
    maxActivities: options.maxActivities ?? defaultMaxActivities,
    faults: options.faults,
    log: options.log,
    restTimeoutMs: options.restTimeoutMs ?? defaultRestTimeoutMs,
  });
  const operate = <T>(call: () => Promise<T>): Promise<T> => simulation.operate(call);
  const waitForCompletion = (instanceId: string, wait?: WaitOptions) => simulation.waitForCompletion(instanceId, wait);
  const client = openTestClient(simulation.client, { operate, waitForCompletion });

  async function outputOf<Output>(instanceId: string, wait?: WaitOptions): Promise<Output> {
    const instance = await waitForCompletion(instanceId, wait);
    if (instance === undefined) throw notFound(instanceId);
    if (instance.runtimeStatus !== 'Completed') throw notCompleted(instance);
    return fromPayload<Output>(instance.output ?? undefined, `The output of instance '${instanceId}'`);
  }

  return {
    client,
    unsettledClient: simulation.client,
    get now() {
      return new Date(simulation.now);
    },
    advance: async (duration) => {
      const ms = parseDuration(duration);
      await operate(() => simulation.advanceTo(simulation.now + ms));
    },
    advanceTo: (time) =>
      operate(async () => {
        if (!(time.getTime() >= simulation.now)) {
          throw new RangeError(`It is ${new Date(simulation.now).toISOString()} already: time does not go back.`);
        }
        await simulation.advanceTo(time.getTime());
      }),
    settle: () => operate(async () => undefined),
    raiseEvent: client.raiseEvent.bind(client),
    run: async (orchestration, start = {}) => outputOf(await client.startNew<unknown>(orchestration, start), start),
    outputOf,
    history: async (instanceId) => {
      const history = await client.getHistory(instanceId);
      if (history === undefined) throw notFound(instanceId);
      return history;
    },
    activityCalls: <Input, Output>(activity?: ActivityDefinition<Input, Output> | string) =>
      simulation.activityCalls.list(typeof activity === 'object' ? activity.name : activity) as readonly ActivityCall<
        Input,
        Output
      >[],
    injectFault: (injection) => simulation.faults.inject(injection),
    crash: ({ downFor } = {}) =>
      simulation.operate(
        async () => {
          simulation.endWorker();
          if (downFor !== undefined) await simulation.advanceTo(simulation.now + parseDuration(downFor));
          simulation.startWorker();
        },
        { restFirst: false },
      ),
    close: async () => simulation.close(),
  };
}

function notCompleted({ instanceId, name, runtimeStatus, failure, output }: OrchestrationInstance): Error {
  const reason = failure === null ? (output ?? '') : `${failure.errorType}: ${failure.message}`;
  return new Error(`Instance '${instanceId}' (${name}) has not completed: it is ${runtimeStatus}. ${reason}`.trim());
}
