/** The storage port of completion webhooks. */
import type { InstanceStatus } from '../model/instance.ts';
import type { InstanceKey } from '../model/work.ts';

/** One that is to be delivered now. */
export interface DueWebhook {
  readonly url: string;
  readonly taskHub: string;
  readonly instance: InstanceStatus;
  /** Deliveries begun, this one included. */
  readonly attempts: number;
  /** Since the end of the instance, in ms. */
  readonly ageMs: number;
}

export interface WebhookStore {
  /**
   * Takes up to `limit` whose instance has ended and that are due, for `leaseMs`: by then they are to be finished or
   * postponed, else they are due again. Those whose instance is gone are removed; where it goes on, it is looked again
   * later, the later the longer it has been going on.
   * @param request.keys only those of these instances, which have just ended; due or not, if nobody has taken them before
   */
  takeDue(request: {
    readonly limit: number;
    readonly leaseMs: number;
    readonly keys?: readonly InstanceKey[];
  }): Promise<readonly DueWebhook[]>;
  /** Removes one: it is delivered, or given up. */
  finish(key: InstanceKey): Promise<void>;
  postpone(key: InstanceKey, delayMs: number): Promise<void>;
  /** Whether there are any, also of instances that go on. */
  hasAny(): Promise<boolean>;
}
