/**
 * External events and those who wait for them, by name without case. The oldest event goes to the newest waiter of
 * `ctx.df`, else to the oldest of `ctx` (engine.md 2.7); what nobody waits for is kept in order.
 */
import type { EventRaised } from '../../model/history.ts';
import { Fifo } from './fifo.ts';

/** Somebody who waits for one event. */
export interface Waiter {
  receive(event: EventRaised): void;
}

/** An event that nobody waited for, and when it came among all of them. */
interface Kept {
  readonly event: EventRaised;
  readonly place: number;
}

export class ExternalEvents {
  readonly #kept = new Map<string, Fifo<Kept>>();
  readonly #waiters = new Map<string, Fifo<Waiter>>();
  /** Those of `ctx.df`: the last one comes first, so that the losers of a race do not take what is for its next round. */
  readonly #stacks = new Map<string, Waiter[]>();
  /** Names as they were waited for, by their lower case. */
  readonly #names = new Map<string, string>();
  #waiting = 0;
  #places = 0;
  #closed = false;
  #keeps = true;

  /** The names of the events that somebody waits for. */
  get awaited(): readonly string[] {
    const some = (key: string): boolean =>
      (this.#waiters.get(key)?.size ?? 0) > 0 || (this.#stacks.get(key)?.length ?? 0) > 0;
    return [...this.#names].filter(([key]) => some(key)).map(([, name]) => name);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting;
  }

  raise(event: EventRaised): void {
    const name = event.name.toLowerCase();
    const waiter = this.#stacks.get(name)?.pop() ?? this.#waiters.get(name)?.shift();
    if (waiter === undefined) {
      queueOf(this.#kept, name).push({ event, place: this.#places });
      this.#places += 1;
      return;
    }
    this.#waiting -= 1;
    waiter.receive(event);
  }

  /** The oldest kept event of a name, which is thereby taken. */
  take(name: string): EventRaised | undefined {
    return this.#closed ? undefined : this.#kept.get(name.toLowerCase())?.shift()?.event;
  }

  wait(name: string, waiter: Waiter): void {
    if (this.#closed) return;
    const key = name.toLowerCase();
    this.#names.set(key, name);
    queueOf(this.#waiters, key).push(waiter);
    this.#waiting += 1;
  }

  /** The same for a waiter that comes before all others that wait now. */
  waitFirst(name: string, waiter: Waiter): void {
    if (this.#closed) return;
    const key = name.toLowerCase();
    this.#names.set(key, name);
    const stack = this.#stacks.get(key);
    if (stack === undefined) this.#stacks.set(key, [waiter]);
    else stack.push(waiter);
    this.#waiting += 1;
  }

  /** A waiter of {@link wait} that has not received anything gives up its place. */
  giveUp(name: string, waiter: Waiter): void {
    this.#waiters.get(name.toLowerCase())?.remove(waiter);
    this.#waiting -= 1;
  }

  /**
   * Nobody gets anything any more: those who wait are forgotten.
   * @param options.keeps whether what nobody has taken is kept, and what still comes; else it is forgotten too
   */
  close({ keeps }: { readonly keeps: boolean }): void {
    this.#closed = true;
    this.#keeps = keeps;
    this.#waiters.clear();
    this.#stacks.clear();
    this.#waiting = 0;
  }

  /** What nobody has taken, in the order in which it came. */
  get kept(): readonly EventRaised[] {
    if (!this.#keeps) return [];
    const all: Kept[] = [];
    for (const queue of this.#kept.values()) all.push(...queue);
    return all.sort((a, b) => a.place - b.place).map(({ event }) => event);
  }
}

function queueOf<T>(queues: Map<string, Fifo<T>>, name: string): Fifo<T> {
  let queue = queues.get(name);
  if (queue === undefined) queues.set(name, (queue = new Fifo()));
  return queue;
}
