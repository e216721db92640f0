/** Queries over many instances: listing in pages, purging by filter. Built with kysely; none of them is hot. */
import { sql, type Kysely, type RawBuilder, type SqlBool } from 'kysely';
import {
  runtimeStatuses,
  terminalStatuses,
  type FoundPage,
  type InstanceCounts,
  type InstanceFilter,
  type InstancePage,
  type RuntimeStatus,
  type TerminalStatus,
} from '../../model/instance.ts';
import { orderOf, readToken, writeToken, type ListingOrder, type ListingQuery } from '../continuation-token.ts';
import type { Database } from './database.ts';
import { matching, statusOf, windowOf, windowSize } from './listing-window.ts';
import { toInstance } from './rows.ts';

/** Instances that one transaction of a purge removes: short locks, and it can be stopped in between. */
const purgeBatch = 500;
/** Windows that one page takes at most: then it ends, however few it has. */
const pageWindows = 10;

/** What the payloads of one page may have, in bytes, one instance at least: then it ends, however few it has. */
const maxPageBytes = 32 * 1_048_576;
/** Larger ones are read when it is known that they belong to the page: a page has at most 1,000 instances. */
const lightBytes = 32_768;
/** Lengths are known without reading what is stored apart. */
const payloadBytes = sql<number>`(coalesce(octet_length(i.input), 0) + coalesce(octet_length(i.output), 0))`;

/** What a window is sorted by. */
const inOrder: Readonly<Record<ListingOrder, RawBuilder<unknown>>> = {
  id: sql`w.instance_id`,
  created: sql`w.created_at, w.key`,
  key: sql`w.key`,
};

interface Page {
  readonly limit: number;
  readonly continuationToken?: string;
}

/** What every row of a window says: whether it matches, and where to go on behind it. */
interface Place {
  readonly key: string;
  readonly instance_id: string;
  readonly created_text: string;
  readonly matches: boolean;
  readonly n: string;
}

export class Listings {
  readonly #db: Kysely<Database>;

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  async list(hubId: number, filter: InstanceFilter, page: Page): Promise<InstancePage> {
    const query = { hubId, filter };
    const { rows, ...rest } = await this.#page(query, page, (after, limit) => this.#readInstances(query, after, limit));
    const fits = fitting(rows.map((row) => row.bytes));
    const last = rows[fits - 1];
    const isCut = fits < rows.length && last !== undefined;
    const payloads = await this.#heavyPayloads(rows.slice(0, fits));
    return {
      instances: rows.slice(0, fits).map((row) => toInstance({ ...row, ...payloads.get(row.key) })),
      ...(isCut ? { continuationToken: writeToken(cursorOf(filter, last), query) } : rest),
    };
  }

  async #heavyPayloads(rows: readonly { readonly key: string; readonly bytes: number }[]) {
    const keys = rows.filter((row) => row.bytes > lightBytes).map((row) => row.key);
    const found =
      keys.length === 0
        ? []
        : await this.#db.selectFrom('instances').select(['key', 'input', 'output']).where('key', 'in', keys).execute();
    return new Map(found.map((row) => [row.key, row]));
  }

  /** Without entities, and without payloads. */
  async find(hubId: number, filter: InstanceFilter, page: Page): Promise<FoundPage> {
    const query = { hubId, filter };
    const matches = sql<SqlBool>`(${matching(this.#db, query)} and not starts_with(w.instance_id, '@'))`;
    const { rows, ...rest } = await this.#page(query, page, (after, limit) =>
      this.#places(query, after, { matches, limit }).select(statusOf(this.#db).as('status')).execute(),
    );
    return {
      instances: rows.map((row) => ({ key: row.key, instanceId: row.instance_id, runtimeStatus: row.status })),
      ...rest,
    };
  }

  /** Window by window, so that instances may move meanwhile; each window is one moment. */
  async count(hubId: number, filter: InstanceFilter, signal?: AbortSignal): Promise<InstanceCounts> {
    const query = { hubId, filter };
    const counts = new Map<RuntimeStatus, number>();
    let after: readonly string[] | undefined;
    do {
      const window = windowOf(this.#db, query, after);
      const rows = await this.#db
        .selectFrom(window)
        .select([
          statusOf(this.#db).as('status'),
          sql<number>`(count(*) filter (where ${matching(this.#db, query)}))::int`.as('count'),
          sql<string>`max(w.n)`.as('n'),
          sql<string | null>`max(w.instance_id) filter (where w.n = ${windowSize})`.as('instance_id'),
          sql<string | null>`max(w.key) filter (where w.n = ${windowSize})`.as('key'),
          sql<string | null>`(max(w.created_at) filter (where w.n = ${windowSize}))::text`.as('created_text'),
        ])
        .groupBy(sql`1`)
        .execute();
      for (const { status, count } of rows) counts.set(status, (counts.get(status) ?? 0) + count);
      const last = rows.find((row) => Number(row.n) === windowSize);
      after =
        last === undefined
          ? undefined
          : cursorOf(filter, {
              key: last.key ?? '',
              instance_id: last.instance_id ?? '',
              created_text: last.created_text ?? '',
            });
    } while (after !== undefined && signal?.aborted !== true);
    return Object.fromEntries(runtimeStatuses.map((status) => [status, counts.get(status) ?? 0])) as InstanceCounts;
  }

  /** Goes from window to window until the page is full, the end is reached, or there were enough of them. */
  async #page<Row extends Place>(
    query: ListingQuery,
    { limit, continuationToken }: Page,
    read: (after: readonly string[] | undefined, limit: number) => Promise<readonly Row[]>,
  ): Promise<{ readonly rows: readonly Row[]; readonly continuationToken?: string }> {
    const { filter } = query;
    let after = continuationToken ? readToken(continuationToken, query) : undefined;
    const found: Row[] = [];
    for (let windows = 0; windows < pageWindows; windows += 1) {
      // One more tells that there are more.
      const rows = await read(after, limit + 1 - found.length);
      found.push(...rows.filter((row) => row.matches));
      const end = rows.find((row) => Number(row.n) === windowSize);
      const last = found[limit - 1];
      if (found.length > limit && last !== undefined) {
        return { rows: found.slice(0, limit), continuationToken: writeToken(cursorOf(filter, last), query) };
      }
      if (end === undefined) return { rows: found };
      after = cursorOf(filter, end);
    }
    return { rows: found, ...(after === undefined ? {} : { continuationToken: writeToken(after, query) }) };
  }

  /** The rows of a window that match, and its last row in any case: it says where the next one begins. */
  #places(
    query: ListingQuery,
    after: readonly string[] | undefined,
    { matches, limit }: { readonly matches: RawBuilder<SqlBool>; readonly limit: number },
  ) {
    return (
      this.#db
        .selectFrom(windowOf(this.#db, query, after))
        .select([
          'w.key',
          'w.instance_id',
          'w.n',
          // Microseconds are kept.
          sql<string>`w.created_at::text`.as('created_text'),
          sql<boolean>`${matches}`.as('matches'),
        ])
        .where(sql<SqlBool>`(${matches} or w.n = ${windowSize})`)
        // As the window is, so that it is read no further than the page needs.
        .orderBy(inOrder[orderOf(query.filter)])
        .limit(limit)
    );
  }

  #readInstances(query: ListingQuery, after: readonly string[] | undefined, limit: number) {
    return this.#places(query, after, { matches: matching(this.#db, query), limit })
      .innerJoinLateral(
        (eb) =>
          eb
            .selectFrom('instances as i')
            .select(['i.execution_id', 'i.completed_at', 'i.scheduled_start_at', 'i.input', 'i.output', 'i.failure'])
            .select(['i.parent', 'i.custom_status', 'i.last_updated_at'])
            .whereRef('i.key', '=', 'w.key')
            .limit(1)
            .as('i'),
        (join) => join.onTrue(),
      )
      .leftJoinLateral(
        (eb) =>
          eb
            .selectFrom('executions as e')
            .select(['e.instance_key', 'e.status', 'e.last_updated_at', 'e.custom_status'])
            .whereRef('e.instance_key', '=', 'w.key')
            .limit(1)
            .as('e'),
        (join) => join.onTrue(),
      )
      .select(['w.name', 'w.version', 'w.tags', 'w.created_at', 'i.execution_id', 'i.completed_at', 'i.parent'])
      .select(['i.scheduled_start_at', 'i.failure'])
      .select([
        payloadBytes.as('bytes'),
        sql<string | null>`case when ${payloadBytes} <= ${lightBytes} then i.input end`.as('input'),
        sql<string | null>`case when ${payloadBytes} <= ${lightBytes} then i.output end`.as('output'),
        sql<RuntimeStatus>`coalesce(e.status, w.ended)`.as('status'),
        sql<Date>`coalesce(e.last_updated_at, i.last_updated_at)`.as('last_updated_at'),
        sql<string | null>`case when e.instance_key is null then i.custom_status else e.custom_status end`.as(
          'custom_status',
        ),
      ])
      .execute();
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
    const { runtimeStatus: _, ...rest } = filter;
    const result = await this.#db
      .with('chosen', (db) =>
        db
          .selectFrom('instances as w')
          .select('w.key')
          .where(matching(this.#db, { hubId, filter: rest }))
          .where('w.status', 'in', endedStatuses(filter))
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

/** @returns how many of a page's instances, of these sizes, are shown */
function fitting(sizes: readonly number[]): number {
  let room = maxPageBytes;
  const end = sizes.findIndex((bytes) => (room -= bytes) <= 0);
  return end === -1 ? sizes.length : end + 1;
}

function cursorOf(filter: InstanceFilter, row: Pick<Place, 'key' | 'instance_id' | 'created_text'>): readonly string[] {
  const order = orderOf(filter);
  return order === 'id' ? [row.instance_id] : order === 'key' ? [row.key] : [row.created_text, row.key];
}

/** Only ended instances are ever purged: other statuses match nothing. */
function endedStatuses(filter: InstanceFilter): TerminalStatus[] {
  const wanted = filter.runtimeStatus ?? [];
  return terminalStatuses.filter((terminal) => wanted.length === 0 || wanted.includes(terminal));
}
