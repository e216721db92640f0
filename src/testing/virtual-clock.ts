/** Time that stands still until somebody moves it. */
import type { CancelPoll, Clock } from '../flow/clock.ts';

interface Poll {
  readonly at: number;
  readonly look: () => void;
}

export class VirtualClock implements Clock {
  #now: number;
  readonly #polls = new Set<Poll>();

  /** @param now milliseconds since 1970 */
  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  poll(ms: number, look: () => void): CancelPoll {
    const poll = { at: this.#now + ms, look };
    this.#polls.add(poll);
    return () => this.#polls.delete(poll);
  }

  /**
   * Moves to a time and has the looks made that are due by then, each once: a worker that would have looked a thousand
   * times meanwhile would have found nothing, for the clock stops wherever something becomes due.
   */
  moveTo(time: number): void {
    this.#now = Math.max(this.#now, time);
    const due = [...this.#polls].filter((poll) => poll.at <= this.#now).sort((a, b) => a.at - b.at);
    for (const poll of due) {
      // An earlier look may have cancelled it.
      if (this.#polls.delete(poll)) poll.look();
    }
  }
}
