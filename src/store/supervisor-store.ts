import type { Culprit } from '../model/culprit.ts';
import type { Failure } from '../model/failure.ts';
import type { WorkerId } from '../model/work.ts';

/** What whoever watches over workers needs of a store. */
export interface SupervisorStore {
  /**
   * Renews the leases of workers that have not ended.
   * @returns whether dead workers left suspects, which want a worker that takes nothing else
   */
  renewLeases(request: {
    readonly hubId: number;
    readonly workerIds: readonly WorkerId[];
    readonly leaseMs: number;
  }): Promise<{ readonly suspects: boolean }>;
  /**
   * Lets others take over at once what a worker owns, but for what holds it up: that stays its own, and cannot be run by
   * anybody else before it has ended.
   * @param culprit `undefined`: nobody knows; then all of it is taken over, and suspected
   */
  setAside(request: {
    readonly hubId: number;
    readonly workerId: WorkerId;
    readonly culprit: Culprit | undefined;
  }): Promise<void>;
  /** Counts that this code brought its worker down. From then on it is a suspect. @returns how often it has by now */
  strike(request: { readonly hubId: number; readonly culprit: Culprit; readonly failure: Failure }): Promise<number>;
  /** Counts the same for what workers own that took only suspects and are gone, nobody knows why. Their leases end, too. @returns how many */
  strikeQuarantined(workerIds: readonly WorkerId[], failure: Failure): Promise<number>;
  /**
   * Ends a lease: others take over.
   * @param blameless whether it is known why it ends, so that nothing that it owns is suspected
   */
  endLease(workerId: WorkerId, blameless: boolean): Promise<void>;
}
