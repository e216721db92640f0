/** Decides whether a run kept the promises. */
import type { Evidence, Violation } from '../types.ts';
import { callChecks } from './calls.ts';
import { Lookup, type Check } from './lookup.ts';
import { replayAll } from './replay.ts';
import { restChecks } from './rest.ts';
import { workChecks } from './work.ts';

export const checks: readonly Check[] = [...callChecks, ...workChecks, ...restChecks];

export interface Verdict {
  readonly violations: readonly Violation[];
  /** Histories and their beginnings that were replayed. */
  readonly replayed: number;
}

export async function check(evidence: Evidence): Promise<Verdict> {
  const lookup = new Lookup(evidence);
  const found = checks.flatMap(({ invariant, find }) => Array.from(find(lookup), (one) => ({ invariant, ...one })));
  const { violations, replayed } = await replayAll(lookup);
  return { violations: [...found, ...violations], replayed };
}
