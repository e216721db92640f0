/** Where a page of a listing begins. A token is tied to its query, and a changed bit is noticed, not paged from. */
import { createHash } from 'node:crypto';
import { DurableError } from '../model/errors.ts';
import { isTerminal, type InstanceFilter } from '../model/instance.ts';

/** What a listing asks for. */
export interface ListingQuery {
  readonly hubId: number;
  readonly filter: InstanceFilter;
}

/** Where a page begins: behind this row, in the order that the filter asks for (decision 33). */
interface Cursor {
  /** What {@link ListingOrder} says of the last row. */
  readonly after: readonly string[];
  readonly filter: string;
}

/**
 * What pages go by (decision 33): the id; with a time or status filter creation time and key; when only live instances are
 * wanted, of which there are few in comparison, the key alone, which is the order of starts as well.
 */
export type ListingOrder = 'id' | 'created' | 'key';

export function orderOf({ createdFrom, createdTo, runtimeStatus = [] }: InstanceFilter): ListingOrder {
  if (runtimeStatus.length > 0) return runtimeStatus.some(isTerminal) ? 'created' : 'key';
  return createdFrom === undefined && createdTo === undefined ? 'id' : 'created';
}

/** @param query what the pages are of; for other listings than that of instances any text */
export function writeToken(after: readonly string[], query: ListingQuery | string): string {
  const cursor: Cursor = { after, filter: fingerprint(query) };
  const text = Buffer.from(JSON.stringify(cursor)).toString('base64url');
  return `${text}.${checksum(text)}`;
}

/**
 * @returns what was given to {@link writeToken}
 * @throws DurableError `InvalidArgument` for a token that is not ours or belongs to another query
 */
export function readToken(token: string, query: ListingQuery | string): readonly string[] {
  const wrong = new DurableError(
    'InvalidArgument',
    'The continuation token is not one of this query. Send the token of the page before, with the same filters.',
  );
  const [text = '', sum] = token.split('.');
  if (sum !== checksum(text)) throw wrong;
  const cursor: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
  if (!isCursor(cursor) || cursor.filter !== fingerprint(query)) throw wrong;
  return cursor.after;
}

/** Ties a token to the query that it continues. */
function fingerprint(query: ListingQuery | string): string {
  const text = typeof query === 'string' ? query : textOf(query);
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

function textOf({ hubId, filter }: ListingQuery): string {
  return JSON.stringify([
    hubId,
    filter.createdFrom?.toISOString(),
    filter.createdTo?.toISOString(),
    [...(filter.runtimeStatus ?? [])].sort(),
    filter.instanceIdPrefix,
    filter.name?.toLowerCase(),
    filter.version,
    Object.entries(filter.tags ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}

function checksum(text: string): string {
  return createHash('sha256').update(`perdure:${text}`).digest('base64url').slice(0, 10);
}

function isCursor(value: unknown): value is Cursor {
  return (
    typeof value === 'object' &&
    value !== null &&
    'after' in value &&
    Array.isArray(value.after) &&
    'filter' in value &&
    typeof value.filter === 'string'
  );
}
