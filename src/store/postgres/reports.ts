/** Telling a parent that its child has ended, where no turn of the child does so. */
import { reportEnd, type EndReport } from '../../model/sub-orchestration.ts';
import type { InstanceKey } from '../../model/work.ts';
import { toMessageText, toParent } from './rows.ts';
import type { Tables } from './sql.ts';

interface Client {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

export function reportTexts(t: Tables) {
  return {
    parentOf: `select i.parent from ${t.instances} i where i.key = $1 and i.parent is not null`,
    // Only while the parent runs.
    tell: `insert into ${t.messages} (instance_key, hub_id, execution_id, event)
       select e.instance_key, e.hub_id, $2, $3 from ${t.executions} e where e.instance_key = $1`,
  };
}

type Texts = ReturnType<typeof reportTexts>;

export async function tellParent(client: Client, sql: Texts, report: EndReport): Promise<void> {
  const { target, executionId, event } = report;
  await client.query(sql.tell, [target.key, executionId, toMessageText(event)]);
}

/** For a live instance that another one takes the place of: to its parent it was terminated. */
export async function reportReplaced(client: Client, sql: Texts, key: InstanceKey): Promise<void> {
  const { rows } = await client.query(sql.parentOf, [key]);
  const [row] = rows as readonly { readonly parent: string }[];
  const parent = toParent(row?.parent ?? null);
  if (parent === null) return;
  const result = 'The sub-orchestration was replaced by another instance of its id.';
  await tellParent(client, sql, reportEnd(parent, { status: 'Terminated', result }));
}
