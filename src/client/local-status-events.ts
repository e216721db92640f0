/** The events of a store in reach of this process. */
import type { InstanceStatus } from '../model/instance.ts';
import type { ClientStore } from '../store/store.ts';
import { HubWatch } from './hub-watch.ts';
import { InstanceWatchers } from './instance-watchers.ts';
import type { HubListener, StatusEvents } from './status-events.ts';

/** How long a hub is followed when nobody listens, so that who comes back finds what happened meanwhile. */
const lingerMs = 30_000;

export class LocalStatusEvents implements StatusEvents {
  readonly #store: ClientStore;
  readonly #pollMs: number;
  readonly #instances: InstanceWatchers;
  readonly #hubs = new Map<string, { readonly watch: HubWatch; linger: NodeJS.Timeout | undefined }>();

  constructor(store: ClientStore, pollMs: number) {
    this.#store = store;
    this.#pollMs = pollMs;
    this.#instances = new InstanceWatchers(store, pollMs);
  }

  watch(key: string, listener: (instance: InstanceStatus | undefined) => void): () => void {
    return this.#instances.watch(key, listener);
  }

  listen(taskHub: string, listener: HubListener, after?: string): () => void {
    const name = taskHub.toLowerCase();
    const hub = this.#hubs.get(name) ?? {
      watch: new HubWatch(this.#store, { taskHub, pollMs: this.#pollMs }),
      linger: undefined,
    };
    this.#hubs.set(name, hub);
    clearTimeout(hub.linger);
    const remove = hub.watch.add(listener, after);
    return () => {
      remove();
      if (hub.watch.listeners > 0) return;
      clearTimeout(hub.linger);
      hub.linger = setTimeout(() => {
        hub.watch.close();
        this.#hubs.delete(name);
      }, lingerMs).unref();
    };
  }

  close(): void {
    this.#instances.close();
    for (const { watch, linger } of this.#hubs.values()) {
      clearTimeout(linger);
      watch.close();
    }
    this.#hubs.clear();
  }
}
