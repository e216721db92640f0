/**
 * What workers do with entities: read, commit, remove what is empty, find locks whose holder is gone. Claims are those of
 * all instances (`orchestrations.ts`), what clients ask is in `entity-queries.ts`.
 */
import type { EntityCommit, EntityContents, EntityLock, EntityMessage, EntityRecord } from '../../model/entity-work.ts';
import type { CommitOutcome, InstanceKey, WorkerId } from '../../model/work.ts';
import type { EmptyEntity, WorkerStore } from '../store.ts';
import { again } from './again.ts';
import { commitAll } from './commit-loop.ts';
import { entityCommit, type CommitRow } from './entity-commit-statement.ts';
import { hasMessage, heavyBytes, lightBytes, readMessagesText, type InboxRow } from './orchestrations.ts';
import { toEntityMessage } from './rows.ts';
import { nowMs, statement, type Runner, type Tables } from './sql.ts';
import { compareKeys } from './turn-commits.ts';

/** Messages that one batch takes at most; more wait for the next. */
const maxMessages = 1_000;

function statements(t: Tables) {
  return {
    readMessages: statement('read_messages', readMessagesText(t)),
    readRecords: statement(
      'read_entities',
      `select n.instance_key, n.state, n.locked_by, n.locked_by_execution, n.critical_section, n.parked
       from unnest($1::bigint[]) as k (key)
       cross join lateral (select * from ${t.entities} n where n.instance_key = k.key limit 1) n`,
    ),
    mine: statement(
      'entity_commit_check',
      `select n.instance_key, ${nowMs} as now
       from unnest($1::bigint[]) as k (key)
       cross join lateral (select * from ${t.entities} n where n.instance_key = k.key limit 1) n
       where n.commit_id = $2`,
    ),
    // Two statements in one transaction: only a snapshot taken after the lock shows every message that was sent under
    // the KEY SHARE of its sender.
    lockEmpty: `select i.key from ${t.instances} i where i.key = any($1::bigint[]) order by i.key for update`,
    removeEmpty: `with gone as (
        delete from ${t.executions} e
        using unnest($1::bigint[], $2::bigint[]) as k (key, fence)
        where e.instance_key = k.key and e.sequence = k.fence and e.owner is null
          and not exists (select 1 from ${t.messages} m where m.instance_key = k.key)
          and not exists (
            select 1 from ${t.entities} n
            where n.instance_key = k.key and (n.state is not null or n.locked_by is not null)
          )
        returning e.instance_key as key
      ), records as (
        delete from ${t.entities} n using gone where n.instance_key = gone.key
      )
      delete from ${t.instances} i using gone where i.key = gone.key returning i.key`,
    findEmpty: statement(
      'find_empty_entities',
      `select n.instance_key as key, e.sequence as fence
       from ${t.entities} n
       cross join lateral (select * from ${t.executions} e where e.instance_key = n.instance_key limit 1) e
       where n.hub_id = $1 and n.state is null and n.locked_by is null and n.instance_key > $2 and e.owner is null
         and not exists (select 1 from ${t.messages} m where m.instance_key = n.instance_key)
       order by n.instance_key
       limit $3`,
    ),
    // A holder that has ended, has continued as new or is gone will never unlock.
    findOrphans: statement(
      'find_orphaned_locks',
      `select n.instance_key as key, i.instance_id, n.locked_by, n.locked_by_execution, n.critical_section
       from ${t.entities} n
       cross join lateral (select * from ${t.instances} i where i.key = n.instance_key limit 1) i
       where n.hub_id = $1 and n.locked_by is not null and n.instance_key > $2
         and not exists (
           select 1 from ${t.instances} h
           cross join lateral (select * from ${t.executions} x where x.instance_key = h.key limit 1) x
           where h.hub_id = n.hub_id and h.instance_id = n.locked_by and x.execution_id = n.locked_by_execution
         )
       order by n.instance_key
       limit $3`,
    ),
    // Names that no live worker has listed for a while, of entities for which something has waited as long (decision 25).
    unregistered: statement(
      'unregistered_entities',
      `select distinct e.name
       from ${t.messages} m
       join ${t.executions} e on e.instance_key = m.instance_key
       where m.hub_id = $1 and m.visible_at < now() - $2 * interval '1 millisecond' and e.owner is null
         and e.name like '@%'
         and not exists (
           select 1 from ${t.workers} w
           where w.hub_id = $1 and w.expires_at > now() - $2 * interval '1 millisecond'
             and lower(e.name) in (select lower(n) from unnest(w.orchestrators) n)
         )`,
    ),
  };
}

interface RecordRow {
  readonly instance_key: string;
  readonly state: string | null;
  readonly locked_by: string | null;
  readonly locked_by_execution: string | null;
  readonly critical_section: string | null;
  readonly parked: number;
}

export class Entities {
  readonly #runner: Runner;
  readonly #tables: Tables;
  readonly #sql: ReturnType<typeof statements>;
  readonly #closing: AbortSignal;

  /** @param closing ends the tries of commits whose outcome is open */
  constructor(runner: Runner, tables: Tables, closing: AbortSignal) {
    this.#runner = runner;
    this.#tables = tables;
    this.#sql = statements(tables);
    this.#closing = closing;
  }

  async read(requests: Parameters<WorkerStore['readEntities']>[0]): Promise<readonly EntityContents[]> {
    const isWhole = requests.some((request) => request.whole === true);
    const cold = requests.filter((request) => request.withRecord).map((request) => request.key);
    const [messages, records] = await Promise.all([
      this.#runner.rows<InboxRow>(this.#sql.readMessages, [
        requests.map((request) => request.key),
        requests.map(() => maxMessages),
        isWhole ? heavyBytes : lightBytes,
        isWhole,
      ]),
      cold.length === 0 ? [] : this.#runner.rows<RecordRow>(this.#sql.readRecords, [cold]),
    ]);
    const heavy = new Set<InstanceKey>();
    const found = new Map(
      requests.map(({ key }) => [key, { messages: [] as EntityMessage[], unreadable: [] as Bad[] }]),
    );
    let readAt = 0;
    for (const row of messages) {
      readAt = row.now;
      const contents = found.get(row.instance_key);
      if (contents === undefined) continue;
      if (!hasMessage(row)) {
        if (row.id !== null) heavy.add(row.instance_key);
        continue;
      }
      try {
        contents.messages.push(toEntityMessage(row));
      } catch (error) {
        contents.unreadable.push({ id: row.id, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    const byKey = new Map(records.map((row) => [row.instance_key, toRecord(row)]));
    return [...found].map(([key, contents]) => {
      const record = byKey.get(key);
      const isHeavy = heavy.has(key) ? { isHeavy: true } : {};
      return { key, ...contents, readAt, ...(record === undefined ? {} : { record }), ...isHeavy };
    });
  }

  async commit(workerId: WorkerId, commits: readonly EntityCommit[]): Promise<readonly CommitOutcome[]> {
    if (commits.length === 0) return [];
    const sorted = [...commits].sort((a, b) => compareKeys(a.key, b.key));
    const outcomes = await commitAll(
      sorted,
      {
        send: async (members, commitId) => {
          const { statement: sql, values } = entityCommit(this.#tables, { workerId, commitId, commits: members });
          const rows = await this.#runner.rows<CommitRow>(sql, values);
          const told = rows.filter((row) => row.kind === 'told');
          // Once for the whole statement is enough.
          return rows
            .filter((row) => row.kind === 'moved')
            .map((row, index) => toOutcome(row, index === 0 ? told.map(toTold) : []));
        },
        findMine: async (members, commitId) => {
          const keys = members.map((member) => member.key);
          const rows = await this.#runner.rows<{ instance_key: string; now: number }>(this.#sql.mine, [keys, commitId]);
          const fences = new Map(members.map((member) => [member.key, member.fence]));
          return rows.map(({ instance_key: key, now }) => ({
            kind: 'committed',
            key,
            sequence: (fences.get(key) ?? 0) + 1,
            inboxWaiting: true, // not known: look
            committedAt: now,
            told: [], // not known: they are found by polling
          }));
        },
      },
      this.#closing,
    );
    return commits.map((commit) => outcomes.get(commit.key) ?? { kind: 'lost', key: commit.key });
  }

  async removeEmpty(entities: readonly EmptyEntity[]): Promise<readonly InstanceKey[]> {
    if (entities.length === 0) return [];
    const sorted = [...entities].sort((a, b) => compareKeys(a.key, b.key));
    const keys = sorted.map((entity) => entity.key);
    const run = (): Promise<readonly InstanceKey[]> =>
      this.#runner.transaction(async (client) => {
        await client.query(this.#sql.lockEmpty, [keys]);
        const fences = sorted.map((entity) => entity.fence);
        const { rows } = await client.query<{ key: string }>(this.#sql.removeEmpty, [keys, fences]);
        return rows.map((row) => row.key);
      });
    return again(run, { repeatAfterConnectionLoss: true });
  }

  async findEmpty(hubId: number, page: { readonly after: InstanceKey; readonly limit: number }) {
    const rows = await this.#runner.rows<{ key: string; fence: string }>(this.#sql.findEmpty, [
      hubId,
      page.after,
      page.limit,
    ]);
    return rows.map((row): EmptyEntity => ({ key: row.key, fence: Number(row.fence) }));
  }

  async findOrphanedLocks(hubId: number, page: { readonly after: InstanceKey; readonly limit: number }) {
    const rows = await this.#runner.rows<
      Omit<RecordRow, 'instance_key'> & { readonly key: string; readonly instance_id: string }
    >(this.#sql.findOrphans, [hubId, page.after, page.limit]);
    return rows.flatMap((row) => {
      const lock = toLock(row);
      return lock === null ? [] : [{ key: row.key, instanceId: row.instance_id, lock }];
    });
  }

  async findUnregistered(request: { readonly hubId: number; readonly graceMs: number }): Promise<readonly string[]> {
    const rows = await this.#runner.rows<{ name: string }>(this.#sql.unregistered, [request.hubId, request.graceMs]);
    return rows.map((row) => row.name);
  }
}

interface Bad {
  readonly id: string;
  readonly reason: string;
}

function toTold(row: CommitRow) {
  return { key: row.key, visibleAt: row.committed_at };
}

function toOutcome(row: CommitRow, told: readonly ReturnType<typeof toTold>[]): CommitOutcome {
  return {
    kind: 'committed',
    key: row.key,
    sequence: Number(row.sequence),
    inboxWaiting: row.inbox_waiting,
    committedAt: row.committed_at,
    told,
  };
}

function toRecord(row: RecordRow): EntityRecord {
  return { state: row.state, lock: toLock(row), parked: row.parked };
}

type LockColumns = Pick<RecordRow, 'locked_by' | 'locked_by_execution' | 'critical_section'>;

function toLock({
  locked_by: by,
  locked_by_execution: execution,
  critical_section: section,
}: LockColumns): EntityLock | null {
  if (by === null || section === null) return null;
  return { criticalSectionId: section, instanceId: by, executionId: execution ?? '' };
}
