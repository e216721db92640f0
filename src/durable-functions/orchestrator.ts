/**
 * Orchestrators of `durable-functions`: generators of one argument, with everything under `context.df`, that also yield
 * tasks which a registered function made without a context: `yield sayHello('Lisbon')`.
 */
import type { AnyTask, DurableOrchestrationContext, RetryOptions } from '../model/durable-functions.ts';
import type { OrchestrationContext as Context } from '../model/functions.ts';
import { invocationContext, type InvocationContext } from './invocation-context.ts';

/** What a yield gives back, and what an activity gets: anything, as v3 types it. */
export type Loose = ReturnType<typeof JSON.parse>;

/** What an orchestrator of `durable-functions` gets. */
export interface OrchestrationContext extends InvocationContext {
  readonly df: DurableOrchestrationContext;
}

/** An orchestrator of `durable-functions`. */
export type OrchestrationHandler = (context: OrchestrationContext) => Generator<AnyTask, unknown, Loose>;

/** A call that is scheduled when it is yielded, or becomes part of a compound task. */
export class RegisteredTask implements AnyTask {
  readonly #what: string;
  readonly #call: (df: DurableOrchestrationContext, retryOptions?: RetryOptions) => AnyTask;
  #retryOptions: RetryOptions | undefined;
  #task: AnyTask | undefined;

  /** @param what is called, in words */
  constructor(what: string, call: (df: DurableOrchestrationContext, retryOptions?: RetryOptions) => AnyTask) {
    this.#what = what;
    this.#call = call;
  }

  get isCompleted(): boolean {
    return this.#task?.isCompleted ?? false;
  }

  get isFaulted(): boolean {
    return this.#task?.isFaulted ?? false;
  }

  get result(): unknown {
    return this.#task?.result;
  }

  /**
   * The same call with retries.
   * @throws Error when this one is scheduled already
   */
  withRetry(retryOptions: RetryOptions): RegisteredTask {
    if (this.#task !== undefined) {
      throw new Error(`withRetry: the call of ${this.#what} is scheduled already; use it before the task is yielded.`);
    }
    const task = new RegisteredTask(this.#what, this.#call);
    task.#retryOptions = retryOptions;
    return task;
  }

  /** Schedules the call; once, however often it is asked. */
  start(df: DurableOrchestrationContext): AnyTask {
    return (this.#task ??= this.#call(df, this.#retryOptions));
  }
}

/** Runs a handler as the body of an orchestration. */
export function* runHandler(handler: OrchestrationHandler, context: Context): Generator<AnyTask, unknown, Loose> {
  const started = new StartedTasks(context.df);
  const body = handler({
    ...invocationContext({ functionName: context.name, invocationId: context.executionId, log: context.log }),
    df: started.df,
  });
  let step = body.next();
  while (step.done !== true) {
    let result: unknown;
    try {
      result = yield started.inner(step.value);
    } catch (error) {
      step = body.throw(error);
      continue;
    }
    step = body.next(started.outer(result));
  }
  return step.value;
}

/** The tasks of one run that were made without a context, and what they became. */
class StartedTasks {
  /** `context.df`, whose compound tasks know such tasks too. */
  readonly df: DurableOrchestrationContext;
  readonly #df: DurableOrchestrationContext;
  readonly #outer = new Map<unknown, RegisteredTask>();

  constructor(df: DurableOrchestrationContext) {
    this.#df = df;
    const each = (tasks: readonly AnyTask[]): readonly AnyTask[] =>
      isList(tasks) ? tasks.map((task) => this.inner(task)) : tasks;
    const Task = {
      all: (tasks: readonly AnyTask[]) => df.Task.all(each(tasks)),
      any: (tasks: readonly AnyTask[]) => df.Task.any(each(tasks)),
    };
    // Everything else is the context's own, its getters too.
    this.df = new Proxy(df, {
      get: (target, name) => {
        if (name === 'Task') return Task;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  }

  /** What is yielded instead. */
  inner(value: AnyTask): AnyTask {
    if (!(value instanceof RegisteredTask)) return value;
    const task = value.start(this.#df);
    this.#outer.set(task, value);
    return task;
  }

  /** The winner of a race as the code knows it. */
  outer(result: unknown): unknown {
    return this.#outer.get(result) ?? result;
  }
}

/** What is no list is refused by the context itself. */
function isList(tasks: unknown): tasks is readonly AnyTask[] {
  return Array.isArray(tasks);
}
