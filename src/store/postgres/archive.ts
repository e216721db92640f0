/** Instances out of the tables and into them again, as they are. None of it is hot. */
import type pg from 'pg';
import type { InstanceKey } from '../../model/work.ts';
import type { ArchiveStore, BroughtChild, InsertOutcome, StoredInstance } from '../archive-store.ts';
import { again } from './again.ts';
import { toStoreError } from './errors.ts';
import { statement, type Runner, type Statement, type Tables } from './sql.ts';

const iso = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

function statements(t: Tables) {
  // LATERAL with LIMIT makes each a look-up of its own.
  const byKey = `unnest($1::bigint[]) with ordinality as k (key, ord)
       cross join lateral (select * from ${t.instances} i where i.key = k.key limit 1) i
       left join lateral (select * from ${t.executions} e where e.instance_key = k.key limit 1) e on true`;
  return {
    measure: statement(
      'measure_instances',
      `select i.key, (coalesce(octet_length(i.input), 0) + coalesce(octet_length(i.output), 0) + coalesce((
         select sum(octet_length(h.events)) from ${t.history} h where h.instance_key = i.key
       ), 0))::float8 as size
       from ${byKey} order by k.ord`,
    ),
    read: statement(
      'read_stored_instances',
      `select i.instance_id, i.name, i.version, i.tags::text as tags, i.execution_id, coalesce(e.status, i.status) as status,
         ${iso('i.created_at')} as created_at, ${iso('coalesce(e.last_updated_at, i.last_updated_at)')} as last_updated_at,
         ${iso('i.completed_at')} as completed_at, ${iso('i.scheduled_start_at')} as scheduled_start_at,
         i.input, i.output, case when e.instance_key is null then i.custom_status else e.custom_status end as custom_status,
         i.failure, i.parent, h.sequences, h.events
       from ${byKey}
       left join lateral (
         select array_agg(h.sequence::float8 order by h.sequence) as sequences, array_agg(h.events order by h.sequence) as events
         from ${t.history} h where $2 and h.instance_key = i.key and h.sequence > coalesce(e.first_sequence, 0)
       ) h on true
       order by k.ord`,
    ),
    find: statement(
      'find_keys',
      `select i.instance_id, i.key, i.execution_id from unnest($2::text[]) as n (id)
       cross join lateral (select * from ${t.instances} i where i.hub_id = $1 and i.instance_id = n.id limit 1) i`,
    ),
    insert: statement(
      'insert_ended',
      `with made as (
         insert into ${t.instances} (hub_id, instance_id, name, version, tags, execution_id, status, created_at,
           last_updated_at, completed_at, scheduled_start_at, input, output, custom_status, failure, parent, imported_at)
         select $1, n.instance_id, n.name, n.version, n.tags::jsonb, n.execution_id, n.status, n.created_at::timestamptz,
           n.last_updated_at::timestamptz, n.completed_at::timestamptz, n.scheduled_start_at::timestamptz, n.input, n.output,
           n.custom_status, n.failure, n.parent, now()
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
           $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[]) as n (instance_id, name,
           version, tags, execution_id, status, created_at, last_updated_at, completed_at, scheduled_start_at, input, output,
           custom_status, failure, parent)
         order by n.instance_id
         on conflict (hub_id, instance_id) do nothing
         returning key, instance_id
       ), told as (
         insert into ${t.history} (instance_key, sequence, commit_id, events)
         select made.key, h.sequence, gen_random_uuid(), h.events
         from unnest($17::text[], $18::bigint[], $19::text[]) as h (instance_id, sequence, events)
         join made on made.instance_id = h.instance_id
       )
       select instance_id from made`,
    ),
    // A parent is older than its children: who is younger has its id by chance. Quotes in a name are escaped, so that no name
    // can look like the key.
    link: statement(
      'link_children',
      `update ${t.instances} c set parent_key = found.parent_key,
         parent = regexp_replace(c.parent, '"key":"\\d+"', '"key":"' || found.parent_key || '"')
       from (
         select child.key, parent.key as parent_key
         from unnest($2::text[], $3::text[]) as n (instance_id, parent_id)
         cross join lateral (
           select * from ${t.instances} i where i.hub_id = $1 and i.instance_id = n.instance_id limit 1
         ) child
         cross join lateral (
           select * from ${t.instances} i where i.hub_id = $1 and i.instance_id = n.parent_id limit 1
         ) parent
         where parent.created_at <= child.created_at and child.parent is not null
       ) found
       where c.key = found.key
       returning c.instance_id`,
    ),
  };
}

interface StoredRow {
  readonly instance_id: string;
  readonly name: string;
  readonly version: string | null;
  readonly tags: string | null;
  readonly execution_id: string;
  readonly status: string;
  readonly created_at: string;
  readonly last_updated_at: string;
  readonly completed_at: string | null;
  readonly scheduled_start_at: string | null;
  readonly input: string | null;
  readonly output: string | null;
  readonly custom_status: string | null;
  readonly failure: string | null;
  readonly parent: string | null;
  readonly sequences: readonly number[] | null;
  readonly events: readonly string[] | null;
}

export class PostgresArchive implements ArchiveStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  measure(keys: readonly InstanceKey[]): Promise<readonly { readonly key: InstanceKey; readonly size: number }[]> {
    return this.#rows(this.#sql.measure, [keys]);
  }

  async readStored(
    keys: readonly InstanceKey[],
    { history }: { readonly history: boolean },
  ): Promise<readonly StoredInstance[]> {
    return (await this.#rows<StoredRow>(this.#sql.read, [keys, history])).map(toStored);
  }

  async findKeys(hubId: number, instanceIds: readonly string[]): Promise<ReadonlyMap<string, InstanceKey>> {
    const rows = await this.#found(hubId, instanceIds);
    return new Map(rows.map((row) => [row.instance_id, row.key]));
  }

  async insertEnded(hubId: number, instances: readonly StoredInstance[]): Promise<readonly InsertOutcome[]> {
    const rows = instances.flatMap(({ instanceId, history }) => history.map((row) => ({ instanceId, ...row })));
    const made = await this.#rows<{ readonly instance_id: string }>(this.#sql.insert, [
      hubId,
      ...columns.map((column) => instances.map((instance) => instance[column])),
      ...[rows.map((row) => row.instanceId), rows.map((row) => row.sequence), rows.map((row) => row.events)],
    ]);
    const created = new Set(made.map((row) => row.instance_id));
    const others = instances.map((one) => one.instanceId).filter((id) => !created.has(id));
    const found = await this.#found(hubId, others);
    const executions = new Map(found.map((row) => [row.instance_id, row.execution_id]));
    return instances.map(({ instanceId, executionId }) => {
      if (created.has(instanceId)) return 'created';
      return executions.get(instanceId) === executionId ? 'present' : 'taken';
    });
  }

  async linkChildren(hubId: number, children: readonly BroughtChild[]): Promise<ReadonlySet<string>> {
    const rows = await this.#rows<{ readonly instance_id: string }>(this.#sql.link, [
      hubId,
      children.map((child) => child.instanceId),
      children.map((child) => child.parentInstanceId),
    ]);
    return new Set(rows.map((row) => row.instance_id));
  }

  #found(hubId: number, ids: readonly string[]) {
    if (ids.length === 0) return Promise.resolve([]);
    return this.#rows<{ readonly instance_id: string; readonly key: string; readonly execution_id: string }>(
      this.#sql.find,
      [hubId, ids],
    );
  }

  /** Everything here comes to the same when it is done twice. */
  async #rows<Row extends pg.QueryResultRow>(what: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return await again(() => this.#runner.rows<Row>(what, values), { repeatAfterConnectionLoss: true });
    } catch (error) {
      throw toStoreError(error);
    }
  }
}

const columns = [
  ...(['instanceId', 'name', 'version', 'tags', 'executionId', 'status', 'createdAt', 'lastUpdatedAt'] as const),
  ...(['completedAt', 'scheduledStartAt', 'input', 'output', 'customStatus', 'failure', 'parent'] as const),
];

function toStored(row: StoredRow): StoredInstance {
  const { events, sequences } = row;
  return {
    instanceId: row.instance_id,
    name: row.name,
    version: row.version,
    tags: row.tags,
    executionId: row.execution_id,
    status: row.status,
    createdAt: row.created_at,
    lastUpdatedAt: row.last_updated_at,
    completedAt: row.completed_at,
    scheduledStartAt: row.scheduled_start_at,
    input: row.input,
    output: row.output,
    customStatus: row.custom_status,
    failure: row.failure,
    parent: row.parent,
    history: (sequences ?? []).map((sequence, index) => ({ sequence, events: events?.[index] ?? '[]' })),
  };
}
