/** What the streams of events are made of. */
import type { InstanceStatus } from '../model/instance.ts';

/** A change of an instance's status, or of its custom status, as it was seen. */
export interface StatusEvent {
  /** For resuming behind it. */
  readonly id: string;
  readonly instance: InstanceStatus;
}

/** What a listener of a task hub gets. */
export interface HubListener {
  readonly event: (event: StatusEvent) => void;
  /** Events may have been missed: what came before is to be read from a list. */
  readonly missed: () => void;
}

/** Tells what happens to instances as long as somebody listens. Changes that are undone before they are seen are not told. */
export interface StatusEvents {
  /**
   * Every change of one instance from now on.
   * @param listener gets the instance as it is, first of all as it is now; `undefined` when it is gone
   * @returns a function that ends it
   */
  watch(key: string, listener: (instance: InstanceStatus | undefined) => void): () => void;
  /**
   * Every change of the orchestrations of a hub from now on.
   * @param after the id of the last event that the listener knows: those behind it come first, if they are remembered
   * @returns a function that ends it
   */
  listen(taskHub: string, listener: HubListener, after?: string): () => void;
}
