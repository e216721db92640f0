/** Calls that are carried out once, however often they are made: for fronts whose callers name their calls. */
import type { AuditNote } from '../model/access.ts';
import type { IdempotentCall } from '../model/kept-answer.ts';
import type { OnceBegin, OnceStore, OnceTransaction } from '../store/once-store.ts';
import type { ClientStore } from '../store/store.ts';
import type { LocalOrchestrationClient } from './client.ts';

/** A call that is made for the first time. To be kept or abandoned: until then its repetitions are turned away. */
export interface OnceCall extends Omit<OnceTransaction, 'store'> {
  /** A client whose effects come with {@link OnceTransaction.keep}; until then. It does not wait for them. */
  open(taskHub: string, audit?: AuditNote): LocalOrchestrationClient;
}

export type OnceOutcome =
  Exclude<OnceBegin, { readonly kind: 'fresh' }> | { readonly kind: 'fresh'; readonly call: OnceCall };

/** Begins a call, or says what became of it before. @throws DurableError `StoreUnavailable` */
export type Once = (call: IdempotentCall) => Promise<OnceOutcome>;

export function openOnce(
  once: OnceStore,
  open: (store: ClientStore, taskHub: string, audit: AuditNote | undefined) => LocalOrchestrationClient,
): Once {
  return async (call) => {
    const begun = await once.begin(call);
    if (begun.kind !== 'fresh') return begun;
    const { transaction } = begun;
    return {
      kind: 'fresh',
      call: {
        get isOpen() {
          return transaction.isOpen;
        },
        open: (taskHub, audit) => open(transaction.store, taskHub, audit),
        keep: (answer, options) => transaction.keep(answer, options),
        announce: (underWayMs) => transaction.announce(underWayMs),
        abandon: () => transaction.abandon(),
      },
    };
  };
}
