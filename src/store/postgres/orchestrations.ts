/**
 * What workers do with instances before and beside their turns: claim, read, give up. Writing turns is next door in
 * `turn-commits.ts`, the activities queue in `activities.ts`, what clients do in `instances.ts`.
 */
import { getHeapStatistics } from 'node:v8';
import type { Claim, ClaimContents, InstanceKey, WorkerId } from '../../model/work.ts';
import type { ExecutionStarted, HistoryEvent } from '../../model/history.ts';
import type { Tags } from '../../model/instance.ts';
import type { Message } from '../../model/work.ts';
import type { InstanceClaim, WorkerStore } from '../store.ts';
import { compareKeys } from './turn-commits.ts';
import { again } from './again.ts';
import { toClaim, toEvents, toMessage, toParent, type ClaimRow, type MessageRow } from './rows.ts';
import {
  lowerNames,
  nowMs,
  ownLeaseHolds,
  statement,
  strikesOf,
  suspectFilter,
  type Runner,
  type Statement,
  type Tables,
} from './sql.ts';

/** Messages that one turn takes at most; more wait for the next. */
const maxMessagesPerTurn = 1_000;

const claimColumns = `e.instance_key as key, i.instance_id, e.name, i.version, e.execution_id, e.status, e.sequence,
         e.crash_count, e.custom_status, i.parent, i.trace_context`;

/**
 * The visible messages of the instances ($1), so many of each ($2) in order; one row at least for each. They end with the one
 * that goes beyond a size ($3): it is there without its event, unless the reader takes it whatever its size ($4). Lengths
 * are known without reading what is stored apart.
 */
export function readMessagesText(t: Tables): string {
  return `select k.key as instance_key, m.id, m.execution_id, ${nowMs} as now,
       case when m.upto <= $3::bigint or $4::bool then m.event end as event,
       floor(extract(epoch from m.visible_at) * 1000)::float8 as visible_at
     from unnest($1::bigint[], $2::int[]) as k (key, take)
     left join lateral (
       select m.*, sum(octet_length(m.event)) over (order by m.id rows unbounded preceding) as upto from ${t.messages} m
       where m.instance_key = k.key and m.visible_at <= now()
       order by m.id
       limit k.take
     ) m on m.upto - octet_length(m.event) < $3::bigint
     order by k.key, m.id`;
}

/** What the messages, and the history, of one of many instances may have that are read together, in bytes. */
export const lightBytes = 262_144;
/** What is taken at once of the inbox of an instance that is read alone; less of a small heap. One message at least is taken. */
export const heavyBytes = Math.min(32 * 1_048_576, Math.floor(getHeapStatistics().heap_size_limit / 16));

/** Leaves instances alone whose version is not served (a parameter). Only for workers that have met one: it costs a look each. */
function servedOnly(t: Tables, parameter: string): string {
  return `and not exists (
           select 1 from ${t.instances} i
           where i.key = e.instance_key and lower(i.name) || E'\n' || coalesce(i.version, '') = any(${parameter}::text[])
         )`;
}

function claimText(t: Tables, filter: string): string {
  return `with ready as (
         select e.instance_key
         from ${t.messages} m
         join ${t.executions} e on e.instance_key = m.instance_key
         where m.hub_id = $2 and m.visible_at <= now() and e.owner is null
           and lower(e.name) = any(${lowerNames}) and ${ownLeaseHolds(t)} ${filter}
         order by m.visible_at
         limit $4
         for no key update of e skip locked
       )
       update ${t.executions} e set owner = $1
       from (select distinct instance_key from ready) r
       cross join lateral (select * from ${t.instances} i where i.key = r.instance_key limit 1) i
       where e.instance_key = r.instance_key and e.owner is null
       returning ${claimColumns}`;
}

function takeOverText(t: Tables, filter: string): string {
  return `with dead as (
         select id, blameless from ${t.workers} where hub_id = $2 and expires_at <= now()
       ), orphans as (
         select e.instance_key, case when w.blameless then 0 else 1 end as crashes
         from ${t.executions} e join dead w on w.id = e.owner
         where e.owner in (select id from dead) and e.hub_id = $2 and ${suspectFilter('$5', 'e', 'w')}
           and lower(e.name) = any(${lowerNames}) and ${ownLeaseHolds(t)} ${filter}
         limit $4
         for no key update of e skip locked
       )
       update ${t.executions} e
       set owner = $1, sequence = e.sequence + 1, crash_count = e.crash_count + o.crashes
       from orphans o
       cross join lateral (select * from ${t.instances} i where i.key = o.instance_key limit 1) i
       where e.instance_key = o.instance_key and e.owner in (select id from dead)
       returning ${claimColumns}, ${strikesOf(t, { key: 'e.instance_key', id: 'e.execution_id' })} as strikes`;
}

function statements(t: Tables) {
  return {
    // Walks messages_ready in order of visibility and locks the executions it may take, skipping those that another
    // worker is taking. Several messages of one instance count several times toward the limit, which only makes a
    // claim smaller.
    claim: statement('claim', claimText(t, '')),
    claimServed: statement('claim_served', claimText(t, servedOnly(t, '$5'))),
    // An orphan needs no messages: its local activities are lost with its owner. Raising the sequence shuts the dead
    // worker out even when it is only paused.
    takeOver: statement('take_over', takeOverText(t, '')),
    takeOverServed: statement('take_over_served', takeOverText(t, servedOnly(t, '$6'))),
    orphanVersions: statement(
      'orphan_versions',
      `select distinct lower(i.name) as name, i.version
       from ${t.workers} w
       join ${t.executions} e on e.owner = w.id
       join ${t.instances} i on i.key = e.instance_key
       where w.hub_id = $1 and w.expires_at <= now() and e.hub_id = $1
         and lower(e.name) in (select lower(n) from unnest($2::text[]) n)`,
    ),
    takeBack: statement(
      'take_back',
      `update ${t.executions} e
       set sequence = e.sequence + 1, crash_count = e.crash_count + 1
       from unnest($2::bigint[]) as k (key)
       cross join lateral (select * from ${t.instances} i where i.key = k.key limit 1) i
       where e.instance_key = k.key and coalesce(e.owner, 0) = $1
       returning ${claimColumns}`,
    ),
    // For an instance that its starter's worker took at once and lost: its start was never a message. That of a scheduled
    // one is a message that is not visible yet, and so may be that of an execution that continues another, by a clock set back.
    readStart: statement(
      'read_start',
      `select i.name, i.execution_id, i.version, i.input, i.tags, i.parent from ${t.instances} i
       where i.key = $1 and (i.scheduled_start_at is null or i.scheduled_start_at <= now())
         and not exists (select 1 from ${t.messages} m where m.instance_key = $1 and m.execution_id = i.execution_id)`,
    ),
    readMessages: statement('read_messages', readMessagesText(t)),
    readHistory: statement(
      'read_history',
      `select h.instance_key, case when h.upto <= $2::bigint then h.events end as events
       from unnest($1::bigint[]) as k (key)
       cross join lateral (select * from ${t.executions} e where e.instance_key = k.key limit 1) e
       cross join lateral (
         select h.*, sum(octet_length(h.events)) over (order by h.sequence rows unbounded preceding) as upto
         from ${t.history} h where h.instance_key = k.key and h.sequence > e.first_sequence order by h.sequence
       ) h
       where h.upto - octet_length(h.events) < $2::bigint
       order by h.instance_key, h.sequence`,
    ),
    // Activities whose end waits in the inbox: by how a message begins, as it may be long.
    readEndedTasks: statement(
      'read_ended_tasks',
      `select m.instance_key, m.task::int as task_scheduled_id
       from unnest($1::bigint[]) as k (key)
       cross join lateral (select * from ${t.executions} e where e.instance_key = k.key limit 1) e
       cross join lateral (
         select m.instance_key,
           substring(left(m.event, 80) from '^{"type":"Task(?:Completed|Failed)","taskScheduledId":([0-9]+)') as task
         from ${t.messages} m
         where m.instance_key = k.key and m.visible_at <= now()
           and (m.execution_id is null or m.execution_id = e.execution_id)
         offset 0
       ) m
       where m.task is not null`,
    ),
    readQueuedTasks: statement(
      'read_queued_tasks',
      `select q.instance_key, q.task_scheduled_id
       from unnest($1::bigint[]) as k (key)
       cross join lateral (select * from ${t.executions} e where e.instance_key = k.key limit 1) e
       cross join lateral (
         select * from ${t.tasks} q where q.instance_key = k.key and q.execution_id = e.execution_id offset 0
       ) q`,
    ),
    discard: statement(
      'discard_messages',
      `with moved as (
         update ${t.executions} e set owner = case when d.keep then e.owner end
         from unnest($2::bigint[], $3::bigint[], $6::bool[]) as d (key, fence, keep)
         where e.instance_key = d.key and e.sequence = d.fence and coalesce(e.owner, 0) = $1
         returning e.instance_key as key
       )
       delete from ${t.messages} m
       using moved, unnest($4::bigint[], $5::bigint[]) as c (key, id)
       where m.instance_key = c.key and m.id = c.id and moved.key = c.key`,
    ),
    sweep: statement(
      'sweep_messages',
      `delete from ${t.messages} m
       where m.hub_id = $1 and m.visible_at <= now()
         and not exists (select 1 from ${t.executions} e where e.instance_key = m.instance_key)`,
    ),
  };
}

interface Contents {
  readonly messages: Message[];
  readonly history: HistoryEvent[];
  readonly queuedTaskIds: number[];
  unreadable?: string;
  isHeavy?: boolean;
}

function emptyContents(): Contents {
  return { messages: [], history: [], queuedTaskIds: [] };
}

/** A row that cannot be read is the misfortune of its own instance, not of those that are read with it (P10). */
function take(contents: Contents | undefined, read: (contents: Contents) => void): void {
  if (contents === undefined) return;
  try {
    read(contents);
  } catch (error) {
    contents.unreadable = error instanceof Error ? error.message : String(error);
  }
}

/** Others are read with it: that comes when it is read alone. */
function tooMuch(contents: Contents | undefined): void {
  if (contents !== undefined) contents.isHeavy = true;
}

/** A row for each instance at least: one without a message where the inbox is empty. */
export type InboxRow = (
  MessageRow | { readonly instance_key: string; readonly id: string | null; readonly event: null }
) & { readonly now: number };

export function hasMessage(row: InboxRow): row is MessageRow & { readonly now: number } {
  return row.event !== null;
}

export class Orchestrations {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async claim(request: InstanceClaim): Promise<readonly Claim[]> {
    const { workerId, hubId, names, limit, without = [], suspects = 'all' } = request;
    const sql = this.#sql;
    const [takeOver, claim] = without.length === 0 ? [sql.takeOver, sql.claim] : [sql.takeOverServed, sql.claimServed];
    const left = without.length === 0 ? [] : [without];
    const orphans = request.includeDeadOwners
      ? (await this.#runner.rows<ClaimRow>(takeOver, [workerId, hubId, names, limit, suspects, ...left])).map((row) =>
          toClaim(row, true),
        )
      : [];
    const room = limit - orphans.length;
    // Suspects are among what dead workers left.
    if (room <= 0 || suspects === 'only') return orphans;
    const ready = await this.#runner.rows<ClaimRow>(claim, [workerId, hubId, names, room, ...left]);
    return [...orphans, ...ready.map((row) => toClaim(row, false))];
  }

  orphanVersions(request: {
    readonly hubId: number;
    readonly names: readonly string[];
  }): Promise<readonly { readonly name: string; readonly version: string | null }[]> {
    return this.#runner.rows(this.#sql.orphanVersions, [request.hubId, request.names]);
  }

  async takeBack(workerId: WorkerId, keys: readonly InstanceKey[]): Promise<readonly Claim[]> {
    const sorted = [...keys].sort(compareKeys);
    return (await this.#runner.rows<ClaimRow>(this.#sql.takeBack, [workerId, sorted])).map((row) => toClaim(row, true));
  }

  async read(requests: Parameters<WorkerStore['readClaimed']>[0]): Promise<readonly ClaimContents[]> {
    const isWhole = requests.some((request) => request.whole === true);
    const cold = requests.filter((request) => request.withHistory).map((request) => request.key);
    const orphans = requests.filter((request) => request.withTasks).map((request) => request.key);
    // One after the other: a task that completes in between is then seen twice rather than not at all.
    const queued = await this.#readTasks(this.#sql.readQueuedTasks, orphans);
    const ended = await this.#readTasks(this.#sql.readEndedTasks, orphans);
    const [messages, history] = await Promise.all([
      this.#runner.rows<InboxRow>(this.#sql.readMessages, [
        requests.map((request) => request.key),
        requests.map(() => maxMessagesPerTurn),
        isWhole ? heavyBytes : lightBytes,
        isWhole,
      ]),
      cold.length === 0
        ? []
        : this.#runner.rows<{ instance_key: string; events: string | null }>(this.#sql.readHistory, [
            cold,
            isWhole ? Number.MAX_SAFE_INTEGER : lightBytes,
          ]),
    ]);
    const contents = new Map(requests.map((request) => [request.key, emptyContents()]));
    let readAt = 0;
    for (const row of messages) {
      readAt = row.now;
      if (hasMessage(row)) take(contents.get(row.instance_key), (found) => found.messages.push(toMessage(row)));
      else if (row.id !== null) tooMuch(contents.get(row.instance_key));
    }
    for (const { instance_key: key, events } of history) {
      if (events === null) tooMuch(contents.get(key));
      else {
        take(contents.get(key), (found) => {
          for (const event of toEvents(events)) found.history.push(event);
        });
      }
    }
    for (const row of [...queued, ...ended]) contents.get(row.instance_key)?.queuedTaskIds.push(row.task_scheduled_id);
    return [...contents].map(([key, found]) => ({ key, ...found, readAt }));
  }

  async #readTasks(what: Statement, orphans: readonly InstanceKey[]) {
    if (orphans.length === 0) return [];
    return this.#runner.rows<{ instance_key: string; task_scheduled_id: number }>(what, [orphans]);
  }

  async readStart(key: InstanceKey): Promise<Omit<ExecutionStarted, 'timestamp'> | undefined> {
    const [row] = await this.#runner.rows<{
      readonly name: string;
      readonly execution_id: string;
      readonly version: string | null;
      readonly input: string | null;
      readonly tags: Tags | null;
      readonly parent: string | null;
    }>(this.#sql.readStart, [key]);
    if (row === undefined) return undefined;
    const parent = toParent(row.parent);
    return {
      type: 'ExecutionStarted',
      name: row.name,
      executionId: row.execution_id,
      ...(row.input === null ? {} : { input: row.input }),
      ...(row.version === null ? {} : { version: row.version }),
      ...(row.tags === null ? {} : { tags: row.tags }),
      ...(parent === null ? {} : { parent }),
    };
  }

  async discard(workerId: WorkerId, discards: Parameters<WorkerStore['discardMessages']>[1]): Promise<void> {
    const sorted = [...discards].sort((a, b) => compareKeys(a.key, b.key));
    const messages = sorted.flatMap((discard) => discard.messageIds.map((id) => ({ key: discard.key, id })));
    const values = [
      workerId,
      sorted.map((discard) => discard.key),
      sorted.map((discard) => discard.fence),
      messages.map((message) => message.key),
      messages.map((message) => message.id),
      sorted.map((discard) => discard.keepOwnership),
    ];
    // The second time finds nothing left to do.
    await again(() => this.#runner.rows(this.#sql.discard, values), { repeatAfterConnectionLoss: true });
  }

  async sweep(hubId: number): Promise<void> {
    await this.#runner.rows(this.#sql.sweep, [hubId]);
  }
}
