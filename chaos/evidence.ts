/** Reads what a run has left: the tables of the service and the ledger. */
import { setTimeout as sleep } from 'node:timers/promises';
import { groupBy } from './group-by.ts';
import type { HistoryEvent } from '../src/model/history.ts';
import type { Cluster } from './cluster.ts';
import type { InboxRow, InstanceRecord, Run, Tables } from './types.ts';

/** Milliseconds since 1970. */
const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

const orphanTables = [
  'executions',
  'history',
  'messages',
  'activity_tasks',
  'entities',
  'completion_webhooks',
  'strikes',
];

/** Once they have come to rest, or the time is up: then what is left is part of the evidence. */
export async function readTables(cluster: Cluster, patienceMs: number): Promise<Tables> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const left = await readLeftovers(cluster);
    if (left.busy === 0 || Date.now() >= deadline) return { ...left.tables, instances: await readInstances(cluster) };
    await sleep(200);
  }
}

async function readLeftovers(cluster: Cluster) {
  const messages = await cluster.query<InboxRow>(`select instance_key as key, event from perdure.messages`);
  const tasks = await cluster.query<Tables['tasks'][number]>(
    `select instance_key as key, name, owner from perdure.activity_tasks`,
  );
  const orphans = await cluster.query<{ row: string }>(
    orphanTables
      .map(
        (table) =>
          `select distinct '${table} ' || t.instance_key as row from perdure.${table} t
           where not exists (select 1 from perdure.instances i where i.key = t.instance_key)`,
      )
      .join(' union all '),
  );
  const transactions = await cluster.query<{ text: string }>(
    `select coalesce(application_name, '') || ': ' || left(query, 100) as text from pg_stat_activity
     where datname = current_database() and state like 'idle in transaction%' and xact_start < now() - interval '1 second'`,
  );
  const locked = await cluster.query<{ id: string }>(
    `select i.instance_id as id from perdure.entities n join perdure.instances i on i.key = n.instance_key
     where n.locked_by is not null`,
  );
  const [owned] = await cluster.query<{ n: number }>(
    `select count(*)::int as n from perdure.executions where owner is not null`,
  );
  const tables = {
    messages,
    tasks,
    orphans: orphans.map(({ row }) => row),
    transactions: transactions.map(({ text }) => text),
    lockedEntities: locked.map(({ id }) => id),
  };
  const busy = Object.values(tables).reduce((sum, rows) => sum + rows.length, owned?.n ?? 0);
  return { tables, busy };
}

interface InstanceRow {
  readonly key: string;
  readonly id: string;
  readonly name: string;
  readonly execution_id: string;
  readonly final: string | null;
  readonly live: string | null;
  readonly owner: string | null;
  readonly input: string | null;
  readonly output: string | null;
  readonly failure: string | null;
  readonly parent_key: string | null;
  readonly last_updated_at: number;
  readonly completed_at: number | null;
  readonly first_sequence: string | null;
}

async function readInstances(cluster: Cluster): Promise<readonly InstanceRecord[]> {
  const rows = await cluster.query<InstanceRow>(
    `select i.key, i.instance_id as id, i.name, i.execution_id, i.status as final, e.status as live, e.owner, i.input,
       i.output, i.failure, i.parent_key, ${ms('coalesce(e.last_updated_at, i.last_updated_at)')} as last_updated_at,
       ${ms('i.completed_at')} as completed_at, e.first_sequence
     from perdure.instances i left join perdure.executions e on e.instance_key = i.key order by i.key`,
  );
  const history = await cluster.query<{ key: string; sequence: string; events: string }>(
    `select instance_key as key, sequence, events from perdure.history order by instance_key, sequence`,
  );
  const stored = groupBy(history, ({ key }) => key);
  return rows.map((row): InstanceRecord => {
    const firstSequence = Number(row.first_sequence ?? 0);
    const own = stored.get(row.key) ?? [];
    const shown = visible(own, firstSequence);
    return {
      key: row.key,
      id: row.id,
      name: row.name,
      executionId: row.execution_id,
      status: row.final ?? row.live ?? 'neither final nor live',
      isFinal: row.final !== null,
      hasExecution: row.live !== null,
      owner: row.owner,
      input: row.input,
      output: row.output,
      failure: row.failure,
      parentKey: row.parent_key,
      lastUpdatedAt: row.last_updated_at,
      completedAt: row.completed_at,
      history: shown.flatMap(({ events }) => JSON.parse(events) as HistoryEvent[]),
      sequences: shown.map(({ sequence }) => Number(sequence)),
      firstSequence,
    };
  });
}

/** Without the row that ended the execution before: it is kept because it tells whose commit it was. */
function visible<Row extends { readonly sequence: string; readonly events: string }>(
  rows: readonly Row[],
  firstSequence: number,
): readonly Row[] {
  const current = rows.filter(({ sequence }) => Number(sequence) > firstSequence);
  const begins = current.findLastIndex(({ events }) => events.includes('"type":"ExecutionStarted"'));
  return begins > 0 ? current.slice(begins) : current;
}

export async function readRuns(ledger: Cluster): Promise<readonly Run[]> {
  return await ledger.query<Run & { readonly [column: string]: unknown }>(
    `select id, task, attempt, redelivery, instance_id as "instanceId", name, node, pid, ${ms('started_at')} as "startedAt",
       ${ms('ended_at')} as "endedAt", outcome, result from runs order by id`,
  );
}
