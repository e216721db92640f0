/**
 * Removing an instance with all its sub-orchestrations (decision 15): each with what it left at once, leaves first, so that
 * the way from the root to whatever is left stays until the end. A purge that broke off is gone on with by calling it again.
 */
import { isTerminal, type RuntimeStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type { TreePurgeOutcome } from '../store.ts';
import { again } from './again.ts';
import { statement, type Runner, type Tables } from './sql.ts';

/** Instances of one transaction: short locks. */
const batchSize = 500;

function statements(t: Tables) {
  return {
    // Level by level along instances_parent. A child is younger than its parent: there are no cycles.
    find: statement(
      'find_tree',
      `with recursive tree as (
         select i.key, i.instance_id, i.status, 0 as depth from ${t.instances} i
         where i.hub_id = $1 and i.instance_id = $2
         union all
         select c.key, c.instance_id, c.status, p.depth + 1 from tree p join ${t.instances} c on c.parent_key = p.key
       )
       select tree.key, tree.instance_id, coalesce(tree.status, e.status) as status
       from tree left join ${t.executions} e on e.instance_key = tree.key
       order by tree.depth desc, tree.key desc`,
    ),
    // What has been rewound or replaced meanwhile stays.
    remove: statement(
      'remove_ended',
      `with gone as (
         delete from ${t.instances} i where i.key = any($1::bigint[]) and i.status is not null returning i.key
       ), inboxes as (
         delete from ${t.messages} m using gone where m.instance_key = gone.key
       ), tasks as (
         delete from ${t.tasks} q using gone where q.instance_key = gone.key
       )
       delete from ${t.history} h using gone where h.instance_key = gone.key`,
    ),
  };
}

interface TreeRow {
  readonly key: InstanceKey;
  readonly instance_id: string;
  readonly status: RuntimeStatus;
}

export class Trees {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  /** Removes everything below an instance, if all of it has ended; `purged` counts what was below. */
  async purgeBelow(hubId: number, instanceId: string): Promise<TreePurgeOutcome> {
    const rows = await again(() => this.#runner.rows<TreeRow>(this.#sql.find, [hubId, instanceId]), {
      repeatAfterConnectionLoss: true,
    });
    const root = rows.at(-1);
    if (root === undefined) return { kind: 'not-found' };
    // The root first: it is what the caller asked about.
    const live = [root, ...rows].find((row) => !isTerminal(row.status));
    if (live !== undefined) return { kind: 'not-terminal', instanceId: live.instance_id, status: live.status };
    const below = rows.slice(0, -1).map((row) => row.key);
    for (let at = 0; at < below.length; at += batchSize) {
      const keys = below.slice(at, at + batchSize);
      await again(() => this.#runner.rows(this.#sql.remove, [keys]), { repeatAfterConnectionLoss: true });
    }
    return { kind: 'purged', instances: below.length };
  }
}
