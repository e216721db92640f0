/** The longest that a run of an activity may take (F39). Code cannot be stopped from outside: it is told, and its call fails. */
import type { CancelPoll, Clock } from '../flow/clock.ts';
import type { ActivityOutcome, ActivityWork } from '../model/work.ts';
import type { Cancellation } from './cancellation.ts';

interface Deadline {
  readonly at: number;
  readonly pass: () => void;
}

export class ActivityDeadlines {
  readonly #limitMs: number;
  readonly #clock: Clock;
  /** All have the same limit, so they pass in the order in which they came: one timer is enough. */
  readonly #deadlines = new Set<Deadline>();
  #cancelPoll: CancelPoll | undefined;

  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
  }

  /** @returns how it ended, or that its time was up; what it does after that is not waited for */
  within(
    work: ActivityWork,
    cancellation: Cancellation,
    run: Promise<ActivityOutcome | undefined>,
  ): Promise<ActivityOutcome | undefined> {
    return new Promise((resolve, reject) => {
      const deadline: Deadline = {
        at: this.#clock.now() + this.#limitMs,
        pass: () => {
          const message = `Activity '${work.name}' had not ended after ${this.#limitMs} ms (the activity limit).`;
          cancellation.request(message, 'TimeoutError');
          resolve({ kind: 'failed', failure: { errorType: 'TimeoutError', message } });
        },
      };
      this.#deadlines.add(deadline);
      this.#arm();
      run.then(
        (outcome) => {
          this.#deadlines.delete(deadline);
          resolve(outcome);
        },
        (error: unknown) => {
          this.#deadlines.delete(deadline);
          reject(error);
        },
      );
    });
  }

  #arm(): void {
    const [next] = this.#deadlines;
    if (next === undefined || this.#cancelPoll !== undefined) return;
    this.#cancelPoll = this.#clock.poll(Math.min(Math.max(0, next.at - this.#clock.now()), 2 ** 31 - 1), () => {
      this.#cancelPoll = undefined;
      this.#pass();
      this.#arm();
    });
  }

  #pass(): void {
    const now = this.#clock.now();
    for (const deadline of this.#deadlines) {
      if (deadline.at > now) return;
      this.#deadlines.delete(deadline);
      deadline.pass();
    }
  }

  /** Forgets them all: what still runs when its worker stops has the grace of that. */
  close(): void {
    this.#cancelPoll?.();
    this.#deadlines.clear();
  }
}
