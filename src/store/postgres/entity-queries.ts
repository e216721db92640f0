/** What clients do with entities: send, look, list. Concurrent sends and looks share statements. */
import { Batcher } from '../../flow/batcher.ts';
import { parseEntityId } from '../../model/entity-id.ts';
import type { EntityFilter, EntityMetadata, EntityPage } from '../../model/entity-work.ts';
import type { InstanceKey } from '../../model/work.ts';
import { readToken, writeToken } from '../continuation-token.ts';
import type { MessageForEntity } from '../store.ts';
import { again } from './again.ts';
import { deliverToEntities, entityTargets } from './entity-commit-statement.ts';
import { isMemberError } from './errors.ts';
import { oneByOne } from './one-by-one.ts';
import { jsonTexts, statement, type Runner, type Tables } from './sql.ts';

const maxBatch = 500;
const maxBatchBytes = 8 * 1_048_576;

/** Where one entity is: its key, and whether a worker has it. */
export interface SentToEntity {
  readonly key: InstanceKey;
  readonly owned: boolean;
}

function statements(t: Tables) {
  const columns = `i.instance_id, e.last_updated_at, n.locked_by, n.state is not null as exists,
       (select count(*)::int from ${t.messages} m
        where m.instance_key = i.key and (m.visible_at <= now() or m.arrived_at is not null)) as backlog`;
  const joins = `cross join lateral (select * from ${t.executions} e where e.instance_key = i.key limit 1) e
       left join lateral (select * from ${t.entities} n where n.instance_key = i.key limit 1) n on true`;
  return {
    send: statement(
      'send_to_entities',
      `with entity_outgoing as materialized (
         select o.ord, o.hub_id, o.instance_id, o.name, to_timestamp(o.due / 1000.0) as visible_at, o.event
         from unnest($1::int[], $2::text[], $3::text[], $4::float8[], ${jsonTexts('$5')})
           with ordinality as o (hub_id, instance_id, name, due, event, ord)
       ), ${deliverToEntities(t)}
       select distinct d.instance_key as key, e.owner is not null as owned
       from delivered d
       left join lateral (select * from ${t.executions} e where e.instance_key = d.instance_key limit 1) e on true`,
    ),
    get: statement(
      'get_entities',
      `select k.ord, ${columns}, case when k.with_state then n.state end as state
       from unnest($1::int[], $2::text[], $3::bool[]) with ordinality as k (hub_id, instance_id, with_state, ord)
       cross join lateral (
         select * from ${t.instances} i where i.hub_id = k.hub_id and i.instance_id = k.instance_id limit 1
       ) i
       ${joins}`,
    ),
    // By instances_id, between the prefix and what comes behind everything that begins with it.
    list: statement(
      'list_entities',
      `select ${columns}, case when $6 then n.state end as state
       from ${t.instances} i
       ${joins}
       where i.hub_id = $1 and i.instance_id > $2 and i.instance_id >= $3 and i.instance_id < $3 || U&'\\+10FFFF'
         and starts_with(i.instance_id, $3)
         and ($4::timestamptz is null or e.last_updated_at >= $4)
         and ($5::timestamptz is null or e.last_updated_at < $5 + interval '1 millisecond')
         and ($7 or n.state is not null)
       order by i.instance_id
       limit $8`,
    ),
  };
}

interface EntityRow {
  readonly instance_id: string;
  readonly last_updated_at: Date;
  readonly locked_by: string | null;
  readonly exists: boolean | null;
  readonly backlog: number;
  readonly state: string | null;
}

interface Look {
  readonly hubId: number;
  readonly instanceId: string;
  readonly includeState: boolean;
}

export class EntityQueries {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #sends: Batcher<MessageForEntity, readonly SentToEntity[]>;
  readonly #looks: Batcher<Look, EntityMetadata | null>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#sends = new Batcher({
      run: (messages) => this.#sendAll(messages),
      // One at a time: messages of one sender to one entity keep their order.
      concurrency: 1,
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: ({ event }) => ('input' in event ? (event.input?.length ?? 0) : 0),
    });
    this.#looks = new Batcher({ run: (looks) => this.#lookAll(looks), concurrency: 4, maxItems: 200 });
  }

  /** @returns whom the statement told that carried the message, for the first message of it; nobody for the others */
  send(message: MessageForEntity): Promise<readonly SentToEntity[]> {
    return this.#sends.add(message);
  }

  async get(hubId: number, instanceId: string, includeState: boolean): Promise<EntityMetadata | undefined> {
    return (await this.#looks.add({ hubId, instanceId, includeState })) ?? undefined;
  }

  async list(
    hubId: number,
    filter: EntityFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<EntityPage> {
    const prefix = filter.instanceIdPrefix ?? '@';
    const query = {
      hubId,
      filter: {
        instanceIdPrefix: `entities ${prefix}`,
        ...(filter.lastModifiedFrom === undefined ? {} : { createdFrom: filter.lastModifiedFrom }),
        ...(filter.lastModifiedTo === undefined ? {} : { createdTo: filter.lastModifiedTo }),
      },
    };
    const [after = ''] = page.continuationToken ? readToken(page.continuationToken, query) : [];
    const rows = await this.#runner.rows<EntityRow>(this.#sql.list, [
      hubId,
      after,
      prefix,
      filter.lastModifiedFrom ?? null,
      filter.lastModifiedTo ?? null,
      filter.includeState ?? true,
      filter.includeTransient ?? false,
      page.limit + 1,
    ]);
    const entities = rows.slice(0, page.limit).map(toMetadata);
    const last = entities.at(-1);
    if (rows.length <= page.limit || last === undefined) return { entities };
    return { entities, continuationToken: writeToken([last.instanceId], query) };
  }

  async #sendAll(
    messages: readonly MessageForEntity[],
  ): Promise<readonly (readonly SentToEntity[] | Promise<readonly SentToEntity[]>)[]> {
    const { ids, names, times, events } = entityTargets(messages);
    try {
      const values = [messages.map((message) => message.hubId), ids, names, times, events];
      const told = await again(() => this.#runner.rows<SentToEntity>(this.#sql.send, values), {
        repeatAfterConnectionLoss: false,
      });
      return messages.map((_, index) => (index === 0 ? told : []));
    } catch (error) {
      if (!isMemberError(error) || messages.length === 1) throw error;
      return oneByOne(messages, (message) => this.#sendAll([message]));
    }
  }

  async #lookAll(looks: readonly Look[]): Promise<readonly (EntityMetadata | null)[]> {
    const rows = await this.#runner.rows<EntityRow & { readonly ord: string }>(this.#sql.get, [
      looks.map((look) => look.hubId),
      looks.map((look) => look.instanceId),
      looks.map((look) => look.includeState),
    ]);
    const found = new Map(rows.map((row) => [Number(row.ord), row]));
    return looks.map((_, index) => {
      const row = found.get(index + 1);
      return row === undefined ? null : toMetadata(row);
    });
  }
}

function toMetadata(row: EntityRow): EntityMetadata {
  const id = parseEntityId(row.instance_id);
  return {
    instanceId: row.instance_id,
    name: id?.name ?? '',
    key: id?.key ?? '',
    lastModifiedAt: row.last_updated_at,
    backlogSize: row.backlog,
    lockedBy: row.locked_by,
    exists: row.exists === true,
    ...(row.state === null ? {} : { state: row.state }),
  };
}
