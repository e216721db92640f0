/**
 * Follows all orchestrations of one task hub, for however many listeners of this process. No statement that works writes
 * down what it changes for this: each poll looks at one window of the live ones and compares with what was seen before, at
 * what began and ended in between, and at what notifications named. So a hub without listeners costs nothing.
 */
import { randomBytes } from 'node:crypto';
import { isTerminal, type InstanceStatus } from '../model/instance.ts';
import { isEntityInstanceId } from '../model/entity-id.ts';
import type { InstanceKey } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';
import type { HubListener, StatusEvent } from './status-events.ts';

/** Events that are remembered for listeners that come back. */
const remembered = 1_000;
/** Live instances that are followed; of more only the ends are told that notifications name. */
const maxKnown = 100_000;
/** Keys are given before a transaction ends: so far back what is new is looked for once more. */
const lookBack = 5_000;
const batch = 1_000;
/** Notified ends that arrive together share a look. */
const joinMs = 20;

export class HubWatch {
  readonly #store: ClientStore;
  readonly #taskHub: string;
  readonly #pollMs: number;
  readonly #listeners = new Set<HubListener>();
  readonly #events: StatusEvent[] = [];
  /** Ids are good in this process only: another one remembers other events. */
  readonly #name = randomBytes(4).toString('hex');
  #count = 0;
  readonly #known = new Map<InstanceKey, string>();
  /** Ends that were told, the last ones and those before, dropped all at once. */
  #told = new Set<InstanceKey>();
  #toldBefore = new Set<InstanceKey>();
  readonly #notified = new Set<InstanceKey>();
  readonly #unsubscribe: () => void;
  #window: InstanceKey = '0';
  /** The newest key when this began, and the newest that was looked at. */
  #first = 0n;
  #newest = 0n;
  /** A hub comes into being with its first start. */
  #hubId: number | undefined;
  #hasBegun = false;
  #isReady = false;
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;
  #wake: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(store: ClientStore, options: { readonly taskHub: string; readonly pollMs: number }) {
    this.#store = store;
    this.#taskHub = options.taskHub;
    this.#pollMs = options.pollMs;
    this.#unsubscribe = store.notifications.subscribe((notification) => {
      if (notification.kind !== 'ended' || notification.hubId !== this.#hubId) return;
      for (const key of notification.keys) this.#notified.add(key);
      this.#wake ??= setTimeout(() => void this.#lookAtNotified(), joinMs);
    });
    this.#timer = setTimeout(() => void this.#poll(), 0);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  add(listener: HubListener, after?: string): () => void {
    if (after !== undefined) this.#replay(listener, after);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #replay(listener: HubListener, after: string): void {
    const at = this.#events.findIndex((event) => event.id === after);
    // Nothing has happened since this process began to follow the hub, of which it knows.
    if (at === -1) listener.missed();
    else for (const event of this.#events.slice(at + 1)) listener.event(event);
  }

  async #poll(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    try {
      this.#hubId ??= await this.#store.findHub(this.#taskHub);
      if (this.#isReady && this.#hubId !== undefined) await this.#tell(await this.#findChanged(this.#hubId));
      else await this.#prime(this.#hubId);
    } catch {
      // The database is away: the next poll finds what has changed since.
    } finally {
      this.#isLooking = false;
      if (this.#notified.size > 0) this.#wake ??= setTimeout(() => void this.#lookAtNotified(), joinMs);
      if (!this.#isClosed) this.#timer = setTimeout(() => void this.#poll(), this.#pollMs);
    }
  }

  /** What is there when the first listener comes is not told; of a hub that is not, there is nothing. */
  async #prime(hubId: number | undefined): Promise<void> {
    if (!this.#hasBegun) {
      this.#first = BigInt(await this.#store.newestKey());
      this.#newest = this.#first;
      this.#hasBegun = true;
      this.#isReady = hubId === undefined;
    }
    if (hubId === undefined || this.#isReady) return;
    do await this.#lookAtWindow(hubId);
    while (this.#window !== '0' && this.#known.size < maxKnown && !this.#isClosed);
    this.#window = '0';
    this.#isReady = true;
  }

  async #findChanged(hubId: number): Promise<ReadonlySet<InstanceKey>> {
    const changed = new Set([...(await this.#lookAtWindow(hubId)), ...this.#notified]);
    this.#notified.clear();
    const since = this.#newest > BigInt(lookBack) ? this.#newest - BigInt(lookBack) : 0n;
    const fresh = await this.#store.lookAtNew(hubId, String(since));
    if (BigInt(fresh.newest) > this.#newest) this.#newest = BigInt(fresh.newest);
    // What had ended before is not told, and the rest once.
    for (const key of fresh.ended) if (BigInt(key) > this.#first && !this.#wasTold(key)) changed.add(key);
    return changed;
  }

  #wasTold(key: InstanceKey): boolean {
    return this.#told.has(key) || this.#toldBefore.has(key);
  }

  /** @returns keys of those that are new or other than they were, and of those that are live no more */
  async #lookAtWindow(hubId: number): Promise<readonly InstanceKey[]> {
    const begin = BigInt(this.#window);
    const { live, next } = await this.#store.lookAtLive(hubId, this.#window);
    const end = next === undefined ? undefined : BigInt(next);
    const now = new Map(live.map((one) => [one.key, one.state]));
    const changed: InstanceKey[] = [];
    for (const key of this.#known.keys()) {
      const at = BigInt(key);
      if (at <= begin || (end !== undefined && at > end) || now.has(key)) continue;
      this.#known.delete(key);
      changed.push(key);
    }
    for (const [key, state] of now) {
      if (this.#known.get(key) === state) continue;
      if (!this.#known.has(key) && this.#known.size >= maxKnown) continue;
      this.#known.set(key, state);
      changed.push(key);
    }
    this.#window = next ?? '0';
    return changed;
  }

  async #lookAtNotified(): Promise<void> {
    this.#wake = undefined;
    // Behind a poll that is under way.
    if (this.#isClosed || !this.#isReady || this.#isLooking) return;
    const keys = new Set(this.#notified);
    this.#notified.clear();
    try {
      await this.#tell(keys);
    } catch {
      for (const key of keys) this.#notified.add(key);
    }
  }

  async #tell(keys: ReadonlySet<InstanceKey>): Promise<void> {
    const all = [...keys];
    for (let at = 0; at < all.length; at += batch) {
      const found = await this.#store.findByKeys(all.slice(at, at + batch));
      const sorted = [...found].sort((a, b) => a.lastUpdatedAt.getTime() - b.lastUpdatedAt.getTime());
      for (const instance of sorted) if (!isEntityInstanceId(instance.instanceId)) this.#emit(instance);
    }
  }

  #emit(instance: InstanceStatus): void {
    if (isTerminal(instance.runtimeStatus)) {
      if (this.#wasTold(instance.key)) return;
      this.#known.delete(instance.key);
      this.#told.add(instance.key);
      if (this.#told.size >= 2 * lookBack) {
        this.#toldBefore = this.#told;
        this.#told = new Set();
      }
    } else {
      // A rewound one ends again.
      this.#told.delete(instance.key);
      this.#toldBefore.delete(instance.key);
    }
    this.#count += 1;
    const event = { id: `${this.#name}-${this.#count}`, instance };
    this.#events.push(event);
    if (this.#events.length > remembered) this.#events.shift();
    for (const listener of [...this.#listeners]) listener.event(event);
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#listeners.clear();
    clearTimeout(this.#timer);
    clearTimeout(this.#wake);
  }
}
