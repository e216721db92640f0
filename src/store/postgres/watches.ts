/** Bounded looks for those who follow what happens to instances; none of them locks. */
import { isEntityInstanceId } from '../../model/entity-id.ts';
import type { InstanceStatus, RuntimeStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type { LiveWindow, WatchStore } from '../listing-store.ts';
import { windowSize } from './listing-window.ts';
import { statement, type Runner, type Tables } from './sql.ts';

function statements(t: Tables) {
  return {
    // LATERAL with LIMIT makes each a look-up of its own.
    byKeys: statement(
      'find_by_keys',
      `select i.key, i.instance_id, i.name, coalesce(e.status, i.status) as status, i.created_at,
         coalesce(e.last_updated_at, i.last_updated_at) as last_updated_at,
         case when e.instance_key is null then i.custom_status else e.custom_status end as custom_status
       from unnest($1::bigint[]) as k (key)
       cross join lateral (select * from ${t.instances} i where i.key = k.key limit 1) i
       left join lateral (select * from ${t.executions} e where e.instance_key = k.key limit 1) e on true`,
    ),
    // One window of executions_pkey, which holds live instances only. A hash stands for the custom status, which may be long.
    live: statement(
      'look_at_live',
      `select e.instance_key as key, e.hub_id = $1 and not starts_with(e.name, '@') as wanted,
         e.status || '/' || coalesce(hashtextextended(e.custom_status, 0)::text, '') as state
       from ${t.executions} e where e.instance_key > $2::bigint
       order by e.instance_key limit ${windowSize}`,
    ),
    // One window of instances_pkey.
    fresh: statement(
      'look_at_new',
      `select i.key, i.hub_id = $1 and i.status is not null as wanted, i.instance_id from ${t.instances} i
       where i.key > $2::bigint
       order by i.key limit ${windowSize}`,
    ),
    newest: statement('newest_key', `select i.key from ${t.instances} i order by i.key desc limit 1`),
  };
}

interface StatusRow {
  readonly key: string;
  readonly instance_id: string;
  readonly name: string;
  readonly status: RuntimeStatus;
  readonly created_at: Date;
  readonly last_updated_at: Date;
  readonly custom_status: string | null;
}

export class Watches implements WatchStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async findByKeys(keys: readonly InstanceKey[]): Promise<readonly InstanceStatus[]> {
    const rows = await this.#runner.rows<StatusRow>(this.#sql.byKeys, [keys]);
    return rows.map((row) => ({
      key: row.key,
      instanceId: row.instance_id,
      name: row.name,
      runtimeStatus: row.status,
      customStatus: row.custom_status,
      createdAt: row.created_at,
      lastUpdatedAt: row.last_updated_at,
    }));
  }

  async lookAtLive(hubId: number, after: InstanceKey): Promise<LiveWindow> {
    const rows = await this.#runner.rows<{ key: string; wanted: boolean; state: string }>(this.#sql.live, [
      hubId,
      after,
    ]);
    const live = rows.filter((row) => row.wanted).map(({ key, state }) => ({ key, state }));
    return { live, next: rows.length < windowSize ? undefined : rows.at(-1)?.key };
  }

  async lookAtNew(
    hubId: number,
    after: InstanceKey,
  ): Promise<{ readonly ended: readonly InstanceKey[]; readonly newest: InstanceKey }> {
    const rows = await this.#runner.rows<{ key: string; wanted: boolean; instance_id: string }>(this.#sql.fresh, [
      hubId,
      after,
    ]);
    const ended = rows.filter((row) => row.wanted && !isEntityInstanceId(row.instance_id)).map((row) => row.key);
    return { ended, newest: rows.at(-1)?.key ?? after };
  }

  async newestKey(): Promise<InstanceKey> {
    const [row] = await this.#runner.rows<{ key: string }>(this.#sql.newest, []);
    return row?.key ?? '0';
  }
}
