/** The filters of everything that is about many instances. */
import { DurableError } from '../model/errors.ts';
import type { InstanceFilter, RuntimeStatus } from '../model/instance.ts';
import type { Query } from './query.ts';
import { tagsOf } from './start-settings.ts';

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

/**
 * What the query string says about the instances that are meant. Unlike the real service, which drops filters that it
 * cannot parse.
 * @throws DurableError `InvalidArgument`
 */
export function instanceFilter(query: Query): InstanceFilter {
  const createdFrom = query.instant('createdTimeFrom');
  const createdTo = query.instant('createdTimeTo');
  const runtimeStatus = statusesOf(query.list('runtimeStatus'));
  const instanceIdPrefix = query.text('instanceIdPrefix') || undefined;
  return {
    ...(createdFrom === undefined ? {} : { createdFrom }),
    ...(createdTo === undefined ? {} : { createdTo }),
    ...(runtimeStatus === undefined ? {} : { runtimeStatus }),
    ...(instanceIdPrefix === undefined ? {} : { instanceIdPrefix }),
    ...startFilter(query),
  };
}

/** The part that is about what a start said. */
export function startFilter(query: Query): Pick<InstanceFilter, 'name' | 'version' | 'tags'> {
  const name = query.value('name');
  const version = query.value('version');
  const tags = tagsOf(query.all('tag').filter((text) => text.trim() !== ''));
  return {
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    ...(tags === undefined ? {} : { tags }),
  };
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
