/**
 * What code inside an orchestration may know of the turn it runs in, and the guard against code that runs outside one.
 * One per run, shared by the run, its context and its tasks.
 */
import { callSite } from './call-sites.ts';
import type { CallTrace } from './explain.ts';
import type { DurableTask } from './task.ts';
import { withoutFrames } from './without-frames.ts';

export class TurnScope {
  /** Time of the turn, milliseconds since 1970; never goes back. */
  now = 0;
  isReplaying = false;
  /**
   * The first use of the context by code that no event of the history woke. What it did cannot be replayed, so the next
   * turn fails the instance with this.
   */
  violation: Error | undefined;
  /** Only in a run that is repeated to explain it. */
  readonly trace: CallTrace | undefined;
  #open = false;
  #promiseSettled = false;
  #awaited: DurableTask<unknown>[] | undefined;

  constructor(trace?: CallTrace) {
    this.trace = trace;
  }

  enter(): void {
    this.#open = true;
  }

  leave(): void {
    this.#open = false;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** @throws Error when no turn is under way */
  assertOpen(what: string): void {
    this.trace?.used(what);
    if (this.#open) return;
    const site = callSite();
    const where = site === undefined ? '' : ` at ${site}`;
    throw this.violate(`${what} was used outside a turn${where}, after awaiting something that is not a task.`);
  }

  /** Remembers the first violation; the next decision fails the instance with it. */
  violate(what: string): Error {
    return (this.violation ??= nonDurableAwait(what));
  }

  /** User code may have something to do: microtasks must run out before the next event. */
  promiseSettled(): void {
    this.#promiseSettled = true;
  }

  /** Whether {@link promiseSettled} was called since the last question. */
  takePromiseSettled(): boolean {
    const settled = this.#promiseSettled;
    this.#promiseSettled = false;
    return settled;
  }

  /** Called for each `await` of a task. */
  awaited(task: DurableTask<unknown>): void {
    this.assertOpen('A task');
    this.#awaited?.push(task);
  }

  /** Begins to remember which tasks are awaited, forgetting those before. */
  trackAwaited(): void {
    this.#awaited = [];
  }

  /** Whether a value is the result of a task awaited since {@link trackAwaited}. */
  isResultOfAwaited(value: unknown): boolean {
    return this.#awaited?.some((task) => task.isSuccessful && Object.is(task.result, value)) ?? false;
  }
}

/** The orchestrator waits for, or was woken by, something that history does not know. */
export function nonDurableAwait(what: string): Error {
  const error = new Error(
    `${what} An orchestrator may only await tasks of its context; move other asynchronous work into an activity.`,
  );
  error.name = 'NonDurableAwaitError';
  return error;
}

/**
 * Nothing that is open could wake the orchestrator.
 * @param last the last use of its context
 * @param findings what else it used, as sentences
 */
export function stuckError(last?: string, findings = ''): Error {
  const before = last === undefined ? '' : ` The last that it used of its context was ${last}.`;
  const what = `The orchestrator waits, but no task of its context is open: it could never go on.${before} ${findings}`;
  return withoutFrames(nonDurableAwait(what.trimEnd()));
}
