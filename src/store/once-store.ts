/** The storage port of calls that are carried out once, however often they are made (decision 30). */
import type { IdempotentCall, KeptAnswer } from '../model/kept-answer.ts';
import type { ClientStore } from './store.ts';

export type OnceBegin =
  | { readonly kind: 'fresh'; readonly transaction: OnceTransaction }
  /** It was carried out before, and answered so. */
  | { readonly kind: 'repeated'; readonly answer: KeptAnswer }
  /** The first one is not through yet. */
  | { readonly kind: 'under-way' }
  /** Something else was asked for under this id before. */
  | { readonly kind: 'different' };

/** The first call under an id: nobody else gets to carry it out as long as this is open. To be kept or abandoned. */
export interface OnceTransaction {
  /** What is changed through it is changed when the transaction ends with {@link OnceTransaction.keep}. */
  readonly store: ClientStore;
  /** Whether {@link OnceTransaction.store} can be used. */
  readonly isOpen: boolean;
  /**
   * Stores the answer together with everything that was changed. Called again, it stores another answer.
   * @param options.underWayMs for how long the answer may still become another one, while nobody gets it. Default 0
   * @throws DurableError `StoreUnavailable`: nothing was changed; `OutcomeUnknown`
   */
  keep(answer: KeptAnswer, options?: { readonly underWayMs?: number }): Promise<void>;
  /** For what is too large for one transaction: remembers that it is at work, and ends the transaction. */
  announce(underWayMs: number): Promise<void>;
  /** Takes back what was changed, and forgets the call. */
  abandon(): Promise<void>;
}

export interface OnceStore {
  begin(call: IdempotentCall): Promise<OnceBegin>;
  /** Forgets calls that are older than a day, in small transactions. @returns how many */
  prune(): Promise<number>;
}
