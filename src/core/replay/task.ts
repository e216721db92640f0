/**
 * Tasks: what an orchestrator awaits or yields. A task keeps its listeners (generators, compound tasks) apart from its
 * promise, which is made when somebody first asks for it: a sync generator needs no promise and no microtask, and a
 * failed task that nobody awaits is no unhandled rejection.
 */
import type { Task, TimerTask } from '../../model/functions.ts';
import type { TurnScope } from './turn-scope.ts';

type Listener = () => void;
type OnFulfilled<T, R> = ((value: T) => R | PromiseLike<R>) | null | undefined;
type OnRejected<R> = ((reason: unknown) => R | PromiseLike<R>) | null | undefined;

/** How a task stands. */
export type TaskState<T> =
  | { readonly kind: 'open' }
  | { readonly kind: 'completed'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown };

const open = { kind: 'open' } as const;

export class DurableTask<T> implements Task<T> {
  readonly #scope: TurnScope;
  #state: TaskState<T> = open;
  #listeners: Listener[] | undefined;
  #promise: Promise<T> | undefined;
  #settlePromise: Listener | undefined;

  constructor(scope: TurnScope) {
    this.#scope = scope;
  }

  get state(): TaskState<T> {
    return this.#state;
  }

  get isCompleted(): boolean {
    return this.#state.kind !== 'open';
  }

  get isFaulted(): boolean {
    return this.#state.kind === 'failed';
  }

  get isSuccessful(): boolean {
    return this.#state.kind === 'completed';
  }

  get result(): T | undefined {
    return this.#state.kind === 'completed' ? this.#state.value : undefined;
  }

  /** Whether it belongs to the run of this scope; a task kept from another instance does not. */
  isOf(scope: TurnScope): boolean {
    return this.#scope === scope;
  }

  then<A = T, B = never>(onFulfilled?: OnFulfilled<T, A>, onRejected?: OnRejected<B>): Promise<A | B> {
    this.#scope.awaited(this);
    return this.#toPromise().then(onFulfilled, onRejected);
  }

  /** `yield* task` in a generator: a plain `yield` that keeps the type. */
  *[Symbol.iterator](): Generator<Task<T>, T, unknown> {
    yield this;
    return this.#unwrap();
  }

  /** `yield* task` in an async generator. Never yields to the driver; boxing keeps a result from being awaited again. */
  [Symbol.asyncIterator](): AsyncIterator<never, T> {
    return { next: () => this.then((value) => ({ done: true, value })) };
  }

  /** @throws TypeError always: storing a task means that an `await` was forgotten */
  toJSON(): never {
    throw new TypeError('it holds a task; await (or yield) the task and use its result');
  }

  /** Only the first of `complete` and `fail` counts. */
  complete(value: T): void {
    this.#settle({ kind: 'completed', value });
  }

  fail(error: unknown): void {
    this.#settle({ kind: 'failed', error });
  }

  /** Calls the listener once it is settled: later, never from here. */
  onSettled(listener: Listener): void {
    (this.#listeners ??= []).push(listener);
  }

  removeListener(listener: Listener): void {
    const at = this.#listeners?.indexOf(listener) ?? -1;
    if (at >= 0) this.#listeners?.splice(at, 1);
  }

  #settle(state: TaskState<T>): void {
    if (this.#state.kind !== 'open') return;
    this.#state = state;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener();
    if (this.#settlePromise !== undefined) {
      this.#settlePromise();
      this.#settlePromise = undefined;
      this.#scope.promiseSettled();
    }
  }

  #toPromise(): Promise<T> {
    return (this.#promise ??= new Promise((resolve, reject) => {
      const settle = (): void => {
        const state = this.#state;
        if (state.kind === 'completed') deliver(state.value, resolve);
        else if (state.kind === 'failed') reject(state.error);
      };
      if (this.#state.kind === 'open') this.#settlePromise = settle;
      else settle();
    }));
  }

  #unwrap(): T {
    const state = this.#state;
    if (state.kind === 'completed') return state.value;
    throw new Error('A task was resumed before it completed: use yield* only in an orchestrator of this context.');
  }
}

/** A durable timer. */
export class DurableTimer extends DurableTask<void> implements TimerTask {
  readonly #forget: () => void;
  #isCanceled = false;

  /** @param forget takes the timer back from the engine */
  constructor(scope: TurnScope, forget: () => void) {
    super(scope);
    this.#forget = forget;
  }

  get isCanceled(): boolean {
    return this.#isCanceled;
  }

  cancel(): void {
    if (this.isCompleted) throw new Error('The timer has fired already: only a pending timer can be cancelled.');
    if (this.#isCanceled) return;
    this.#forget();
    this.#isCanceled = true;
  }
}

/**
 * Hands a value to a reaction of a promise. A value that is itself a task (the winner of `any`) would be awaited in
 * turn by JavaScript; while it is handed over it has no `then`, so that it arrives as what it is.
 */
export function deliver<V, R>(value: V, receive: (value: V) => R): R {
  if (!(value instanceof DurableTask)) return receive(value);
  Object.defineProperty(value, 'then', { value: undefined, configurable: true });
  try {
    return receive(value);
  } finally {
    Reflect.deleteProperty(value, 'then');
  }
}
