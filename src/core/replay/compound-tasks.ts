/** `ctx.all` and `ctx.any`: tasks made of tasks. They listen to their parts, so the order of the history decides. */
import { DurableTask, deliver } from './task.ts';
import type { TurnScope } from './turn-scope.ts';
import { withoutFrames } from './without-frames.ts';

type Tasks = readonly DurableTask<unknown>[];

/** Completes when every task has: results in order, or one AggregateError that holds every failure. */
export class AllTask extends DurableTask<unknown[]> {
  readonly #tasks: Tasks;
  #open = 0;

  constructor(scope: TurnScope, tasks: Tasks) {
    super(scope);
    this.#tasks = tasks;
    for (const task of tasks) {
      if (task.isCompleted) continue;
      this.#open += 1;
      task.onSettled(() => {
        this.#open -= 1;
        if (this.#open === 0) this.#finish();
      });
    }
    if (this.#open === 0) this.#finish();
  }

  #finish(): void {
    const errors: unknown[] = [];
    for (const { state } of this.#tasks) if (state.kind === 'failed') errors.push(state.error);
    if (errors.length === 0) {
      this.complete(this.#tasks.map((task) => task.result));
      return;
    }
    const messages = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
    const message = `${errors.length} of ${this.#tasks.length} tasks failed: ${messages}`;
    this.fail(withoutFrames(new AggregateError(errors, message, { cause: errors[0] })));
  }
}

/** As {@link AllTask}, but fails with the first failure: `Task.all` of `ctx.df`. */
export class AllOrFirstFailureTask extends DurableTask<unknown[]> {
  constructor(scope: TurnScope, tasks: Tasks) {
    super(scope);
    let open = tasks.length;
    const ended = (task: DurableTask<unknown>): void => {
      open -= 1;
      if (task.state.kind === 'failed') this.fail(task.state.error);
      else if (open === 0) this.complete(tasks.map((each) => each.result));
    };
    for (const task of tasks) {
      if (task.isCompleted) ended(task);
      else task.onSettled(() => ended(task));
    }
  }
}

/** Completes with the first task to settle, which is its result. The others go on. */
export class AnyTask extends DurableTask<DurableTask<unknown>> {
  constructor(scope: TurnScope, tasks: Tasks) {
    super(scope);
    const settled = tasks.find((task) => task.isCompleted);
    if (settled !== undefined) {
      this.complete(settled);
      return;
    }
    // The losers forget it: a loop that races one long wait against many short ones must not pile up listeners.
    const removals = tasks.map((task) => {
      const listener = (): void => {
        for (const remove of removals) remove();
        this.complete(task);
      };
      task.onSettled(listener);
      return () => task.removeListener(listener);
    });
  }

  override then<A = DurableTask<unknown>, B = never>(
    onFulfilled?: ((winner: DurableTask<unknown>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    // `await` passes functions of the engine, which ask the winner for `then`; a user's function may need it.
    if (typeof onFulfilled !== 'function' || !isNative(onFulfilled)) return super.then(onFulfilled, onRejected);
    return super.then((winner) => deliver(winner, onFulfilled), onRejected);
  }
}

function isNative(callback: (winner: DurableTask<unknown>) => unknown): boolean {
  return Function.prototype.toString.call(callback).endsWith('{ [native code] }');
}

/**
 * The arguments of `all` and `any` as tasks of this run.
 * @throws TypeError that says which argument is no task
 */
export function asTasks(scope: TurnScope, called: string, tasks: unknown): Tasks {
  if (!Array.isArray(tasks)) {
    throw new TypeError(`${called}(tasks) received a non-valid input: the argument must be an array of tasks.`);
  }
  return tasks.map((task: unknown, index) => {
    if (task instanceof DurableTask && task.isOf(scope)) return task;
    throw new TypeError(
      `${called}(tasks) received a non-valid input: element ${index} is not a task of this orchestration but ${describe(task)}.`,
    );
  });
}

/** A value's type in words, for errors. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (value instanceof DurableTask) return 'a task of another orchestration';
  if (typeof value !== 'object') return `a value of type ${typeof value}`;
  const name: unknown = value.constructor?.name;
  return `an object of type ${typeof name === 'string' && name !== '' ? name : 'Object'}`;
}
