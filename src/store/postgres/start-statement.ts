/** The text and the values of the statement that stores new instances; sent by `instances.ts`. */
import type { InstanceStart } from '../store.ts';
import { toHistoryText, toMessageText } from './rows.ts';
import { randomUUID } from 'node:crypto';
import { joinJson, joinNumbers, jsonTexts, statement, type Statement, type Tables } from './sql.ts';

/** Gives the statement for a batch, without what none of it has: start messages, first turns, tags, traces. */
export function startStatements(
  t: Tables,
): (starts: readonly InstanceStart[]) => { readonly sql: Statement; readonly values: readonly unknown[] } {
  const made = new Map<string, Statement>();
  const lone = statement('start_instance', loneText(t));
  return (starts) => {
    const [only] = starts;
    if (starts.length === 1 && only?.firstTurn && !only.tags && only.trace === undefined)
      return { sql: lone, values: loneValues(only) };
    const parts = {
      sends: starts.some((start) => start.owner === null),
      runs: starts.some((start) => Boolean(start.firstTurn)),
      tagged: starts.some((start) => Boolean(start.tags)),
      traced: starts.some((start) => start.trace !== undefined),
    };
    const name = `start_instances${parts.sends ? '_s' : ''}${parts.runs ? '_r' : ''}${parts.tagged ? '_t' : ''}${parts.traced ? '_c' : ''}`;
    const sql = made.get(name) ?? statement(name, startText(t, parts));
    made.set(name, sql);
    return { sql, values: startValues(starts, parts) };
  };
}

interface Parts {
  readonly sends: boolean;
  readonly runs: boolean;
  readonly tagged: boolean;
  readonly traced: boolean;
}

/**
 * Sorted by id, so that two batches that create the same ids wait for each other in one order. A start that a worker of
 * this process takes at once is born owned and needs no message; its first turn, when it left nothing but events, is
 * its first history row (one commit of seven less for five activities in a row). Under an ended lease it is not stored
 * here.
 */
function startText(t: Tables, { sends, runs, tagged, traced }: Parts): string {
  let taken = 9;
  const next = (): string => `$${(taken += 1)}`;
  const [event, turn, custom, begunAt, commitId] = [
    ...(sends ? [next()] : ['']),
    ...(runs ? [next(), next(), next(), next()] : ['', '', '', '']),
  ];
  const tags = tagged ? next() : '';
  const trace = traced ? next() : '';
  return `with input as materialized (
      select * from unnest($1::int[], ${jsonTexts('$2')}, $3::text[], $4::text[], $5::text[], ${jsonTexts('$6')}, $7::timestamptz[], $8::bigint[], $9::bool[]${sends ? `, ${jsonTexts(`${event}`)}` : ''}${runs ? `, ${jsonTexts(`${turn}`)}, ${jsonTexts(`${custom}`)}, ${begunAt}::float8[]` : ''}${tagged ? `, ${jsonTexts(tags)}` : ''}${traced ? `, ${trace}::text[]` : ''})
        as n (hub_id, instance_id, name, version, execution_id, input, start_at, owner, keep${sends ? ', event' : ''}${runs ? ', events, custom_status, begun_at' : ''}${tagged ? ', tags' : ''}${traced ? ', trace_context' : ''})
      where n.owner is null or exists (select 1 from ${t.workers} w where w.id = n.owner and w.expires_at > now())
    ), created as (
      insert into ${t.instances} (hub_id, instance_id, name, version, execution_id, input, scheduled_start_at${runs ? ', created_at' : ''}${tagged ? ', tags' : ''}${traced ? ', trace_context' : ''})
      select n.hub_id, n.instance_id, n.name, n.version, n.execution_id, n.input, n.start_at${runs ? ', coalesce(to_timestamp(n.begun_at / 1000), now())' : ''}${tagged ? ', n.tags::jsonb' : ''}${traced ? ', n.trace_context' : ''}
      from input n
      on conflict (hub_id, instance_id) do nothing
      returning key, hub_id, instance_id
    ), born as materialized (
      select c.key, n.* from created c join input n on n.hub_id = c.hub_id and n.instance_id = c.instance_id
    ), begun as (
      insert into ${t.executions} (instance_key, hub_id, name, execution_id, owner, status${runs ? ', sequence, custom_status' : ''})
      select key, hub_id, name, execution_id, case when keep then owner end, ${runs ? "case when events is null then 'Pending' else 'Running' end, case when events is null then 0 else 1 end, custom_status" : "'Pending'"}
      from born
    )${
      runs
        ? `, appended as (
      insert into ${t.history} (instance_key, sequence, commit_id, events)
      select key, 1, ${commitId}::uuid, events from born where events is not null
    )`
        : ''
    }${
      sends
        ? `, sent as (
      insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, event)
      select key, hub_id, greatest(start_at, now()), execution_id, event from born where owner is null
    )`
        : ''
    }
    select key, hub_id, instance_id from created`;
}

/** One start with a first turn, no tags and no trace, by itself: the same without arrays to unnest and to join. */
function loneText(t: Tables): string {
  return `with created as (
      insert into ${t.instances} (hub_id, instance_id, name, version, execution_id, input, scheduled_start_at, created_at)
      select $1::int, $2::text, $3::text, $4::text, $5::text, $6::text, $7::timestamptz, to_timestamp($8::float8 / 1000)
      where exists (select 1 from ${t.workers} w where w.id = $9::bigint and w.expires_at > now())
      on conflict (hub_id, instance_id) do nothing
      returning key, hub_id, instance_id
    ), begun as (
      insert into ${t.executions} (instance_key, hub_id, name, execution_id, owner, status, sequence, custom_status)
      select key, hub_id, $3, $5, case when $10::bool then $9::bigint end, 'Running', 1, $11::text from created
    ), appended as (
      insert into ${t.history} (instance_key, sequence, commit_id, events)
      select key, 1, $12::uuid, $13::text from created
    )
    select key, hub_id, instance_id from created`;
}

function loneValues(start: InstanceStart): readonly unknown[] {
  const { firstTurn } = start;
  return [
    ...[
      start.hubId,
      start.instanceId,
      start.name,
      start.version,
      start.executionId,
      start.input,
      start.scheduledStartAt,
    ],
    ...[firstTurn?.events[0]?.timestamp, start.owner, firstTurn?.keepOwnership, firstTurn?.customStatus, randomUUID()],
    firstTurn && toHistoryText(firstTurn.events),
  ];
}

function startValues(starts: readonly InstanceStart[], { sends, runs, tagged, traced }: Parts): readonly unknown[] {
  const turns = starts.map((start) => start.firstTurn ?? null);
  return [
    joinNumbers(starts.map((start) => start.hubId)),
    // Ids hold no control characters.
    joinJson(starts.map((start) => start.instanceId)),
    starts.map((start) => start.name),
    starts.map((start) => start.version),
    starts.map((start) => start.executionId),
    joinJson(starts.map((start) => start.input)),
    starts.map((start) => start.scheduledStartAt),
    starts.map((start) => start.owner),
    joinNumbers(turns.map((turn) => (turn?.keepOwnership === false ? 'f' : 't'))),
    // No worker reads the message of a start that was taken.
    ...(sends ? [joinJson(starts.map((start) => (start.owner === null ? toMessageText(start.event) : null)))] : []),
    ...(runs
      ? [
          joinJson(turns.map((turn) => (turn === null ? null : toHistoryText(turn.events)))),
          joinJson(turns.map((turn) => turn?.customStatus ?? null)),
          turns.map((turn) => turn?.events[0]?.timestamp ?? null),
          randomUUID(),
        ]
      : []),
    ...(tagged ? [joinJson(starts.map(({ tags }) => (tags ? JSON.stringify(tags) : null)))] : []),
    ...(traced ? [starts.map((start) => start.trace ?? null)] : []),
  ];
}
