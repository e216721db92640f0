/** The filters of list and purge. */
import { DurableError } from '../model/errors.ts';
import type { RuntimeStatus } from '../model/instance.ts';

/** Statuses by number and word; one of ours, or `undefined` for what no instance here ever has. */
const statuses: readonly (readonly [word: string, status: RuntimeStatus | undefined])[] = [
  ['running', 'Running'],
  ['completed', 'Completed'],
  ['continuedasnew', undefined],
  ['failed', 'Failed'],
  ['canceled', 'Canceled'],
  ['terminated', 'Terminated'],
  ['pending', 'Pending'],
  ['suspended', 'Suspended'],
];

/**
 * The statuses that a list of words and numbers means; `undefined` when there are none, which is no filter. An empty
 * result matches nothing.
 * @throws DurableError `InvalidArgument` for an unknown word, where the real service drops the filter
 */
export function statusesOf(words: readonly string[]): readonly RuntimeStatus[] | undefined {
  if (words.length === 0) return undefined;
  return [...new Set(words.map(statusOf).filter((status) => status !== undefined))];
}

function statusOf(word: string): RuntimeStatus | undefined {
  // A number outside the table matches nothing; -1 is `Unknown`, which cannot be asked for.
  if (/^\d{1,9}$/.test(word)) return statuses[Number(word)]?.[1];
  const found = statuses.find(([name]) => name === word.toLowerCase());
  if (found === undefined) {
    throw new DurableError('InvalidArgument', `'${word.slice(0, 40)}' is no runtime status.`);
  }
  return found[1];
}
