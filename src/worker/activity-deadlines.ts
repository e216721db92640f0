/** The longest that a run of an activity may take (F39). Code cannot be stopped from outside: it is told, and its call fails. */
import type { CancelPoll, Clock } from '../flow/clock.ts';
import type { ActivityOutcome, ActivityWork } from '../model/work.ts';
import type { Cancellation } from './cancellation.ts';

type Outcome = ActivityOutcome | undefined;

/** In a ring with its neighbours: thousands come and go in a second, for which a Set makes a new table again and again (6 % of W1). */
class Deadline {
  previous: Deadline = this;
  next: Deadline = this;
  readonly at: number;
  readonly #work: ActivityWork | undefined;
  readonly #cancellation: Cancellation | undefined;
  readonly #settle: ((outcome: Outcome) => void) | undefined;

  constructor(at: number, work?: ActivityWork, cancellation?: Cancellation, settle?: (outcome: Outcome) => void) {
    this.at = at;
    this.#work = work;
    this.#cancellation = cancellation;
    this.#settle = settle;
  }

  remove(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  pass(limitMs: number): void {
    const message = `Activity '${this.#work?.name ?? ''}' had not ended after ${limitMs} ms (the activity limit).`;
    this.#cancellation?.request(message, 'TimeoutError');
    this.#settle?.({ kind: 'failed', failure: { errorType: 'TimeoutError', message } });
  }
}

export class ActivityDeadlines {
  readonly #limitMs: number;
  readonly #clock: Clock;
  /** The head of the ring. All have the same limit, so they pass in the order in which they came: one timer is enough. */
  readonly #ring = new Deadline(Infinity);
  #cancelPoll: CancelPoll | undefined;

  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
  }

  /** @returns how it ended, or that its time was up; what it does after that is not waited for */
  within(work: ActivityWork, cancellation: Cancellation, run: Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(this.#clock.now() + this.#limitMs, work, cancellation, resolve);
      deadline.previous = this.#ring.previous;
      deadline.next = this.#ring;
      deadline.previous.next = deadline;
      this.#ring.previous = deadline;
      if (this.#cancelPoll === undefined) this.#arm();
      run.then(
        (outcome) => {
          deadline.remove();
          resolve(outcome);
        },
        (error: unknown) => {
          deadline.remove();
          reject(error);
        },
      );
    });
  }

  #arm(): void {
    const { next } = this.#ring;
    if (next === this.#ring) return;
    this.#cancelPoll = this.#clock.poll(Math.min(Math.max(0, next.at - this.#clock.now()), 2 ** 31 - 1), () => {
      this.#cancelPoll = undefined;
      this.#pass();
      this.#arm();
    });
  }

  #pass(): void {
    const now = this.#clock.now();
    for (let { next } = this.#ring; next.at <= now; { next } = this.#ring) {
      next.remove();
      next.pass(this.#limitMs);
    }
  }

  /** Forgets them all: what still runs when its worker stops has the grace of that. */
  close(): void {
    this.#cancelPoll?.();
    this.#ring.remove();
  }
}
