/** Runs the functions of an environment: the real executor, which counts calls and knows mocks. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityBatch, EntityBatchOutcome } from '../model/entity-work.ts';
import type { FunctionDefinition } from '../model/functions.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { Version } from '../model/versions.ts';
import type { ActivityOutcome, ActivityWork, FunctionNames } from '../model/work.ts';
import type { ActivityCancellation, Executor, OrchestrationRun, RunTarget } from '../worker/executor.ts';
import type { UserLogWriter } from '../worker/in-process/activity-context.ts';
import { awaitedNames, orchestrationsOf } from '../worker/in-process/awaited-events.ts';
import { InProcessExecutor } from '../worker/in-process/in-process-executor.ts';
import type { ActivityCalls, BegunCall } from './activity-calls.ts';
import type { ChosenFunctions } from './functions.ts';
import { mockHandlerOf } from './mock.ts';
import type { WorkMeter } from './work-meter.ts';
import { decisionWithOwnFrames, withOwnFrames } from './own-frames.ts';

export interface TestExecutorOptions {
  readonly chosen: ChosenFunctions;
  readonly calls: ActivityCalls;
  readonly meter: WorkMeter;
  readonly now: () => Date;
  readonly log?: UserLogWriter;
}

/** A call under way. */
interface RunningCall extends BegunCall {
  /** Its end is not waited for any more. */
  readonly park: () => void;
}

export class TestExecutor implements Executor {
  readonly #options: TestExecutorOptions;
  readonly #executor: InProcessExecutor;
  /** The call that the code that asks is part of. */
  readonly #current = new AsyncLocalStorage<RunningCall>();
  readonly #running = new Set<RunningCall>();

  /** @throws DurableError `InvalidArgument` when two functions have one name */
  constructor(options: TestExecutorOptions) {
    this.#options = options;
    this.#executor = new InProcessExecutor({
      functions: options.chosen.functions.map((definition) => this.#counted(definition)),
      builtIns: options.chosen.builtIns.map((definition) => this.#counted(definition)),
      ...(options.log === undefined ? {} : { log: options.log }),
    });
  }

  get functions(): FunctionNames {
    return this.#executor.functions;
  }

  get limits(): Executor['limits'] {
    return this.#executor.limits;
  }

  /** Whether the code that asks runs inside an activity of this environment. */
  get isInsideActivity(): boolean {
    return this.#current.getStore() !== undefined;
  }

  openRun(target: RunTarget): OrchestrationRun {
    const run = this.#executor.openRun(target);
    return {
      advance: async (turn) => decisionWithOwnFrames(await run.advance(turn)),
      dispose: () => run.dispose(),
    };
  }

  /** The names of the external events that an instance with this history waits for. */
  async awaitedEvents(target: RunTarget, history: readonly HistoryEvent[]): Promise<readonly string[]> {
    return (await awaitedNames(orchestrationsOf(this.#options.chosen.functions), target, history)) ?? [];
  }

  hasActivity(name: string, version: Version): boolean {
    return this.#executor.hasActivity(name, version);
  }

  servesOrchestration(name: string, version: Version): boolean {
    return this.#executor.servesOrchestration(name, version);
  }

  get isSelective(): boolean {
    return this.#executor.isSelective;
  }

  runEntityBatch(batch: EntityBatch): Promise<EntityBatchOutcome> {
    return this.#executor.runEntityBatch(batch);
  }

  async runActivity(work: ActivityWork, cancellation: ActivityCancellation): Promise<ActivityOutcome | undefined> {
    const begun = this.#options.calls.begin(work, this.#options.now());
    const end = this.#options.meter.begin(`activity '${work.name}' of instance '${work.instanceId}'`);
    const call: RunningCall = { ...begun, park: end };
    this.#running.add(call);
    const ended = await this.#current.run(call, () => this.#executor.runActivity(work, cancellation));
    const outcome = ended?.kind === 'failed' ? { ...ended, failure: withOwnFrames(ended.failure) } : ended;
    this.#running.delete(call);
    if (outcome === undefined) call.lost();
    else call.ended(outcome);
    end();
    return outcome;
  }

  /** The worker has died: what had not ended is lost. */
  loseCalls(): void {
    for (const call of this.#running) {
      call.lost();
      call.park();
    }
    this.#running.clear();
  }

  /** Tells a mock which call it is. */
  #counted(definition: FunctionDefinition): FunctionDefinition {
    const handler = mockHandlerOf(definition);
    if (handler === undefined) return definition;
    const run: typeof handler = (input, context) => {
      const { index = 0, park = () => undefined } = this.#current.getStore() ?? {};
      return handler(input, context, { index, park });
    };
    return { ...definition, run } as FunctionDefinition;
  }
}
