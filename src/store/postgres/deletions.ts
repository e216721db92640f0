/** Removing an instance with everything that it left, within a transaction that has locked its row. */
import type { RuntimeStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type { Tables } from './sql.ts';

/** An instance under lock. */
export interface LockedRow {
  readonly key: string;
  readonly status: RuntimeStatus;
  readonly execution_id: string;
  readonly owner: string | null;
}

export function deletions(t: Tables) {
  return {
    lock: `select i.key, coalesce(e.status, i.status) as status, i.execution_id, e.owner
       from ${t.instances} i left join ${t.executions} e on e.instance_key = i.key
       where i.hub_id = $1 and i.instance_id = $2 for update of i`,
    deleteInstance: `delete from ${t.instances} where key = $1`,
    deleteExecution: `delete from ${t.executions} where instance_key = $1`,
    deleteHistory: `delete from ${t.history} where instance_key = $1`,
    deleteMessages: `delete from ${t.messages} where instance_key = $1`,
    deleteEntity: `delete from ${t.entities} where instance_key = $1`,
    deleteTasks: `delete from ${t.tasks} where instance_key = $1`,
  };
}

export async function deleteInstance(
  client: { query(text: string, values: unknown[]): Promise<unknown> },
  sql: ReturnType<typeof deletions>,
  key: InstanceKey,
): Promise<void> {
  await client.query(sql.deleteInstance, [key]);
  await client.query(sql.deleteExecution, [key]);
  await client.query(sql.deleteMessages, [key]);
  await client.query(sql.deleteHistory, [key]);
  await client.query(sql.deleteTasks, [key]);
  await client.query(sql.deleteEntity, [key]);
}
