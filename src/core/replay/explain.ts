/**
 * Finds out why a run failed that should not have: the same turn is played once more, watched. Nothing of this costs a
 * run that agrees with its history. Orchestrators are replayed at any time, so once more is nothing new to their code.
 */
import type { Decision } from '../../model/actions.ts';
import { callSite } from './call-sites.ts';
import type { PlacedDifference } from './difference.ts';

/** What went wrong with a run that was no decision of its code. */
export type Problem =
  /** `lastId`: the number of its last action, -1 for none. */
  | { readonly kind: 'stuck'; readonly lastId: number }
  | { readonly kind: 'difference'; readonly difference: PlacedDifference };

/** Something that is not the same in every replay, seen while user code ran. */
export interface Finding {
  /** E.g. `Date.now()`. */
  readonly what: string;
  /** `file:line:column`. */
  readonly site: string;
  /** What to use instead. */
  readonly instead: string;
}

/** Watches what code uses beside its context; how is for those to know who may touch the world. */
export interface ReplayProbe {
  start(): void;
  stop(): readonly Finding[];
}

/**
 * Where user code called its context, from one action on: looking at the stack for each of a million calls would take a
 * minute, and only the end is of interest.
 */
export class CallTrace {
  readonly #from: number;
  readonly #sites = new Map<number, string>();
  #nextId = 0;
  #last: string | undefined;

  /** @param from the number of the first action that is looked at */
  constructor(from: number) {
    this.#from = from;
  }

  /** The last use of the context and its place. */
  get last(): string | undefined {
    return this.#last;
  }

  used(what: string): void {
    if (this.#nextId < this.#from) return;
    const site = callSite();
    if (site !== undefined) this.#last = `${what} at ${site}`;
  }

  /** An action has got its number. */
  numbered(id: number): void {
    this.#nextId = id + 1;
    if (id < this.#from) return;
    const site = callSite();
    if (site !== undefined) this.#sites.set(id, site);
  }

  siteOf(id: number): string | undefined {
    return this.#sites.get(id);
  }
}

const mostFindings = 5;

/** Findings as a sentence that ends in a blank; empty for none. */
export function describeFindings(findings: readonly Finding[]): string {
  const seen = new Map(findings.map((finding) => [`${finding.what} ${finding.site}`, finding]));
  if (seen.size === 0) return '';
  const all = [...seen.values()].map(({ what, site, instead }) => `${what} at ${site} (instead: ${instead})`);
  const more = all.length > mostFindings ? ` and ${all.length - mostFindings} more` : '';
  return `Seen in the same code: ${all.slice(0, mostFindings).join(', ')}${more}. `;
}

/** The same decision to fail, in other words. */
export function withMessage(decision: Decision, message: string): Decision {
  const actions = decision.actions.map((action) =>
    action.type === 'CompleteOrchestration' && action.status === 'Failed'
      ? { ...action, failure: { ...action.failure, message } }
      : action,
  );
  return { ...decision, actions };
}
