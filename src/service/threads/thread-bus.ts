import type { WorkNotification } from '../../model/work.ts';
import type { NotificationBus } from '../../store/store.ts';

/** The notifications of a thread: the main thread passes them on, to its other threads and to other processes. */
export class ThreadBus implements NotificationBus {
  readonly #tell: (notification: WorkNotification) => void;
  readonly #listeners = new Set<(notification: WorkNotification) => void>();

  constructor(tell: (notification: WorkNotification) => void) {
    this.#tell = tell;
  }

  publish(notification: WorkNotification): void {
    this.deliver(notification);
    this.#tell(notification);
  }

  /** Somebody else has published it. */
  deliver(notification: WorkNotification): void {
    for (const listener of this.#listeners) listener(notification);
  }

  subscribe(listener: (notification: WorkNotification) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
