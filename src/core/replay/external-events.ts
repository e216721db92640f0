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

/** All that concerns one name. What nobody needs is not made. */
interface Topic {
  /** The name as it was waited for last. */
  name: string;
  kept: Fifo<Kept> | undefined;
  waiters: Fifo<Waiter> | undefined;
  /** Those of `ctx.df`: the last one comes first, so that the losers of a race do not take what is for its next round. */
  stack: Waiter[] | undefined;
}

export class ExternalEvents {
  /** By name in lower case; `undefined` until something comes or is waited for. */
  #topics: Map<string, Topic> | undefined;
  #waiting = 0;
  #places = 0;
  #closed = false;
  #keeps = true;

  /** The names of the events that somebody waits for. */
  get awaited(): readonly string[] {
    return [...(this.#topics?.values() ?? [])]
      .filter(({ waiters, stack }) => (waiters?.size ?? 0) > 0 || (stack?.length ?? 0) > 0)
      .map(({ name }) => name);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting;
  }

  raise(event: EventRaised): void {
    const topic = this.#topicOf(event.name);
    const waiter = topic.stack?.pop() ?? topic.waiters?.shift();
    if (waiter === undefined) {
      (topic.kept ??= new Fifo()).push({ event, place: this.#places });
      this.#places += 1;
      return;
    }
    this.#waiting -= 1;
    waiter.receive(event);
  }

  /** The oldest kept event of a name, which is thereby taken. */
  take(name: string): EventRaised | undefined {
    return this.#closed ? undefined : this.#topics?.get(name.toLowerCase())?.kept?.shift()?.event;
  }

  wait(name: string, waiter: Waiter): void {
    if (this.#closed) return;
    const topic = this.#topicOf(name);
    topic.name = name;
    (topic.waiters ??= new Fifo()).push(waiter);
    this.#waiting += 1;
  }

  /** The same for a waiter that comes before all others that wait now. */
  waitFirst(name: string, waiter: Waiter): void {
    if (this.#closed) return;
    const topic = this.#topicOf(name);
    topic.name = name;
    (topic.stack ??= []).push(waiter);
    this.#waiting += 1;
  }

  /** A waiter of {@link wait} that has not received anything gives up its place. */
  giveUp(name: string, waiter: Waiter): void {
    this.#topics?.get(name.toLowerCase())?.waiters?.remove(waiter);
    this.#waiting -= 1;
  }

  /**
   * Nobody gets anything any more: those who wait are forgotten.
   * @param options.keeps whether what nobody has taken is kept, and what still comes; else it is forgotten too
   */
  close({ keeps }: { readonly keeps: boolean }): void {
    this.#closed = true;
    this.#keeps = keeps;
    for (const topic of this.#topics?.values() ?? []) {
      topic.waiters = undefined;
      topic.stack = undefined;
    }
    this.#waiting = 0;
  }

  /** What nobody has taken, in the order in which it came. */
  get kept(): readonly EventRaised[] {
    if (!this.#keeps) return [];
    const all: Kept[] = [];
    for (const { kept } of this.#topics?.values() ?? []) if (kept !== undefined) all.push(...kept);
    return all.sort((a, b) => a.place - b.place).map(({ event }) => event);
  }

  #topicOf(name: string): Topic {
    const key = name.toLowerCase();
    const topics = (this.#topics ??= new Map<string, Topic>());
    let topic = topics.get(key);
    if (topic === undefined) topics.set(key, (topic = { name, kept: undefined, waiters: undefined, stack: undefined }));
    return topic;
  }
}
