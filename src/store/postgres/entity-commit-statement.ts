/**
 * The statement that writes batches of entities: many in one, each under its own fence, with the parts that the batches
 * need. Sent by `entity-commits.ts`; orchestrations' turns are in `turn-commits.ts`.
 */
import { parseEntityId, entityExecutionName } from '../../model/entity-id.ts';
import type { EntityCommit, EntityRequest } from '../../model/entity-work.ts';
import type { WorkerId } from '../../model/work.ts';
import { toMessageText } from './rows.ts';
import { joinJson, joinNumbers, jsonTexts, nowMs, statement, type Statement, type Tables } from './sql.ts';

export interface CommitRow {
  readonly kind: 'moved' | 'told';
  readonly key: string;
  readonly sequence: string;
  readonly committed_at: number;
  readonly inbox_waiting: boolean;
}

/**
 * Parts that deliver messages to entities, which are created on the way. `entity_outgoing` (ord, hub_id, instance_id, name,
 * visible_at, event) comes before them. KEY SHARE keeps an entity from disappearing until the message is in; nothing of
 * an entity is updated here (decision 10). Entities are created in the order of their ids: two statements that create
 * the same ones wait for each other in one order, and the one that was second is repeated (`known_key`).
 */
export function deliverToEntities(t: Tables): string {
  return `target as materialized (
      select o.*, i.key as found
      from entity_outgoing o
      left join lateral (
        select i.key from ${t.instances} i where i.hub_id = o.hub_id and i.instance_id = o.instance_id limit 1 for key share
      ) i on true
    ), entity_made as (
      insert into ${t.instances} (hub_id, instance_id, name, execution_id)
      select m.hub_id, m.instance_id, m.name, replace(gen_random_uuid()::text, '-', '')
      from (select distinct hub_id, instance_id, name from target where found is null) m
      order by m.instance_id
      on conflict (hub_id, instance_id) do nothing
      returning key, hub_id, instance_id, name, execution_id
    ), entity_begun as (
      insert into ${t.executions} (instance_key, hub_id, name, execution_id, status)
      select key, hub_id, name, execution_id, 'Running' from entity_made
    ), delivered as (
      insert into ${t.messages} (instance_key, hub_id, visible_at, event)
      select ${t.knownKey}(coalesce(o.found, m.key)), o.hub_id, greatest(o.visible_at, now()), o.event
      from target o left join entity_made m on m.hub_id = o.hub_id and m.instance_id = o.instance_id
      order by o.ord
      returning instance_key, visible_at
    )`;
}

/** What {@link deliverToEntities} gets, from arrays of parameters. */
export function entityTargets(messages: readonly { readonly instanceId: string; readonly event: EntityRequest }[]) {
  return {
    ids: messages.map((message) => message.instanceId),
    names: messages.map(({ instanceId }) => entityExecutionName(parseEntityId(instanceId)?.name ?? '')),
    times: joinNumbers(messages.map(({ event }) => dueAt(event) ?? 0)),
    events: joinJson(messages.map(({ event }) => toMessageText(event))),
  };
}

function dueAt(event: EntityRequest): number | undefined {
  return event.type === 'EntityOperationSignaled' ? event.scheduledTime : undefined;
}

/** Numbers parameters in the order in which a text names them. */
class Parameters {
  readonly values: unknown[] = [];

  readonly add = (value: unknown): string => {
    this.values.push(value);
    return `$${this.values.length}`;
  };
}

/** @param commits sorted by key (decision 10) */
export function entityCommit(
  t: Tables,
  request: { readonly workerId: WorkerId; readonly commitId: string; readonly commits: readonly EntityCommit[] },
): { readonly statement: Statement; readonly values: readonly unknown[] } {
  const { commits, workerId, commitId } = request;
  const parts = [moved(t, workerId, commits), saved(t, commitId)];
  const parameters = new Parameters();
  const told: string[] = [];
  let name = 'commit_entities';
  const add = (letter: string, part: Part): void => {
    name += `_${letter}`;
    parts.push(part);
  };
  const consumed = commits.flatMap((commit) => commit.consumedMessages.map((id) => ({ key: commit.key, id })));
  if (consumed.length > 0) add('c', consumedPart(t, consumed));
  const parked = commits.flatMap((commit) => commit.parkedMessages.map((id) => ({ key: commit.key, id })));
  if (parked.length > 0) add('p', parkedPart(t, parked));
  if (commits.some((commit) => commit.unpark)) add('u', unparkedPart(t));
  const outgoing = commits.flatMap((commit) => commit.outgoing.map((message) => ({ key: commit.key, ...message })));
  const toEntities = outgoing.filter((message) => message.kind === 'entity');
  if (toEntities.length > 0) {
    add('e', toEntitiesPart(t, toEntities));
    told.push('delivered');
  }
  const replies = outgoing.filter((message) => message.kind === 'orchestration');
  if (replies.length > 0) {
    add('r', repliesPart(t, replies));
    told.push('replied');
  }
  const starts = commits.flatMap((commit) => commit.starts.map((start) => ({ key: commit.key, ...start })));
  if (starts.length > 0) {
    add('s', startsPart(t, starts));
    told.push('sent_starts');
  }
  const text = `with ${parts.map((part) => part(parameters.add)).join(', ')}
    select 'moved' as kind, moved.key, moved.fence + 1 as sequence, ${nowMs} as committed_at,
      moved.unpark or exists (
        select 1 from ${t.messages} m
        where m.instance_key = moved.key and m.visible_at <= now()
        offset moved.handled
      ) as inbox_waiting
    from moved
    ${told.map((from) => `union all select distinct 'told', instance_key, 0, floor(extract(epoch from visible_at) * 1000)::float8, true from ${from}`).join('\n')}`;
  return { statement: statement(name, text), values: parameters.values };
}

type Part = (add: (value: unknown) => string) => string;

/** The fence, as for turns: an update that happens only while sequence and owner are those of the batch. */
function moved(t: Tables, workerId: WorkerId, commits: readonly EntityCommit[]): Part {
  return ($) => `batch as materialized (
      select * from unnest(${$(joinNumbers(commits.map((commit) => commit.key)))}::bigint[],
        ${$(joinNumbers(commits.map((commit) => commit.fence)))}::bigint[],
        ${jsonTexts($(joinJson(commits.map((commit) => commit.record.state))))},
        ${$(commits.map((commit) => commit.record.lock?.instanceId ?? null))}::text[],
        ${$(commits.map((commit) => commit.record.lock?.executionId ?? null))}::text[],
        ${$(commits.map((commit) => commit.record.lock?.criticalSectionId ?? null))}::text[],
        ${$(joinNumbers(commits.map((commit) => commit.record.parked)))}::int[],
        ${$(commits.map((commit) => commit.keepOwnership))}::bool[],
        ${$(joinNumbers(commits.map((commit) => commit.consumedMessages.length + commit.parkedMessages.length)))}::int[],
        ${$(commits.map((commit) => commit.unpark))}::bool[])
        as b (key, fence, state, locked_by, locked_by_execution, critical_section, parked, keep, handled, unpark)
    ), moved as (
      update ${t.executions} e
      set sequence = e.sequence + 1, owner = case when b.keep then e.owner end, crash_count = 0,
          last_updated_at = greatest(e.last_updated_at, now())
      from batch b
      where e.instance_key = b.key and e.sequence = b.fence and coalesce(e.owner, 0) = ${$(workerId)}::bigint
      returning e.hub_id, b.*
    )`;
}

function saved(t: Tables, commitId: string): Part {
  return ($) => `saved as (
      insert into ${t.entities} as n
        (instance_key, hub_id, state, locked_by, locked_by_execution, critical_section, parked, commit_id)
      select key, hub_id, state, locked_by, locked_by_execution, critical_section, parked, ${$(commitId)}::uuid from moved
      on conflict (instance_key) do update
      set state = excluded.state, locked_by = excluded.locked_by, locked_by_execution = excluded.locked_by_execution,
          critical_section = excluded.critical_section, parked = excluded.parked, commit_id = excluded.commit_id
    )`;
}

interface OfKey {
  readonly key: string;
}

function consumedPart(t: Tables, messages: readonly (OfKey & { readonly id: string })[]): Part {
  return ($) => `consumed as (
      delete from ${t.messages} m
      using unnest(${$(joinNumbers(messages.map((message) => message.key)))}::bigint[],
        ${$(joinNumbers(messages.map((message) => message.id)))}::bigint[]) as c (key, id), moved
      where moved.key = c.key and m.instance_key = c.key and m.id = c.id
    )`;
}

function parkedPart(t: Tables, messages: readonly (OfKey & { readonly id: string })[]): Part {
  return ($) => `parked as (
      update ${t.messages} m set visible_at = 'infinity', arrived_at = m.visible_at
      from unnest(${$(joinNumbers(messages.map((message) => message.key)))}::bigint[],
        ${$(joinNumbers(messages.map((message) => message.id)))}::bigint[]) as c (key, id), moved
      where moved.key = c.key and m.instance_key = c.key and m.id = c.id
    )`;
}

function unparkedPart(t: Tables): Part {
  return () => `unparked as (
      update ${t.messages} m set visible_at = m.arrived_at, arrived_at = null
      from moved
      where moved.unpark and m.instance_key = moved.key and m.arrived_at is not null
    )`;
}

function toEntitiesPart(
  t: Tables,
  messages: readonly (OfKey & { readonly instanceId: string; readonly event: EntityRequest })[],
): Part {
  const { ids, names, times, events } = entityTargets(messages);
  return ($) => `entity_outgoing as materialized (
      select o.ord, moved.hub_id, o.instance_id, o.name, to_timestamp(o.due / 1000.0) as visible_at, o.event
      from unnest(${$(joinNumbers(messages.map((message) => message.key)))}::bigint[], ${$(ids)}::text[], ${$(names)}::text[],
        ${$(times)}::float8[], ${jsonTexts($(events))}) with ordinality as o (key, instance_id, name, due, event, ord)
      join moved on moved.key = o.key
    ), ${deliverToEntities(t)}`;
}

/** For one execution: what has ended since, or continued as new, wants no answer. */
function repliesPart(
  t: Tables,
  messages: readonly (OfKey & { readonly instanceId: string; readonly executionId: string; readonly event: object })[],
): Part {
  return ($) => `replied as (
      insert into ${t.messages} (instance_key, hub_id, execution_id, event)
      select e.instance_key, e.hub_id, e.execution_id, o.event
      from unnest(${$(joinNumbers(messages.map((message) => message.key)))}::bigint[],
        ${$(messages.map((message) => message.instanceId))}::text[],
        ${$(messages.map((message) => message.executionId))}::text[],
        ${jsonTexts($(joinJson(messages.map((message) => toMessageText(message.event)))))})
        with ordinality as o (key, instance_id, execution_id, event, ord)
      join moved on moved.key = o.key
      cross join lateral (
        select i.key from ${t.instances} i where i.hub_id = moved.hub_id and i.instance_id = o.instance_id limit 1
      ) i
      cross join lateral (select * from ${t.executions} e where e.instance_key = i.key limit 1) e
      where e.execution_id = o.execution_id
      order by o.ord
      returning instance_key, visible_at
    )`;
}

/** A live instance of the id is left alone, and so is one that has ended: nobody asked for its end to be forgotten. */
function startsPart(t: Tables, starts: readonly (OfKey & EntityCommit['starts'][number])[]): Part {
  return ($) => `start as materialized (
      select distinct on (moved.hub_id, s.instance_id) moved.hub_id, s.*
      from unnest(${$(joinNumbers(starts.map((start) => start.key)))}::bigint[],
        ${$(starts.map((start) => start.instanceId))}::text[], ${$(starts.map((start) => start.event.name))}::text[],
        ${$(starts.map((start) => start.event.version ?? null))}::text[],
        ${$(starts.map((start) => start.event.executionId))}::text[],
        ${jsonTexts($(joinJson(starts.map((start) => start.event.input ?? null))))},
        ${$(starts.map((start) => startAt(start)))}::timestamptz[],
        ${jsonTexts($(joinJson(starts.map((start) => toMessageText(start.event)))))},
        ${jsonTexts($(joinJson(starts.map((start) => start.trace ?? null))))})
        with ordinality as s (key, instance_id, name, version, execution_id, input, start_at, event, trace, ord)
      join moved on moved.key = s.key
      order by moved.hub_id, s.instance_id, s.ord
    ), made as (
      insert into ${t.instances} (hub_id, instance_id, name, version, execution_id, input, scheduled_start_at, trace_context)
      select hub_id, instance_id, name, version, execution_id, input, start_at, trace from start order by instance_id
      on conflict (hub_id, instance_id) do nothing
      returning key, hub_id, instance_id, execution_id
    ), begun as (
      insert into ${t.executions} (instance_key, hub_id, name, execution_id, status)
      select m.key, m.hub_id, s.name, m.execution_id, 'Pending'
      from made m join start s on s.hub_id = m.hub_id and s.instance_id = m.instance_id
    ), sent_starts as (
      insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, event)
      select m.key, m.hub_id, greatest(s.start_at, now()), m.execution_id, s.event
      from made m join start s on s.hub_id = m.hub_id and s.instance_id = m.instance_id
      returning instance_key, visible_at
    )`;
}

function startAt({ event }: EntityCommit['starts'][number]): Date | null {
  return event.scheduledStartAt === undefined ? null : new Date(event.scheduledStartAt);
}
