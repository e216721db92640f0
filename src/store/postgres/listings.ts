/** Queries over many instances: listing in pages, purging by filter. Built with kysely; none of them is hot. */
import { sql, type Expression, type ExpressionBuilder, type Kysely, type SqlBool } from 'kysely';
import {
  terminalStatuses,
  type InstanceFilter,
  type InstancePage,
  type RuntimeStatus,
  type TerminalStatus,
} from '../../model/instance.ts';
import { isTimed, readToken, writeToken } from '../continuation-token.ts';
import type { Database } from './database.ts';
import { toInstance } from './rows.ts';

/** Instances that one transaction of a purge removes: short locks, and it can be stopped in between. */
const purgeBatch = 500;

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
    const after = page.continuationToken ? readToken(page.continuationToken, { hubId, filter }) : undefined;
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
      .select([
        'scheduled_start_at',
        'tags',
        'input',
        'output',
        'failure',
        'parent',
        sql<string>`created_at::text`.as('created_text'),
      ])
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
    // Microseconds are kept.
    const cursor = byTime ? [last.created_text, last.key] : [last.instance_id];
    return { instances, continuationToken: writeToken(cursor, { hubId, filter }) };
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
