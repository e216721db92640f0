/** Queries over many instances: listing in pages, purging by filter. Built with kysely; none of them is hot. */
import { createHash } from 'node:crypto';
import { sql, type Expression, type ExpressionBuilder, type Kysely, type SqlBool } from 'kysely';
import { DurableError } from '../../model/errors.ts';
import {
  terminalStatuses,
  type InstanceFilter,
  type InstancePage,
  type RuntimeStatus,
  type TerminalStatus,
} from '../../model/instance.ts';
import type { Database } from './database.ts';
import { toInstance } from './rows.ts';

/** Instances that one transaction of a purge removes: short locks, and it can be stopped in between. */
const purgeBatch = 500;

/** Where a page begins: behind this row, in the order that the filter asks for (decision 33). */
interface Cursor {
  /** Last instance id; with a time or status filter the last creation time (microseconds kept) and key. */
  readonly after: readonly string[];
  readonly filter: string;
}

export class Listings {
  readonly #db: Kysely<Database>;

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  async list(
    hubId: number,
    filter: InstanceFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<InstancePage> {
    const byTime = isTimed(filter);
    const after = page.continuationToken ? readToken(page.continuationToken, hubId, filter) : undefined;
    const rows = await this.#db
      .selectFrom('instances')
      .leftJoin('executions', 'executions.instance_key', 'instances.key')
      .select([
        'key',
        'instance_id',
        'instances.name',
        'version',
        'instances.execution_id',
        'created_at',
        'completed_at',
      ])
      .select(['scheduled_start_at', 'input', 'output', 'failure', sql<string>`created_at::text`.as('created_text')])
      .select(status.as('status'))
      .select(sql<Date>`coalesce(executions.last_updated_at, instances.last_updated_at)`.as('last_updated_at'))
      .select(
        sql<
          string | null
        >`case when instance_key is null then instances.custom_status else executions.custom_status end`.as(
          'custom_status',
        ),
      )
      .where((eb) => eb.and([...conditions(eb, hubId, filter), ...withStatus(eb, filter)]))
      .$if(after !== undefined, (query) =>
        byTime
          ? query.where(sql<SqlBool>`(created_at, key) > (${after?.[0]}::timestamptz, ${after?.[1]}::bigint)`)
          : query.where('instance_id', '>', after?.[0] ?? ''),
      )
      .$if(byTime, (query) => query.orderBy('created_at').orderBy('key'))
      .$if(!byTime, (query) => query.orderBy('instance_id'))
      .limit(page.limit + 1)
      .execute();
    const shown = rows.slice(0, page.limit);
    const last = shown.at(-1);
    const instances = shown.map(toInstance);
    if (rows.length <= page.limit || last === undefined) return { instances };
    const cursor = byTime ? [last.created_text, last.key] : [last.instance_id];
    return { instances, continuationToken: writeToken({ after: cursor, filter: fingerprint(hubId, filter) }) };
  }

  async purge(hubId: number, filter: InstanceFilter): Promise<number> {
    let deleted = 0;
    if (endedStatuses(filter).length === 0) return 0;
    for (;;) {
      const removed = await this.#purgeBatch(hubId, filter);
      deleted += removed;
      if (removed < purgeBatch) return deleted;
    }
  }

  /** One statement: the instance and everything that it left go together. */
  async #purgeBatch(hubId: number, filter: InstanceFilter): Promise<number> {
    const result = await this.#db
      .with('chosen', (db) =>
        db
          .selectFrom('instances')
          .select('key')
          .where((eb) => eb.and(conditions(eb, hubId, filter)))
          .where('status', 'in', endedStatuses(filter))
          .limit(purgeBatch)
          .forUpdate()
          .skipLocked(),
      )
      .with('gone', (db) =>
        db
          .deleteFrom('instances')
          .using('chosen')
          .whereRef('instances.key', '=', 'chosen.key')
          .returning('instances.key'),
      )
      .with('histories', (db) =>
        db.deleteFrom('history').using('gone').whereRef('history.instance_key', '=', 'gone.key'),
      )
      .with('inboxes', (db) =>
        db.deleteFrom('messages').using('gone').whereRef('messages.instance_key', '=', 'gone.key'),
      )
      .with('tasks', (db) =>
        db.deleteFrom('activity_tasks').using('gone').whereRef('activity_tasks.instance_key', '=', 'gone.key'),
      )
      .selectFrom('gone')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(result.count);
  }
}

function isTimed(filter: InstanceFilter): boolean {
  return filter.createdFrom !== undefined || filter.createdTo !== undefined || (filter.runtimeStatus?.length ?? 0) > 0;
}

function conditions(
  eb: ExpressionBuilder<Database, 'instances'>,
  hubId: number,
  filter: InstanceFilter,
): Expression<SqlBool>[] {
  const all: Expression<SqlBool>[] = [eb('instances.hub_id', '=', hubId)];
  if (filter.createdFrom) all.push(eb('created_at', '>=', filter.createdFrom));
  // Rows know microseconds, callers milliseconds: an instance counts as created in the whole of its millisecond.
  if (filter.createdTo) {
    all.push(eb('created_at', '<', sql<Date>`${filter.createdTo}::timestamptz + interval '1 millisecond'`));
  }
  if (filter.instanceIdPrefix) {
    // The range serves the index, starts_with is exact; neither knows wildcards.
    all.push(eb('instance_id', '>=', filter.instanceIdPrefix));
    all.push(sql<SqlBool>`starts_with(instance_id, ${filter.instanceIdPrefix})`);
  }
  return all;
}

/** While an instance is live its execution has the status. */
const status = sql<RuntimeStatus>`coalesce(executions.status, instances.status)`;

function withStatus(eb: ExpressionBuilder<Database, 'instances'>, filter: InstanceFilter): Expression<SqlBool>[] {
  const wanted = filter.runtimeStatus ?? [];
  return wanted.length === 0 ? [] : [eb(status, 'in', [...wanted])];
}

/** Only ended instances are ever purged: other statuses match nothing. */
function endedStatuses(filter: InstanceFilter): TerminalStatus[] {
  const wanted = filter.runtimeStatus ?? [];
  return terminalStatuses.filter((terminal) => wanted.length === 0 || wanted.includes(terminal));
}

/** Ties a token to the query that it continues. */
function fingerprint(hubId: number, filter: InstanceFilter): string {
  const text = JSON.stringify([
    hubId,
    filter.createdFrom?.toISOString(),
    filter.createdTo?.toISOString(),
    [...(filter.runtimeStatus ?? [])].sort(),
    filter.instanceIdPrefix,
  ]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

function writeToken(cursor: Cursor): string {
  const text = Buffer.from(JSON.stringify(cursor)).toString('base64url');
  return `${text}.${checksum(text)}`;
}

/** A changed bit must be noticed, not paged from. */
function checksum(text: string): string {
  return createHash('sha256').update(`perdure:${text}`).digest('base64url').slice(0, 10);
}

function readToken(token: string, hubId: number, filter: InstanceFilter): readonly string[] {
  const wrong = new DurableError(
    'InvalidArgument',
    'The continuation token is not one of this query. Send the token of the page before, with the same filters.',
  );
  const [text = '', sum] = token.split('.');
  if (sum !== checksum(text)) throw wrong;
  const cursor: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
  if (!isCursor(cursor) || cursor.filter !== fingerprint(hubId, filter)) throw wrong;
  return cursor.after;
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
