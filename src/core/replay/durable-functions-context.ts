/**
 * `ctx.df`: the members of `durable-functions` v3 with its semantics, on top of the context. Scheduling is eager, as
 * everywhere (decision 36).
 */
import type {
  ActivityReference,
  AnyTask as SomeTask,
  DurableOrchestrationContext,
  FailureDetails,
  OrchestrationReference,
} from '../../model/durable-functions.ts';
import type { CallHttpOptions, DurableHttpResponse } from '../../model/durable-http.ts';
import { isEventDefinition, type EventDefinition } from '../../model/events.ts';
import type { EntityAddress } from '../../model/entity-id.ts';
import type { Failure } from '../../model/failure.ts';
import type { CallSubOrchestratorOptions } from '../../model/call-options.ts';
import type { Task, TimerTask } from '../../model/functions.ts';
import type { RetryPolicy } from '../../model/call-options.ts';
import type { EventRaised } from '../../model/history.ts';
import { activityName } from './activity-name.ts';
import { orchestrationName } from './child-call.ts';
import { AllOrFirstFailureTask, AnyTask, asTasks } from './compound-tasks.ts';
import { deterministicGuidV3 } from './deterministic.ts';
import type { ContextParts, ErrorMaker, ReplayContext } from './orchestration-context.ts';
import { toPayload } from './payload.ts';
import type { Retry } from './retry.ts';
import { TaskFailedError } from './task-failed-error.ts';
import { DurableTask } from './task.ts';

/** Longest delay between tries when the options name none. */
const defaultMaxIntervalMs = 6 * 86_400_000;

export class DurableFunctionsContext implements DurableOrchestrationContext {
  readonly Task: DurableOrchestrationContext['Task'];
  readonly #context: ReplayContext;
  readonly #parts: ContextParts;

  constructor(context: ReplayContext, parts: ContextParts) {
    this.#context = context;
    this.#parts = parts;
    this.Task = { all: (tasks) => this.#all(tasks), any: (tasks) => this.#any(tasks) };
  }

  get instanceId(): string {
    return this.#context.instanceId;
  }

  get parentInstanceId(): string | undefined {
    return this.#context.parentInstanceId;
  }

  get version(): string | undefined {
    return this.#context.version;
  }

  get isReplaying(): boolean {
    return this.#context.isReplaying;
  }

  get currentUtcDateTime(): Date {
    return this.#context.currentUtcDateTime;
  }

  get customStatus(): unknown {
    return this.#context.customStatus;
  }

  getInput<T>(): T {
    return this.#context.input as T; // what was stored, of the type that the caller says it has
  }

  callActivity<Output>(activity: ActivityReference<Output>, input?: unknown): Task<Output> {
    return this.#callActivity('callActivity', activity, input, undefined);
  }

  callActivityWithRetry<Output>(
    activity: ActivityReference<Output>,
    retryOptions: RetryPolicy,
    input?: unknown,
  ): Task<Output> {
    return this.#callActivity(
      'callActivityWithRetry',
      activity,
      input,
      withDefaults('callActivityWithRetry', retryOptions),
    );
  }

  callSubOrchestrator<Output>(
    orchestration: OrchestrationReference<Output>,
    input?: unknown,
    instanceId?: string,
  ): Task<Output> {
    return this.#callChild('callSubOrchestrator', orchestration, input, { ...idOf(instanceId) });
  }

  callSubOrchestratorWithRetry<Output>(
    orchestration: OrchestrationReference<Output>,
    retryOptions: RetryPolicy,
    input?: unknown,
    instanceId?: string,
  ): Task<Output> {
    const called = 'callSubOrchestratorWithRetry';
    return this.#callChild(called, orchestration, input, {
      retry: withDefaults(called, retryOptions),
      ...idOf(instanceId),
    });
  }

  callEntity<Output>(entityId: EntityAddress, operationName: string, operationInput?: unknown): Task<Output> {
    return this.#context.startEntityCall(entityId, operationName, operationInput);
  }

  signalEntity(entityId: EntityAddress, operationName: string, operationInput?: unknown): void {
    this.#context.sendSignal(entityId, operationName, operationInput, undefined);
  }

  continueAsNew(input: unknown): void {
    this.#context.continueAsNew(input);
  }

  callHttp(options: CallHttpOptions): Task<DurableHttpResponse> {
    return this.#context.startHttpCall(options, activityError);
  }

  createTimer(fireAt: Date): TimerTask {
    if (!(fireAt instanceof Date) || Number.isNaN(fireAt.getTime())) {
      throw new TypeError(`createTimer(fireAt): fireAt must be a valid Date, not ${String(fireAt)}.`);
    }
    return this.#context.createTimer(fireAt);
  }

  newGuid(seed: string): string {
    return this.#context.makeGuid(({ now, counter }) => deterministicGuidV3({ text: seed, now, counter }));
  }

  setCustomStatus(status: unknown): void {
    this.#context.setCustomStatus(status);
  }

  waitForExternalEvent<T>(event: EventDefinition<unknown, T> | string): Task<T>;
  waitForExternalEvent<T>(event: EventDefinition<unknown, T> | string): Task<T> {
    const { scope, events } = this.#parts;
    const { name, schema } = isEventDefinition(event) ? event : { name: event, schema: undefined };
    scope.assertOpen('waitForExternalEvent');
    if (typeof name !== 'string' || name === '') {
      throw new TypeError('waitForExternalEvent(name): the name must be a text that is not empty.');
    }
    const task = new DurableTask<T>(scope);
    const kept = events.take(name);
    const receive = (raised: EventRaised): void => this.#context.receiveEvent(task, raised, schema);
    if (kept === undefined) events.waitFirst(name, { receive });
    else receive(kept);
    return task;
  }

  #all(tasks: readonly SomeTask[]): Task<unknown[]> {
    return new AllOrFirstFailureTask(this.#parts.scope, this.#tasks('Task.all', tasks));
  }

  // The winner is one of those given.
  #any<T extends SomeTask>(tasks: readonly T[]): Task<T>;
  #any(tasks: readonly SomeTask[]): Task<unknown> {
    return new AnyTask(this.#parts.scope, this.#tasks('Task.any', tasks));
  }

  #callActivity<Output>(
    called: string,
    activity: ActivityReference<Output>,
    input: unknown,
    retry: Retry | undefined,
  ): Task<Output> {
    this.#parts.scope.assertOpen(called);
    const name = activityName(activity, called);
    const payload = toPayload(input, `the input of activity '${name}'`);
    return this.#context.startActivity(name, payload, retry === undefined ? {} : { retry }, activityError);
  }

  #callChild<Output>(
    called: string,
    orchestration: OrchestrationReference<Output>,
    input: unknown,
    options: CallSubOrchestratorOptions,
  ): Task<Output> {
    this.#parts.scope.assertOpen(called);
    const name = orchestrationName(orchestration, called);
    const payload = toPayload(input, `the input of sub-orchestration '${name}'`);
    return this.#context.startSubOrchestration(name, payload, options, childError);
  }

  /** @throws Error for an empty list: it could never complete, or would mean that work was forgotten */
  #tasks(called: string, tasks: unknown): readonly DurableTask<unknown>[] {
    this.#parts.scope.assertOpen(called);
    const checked = asTasks(this.#parts.scope, called, tasks);
    if (checked.length === 0) throw new Error(`${called}(tasks): the list is empty; give it at least one task.`);
    return checked;
  }
}

function idOf(instanceId: string | undefined): { readonly instanceId?: string } {
  return instanceId === undefined ? {} : { instanceId };
}

/** @throws TypeError when there are none */
function withDefaults(called: string, options: RetryPolicy): RetryPolicy {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${called}(name, retryOptions, input): retryOptions are missing.`);
  }
  const { firstRetryIntervalInMilliseconds, maxNumberOfAttempts, handleFailure } = options;
  const { backoffCoefficient, maxRetryIntervalInMilliseconds, retryTimeoutInMilliseconds } = options;
  return {
    firstRetryIntervalInMilliseconds,
    maxNumberOfAttempts,
    maxRetryIntervalInMilliseconds: maxRetryIntervalInMilliseconds ?? defaultMaxIntervalMs,
    ...(backoffCoefficient === undefined ? {} : { backoffCoefficient }),
    ...(retryTimeoutInMilliseconds === undefined ? {} : { retryTimeoutInMilliseconds }),
    ...(handleFailure === undefined ? {} : { handleFailure }),
  };
}

/** v3 joins what failed and why with a line break between two spaces. */
function errorOf(kind: string): ErrorMaker {
  return (failure, call) => {
    const reason = `${kind} function '${call.name}' failed: ${failure.message}`;
    return new TaskFailedError(call, toDetails(failure), `${reason} \n ${failure.errorType}: ${failure.message}`);
  };
}

const activityError = errorOf('Activity');
const childError = errorOf('Orchestrator');

function toDetails(failure: Failure): FailureDetails {
  const { innerFailure, ...rest } = failure;
  const details: FailureDetails = {
    ...rest,
    errorMessage: failure.message,
    isNonRetriable: failure.isNonRetriable ?? false,
    ...(innerFailure === undefined ? {} : { innerFailure: toDetails(innerFailure) }),
    isCausedBy: (errorType) =>
      failure.errorType === errorType || (details.innerFailure?.isCausedBy(errorType) ?? false),
  };
  return details;
}
