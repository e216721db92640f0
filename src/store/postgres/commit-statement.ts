/**
 * The text and the values of the statement that writes turns. It names only what its batch has to do: a chain's turn has
 * no messages, no timers and no end, and every part that a statement carries for nothing costs it (measured: 0.50 ms for
 * one lone turn with all parts, 0.40 ms with those that it needs). What is sent when, and what answers mean, is in
 * `turn-commits.ts`.
 */
import { isTerminal } from '../../model/instance.ts';
import { eventOfTimer, type TurnCommit, type WorkerId } from '../../model/work.ts';
import { loneTurns } from './lone-turn.ts';
import { toHistoryTexts, toMessageText } from './rows.ts';
import { bornColumns, childColumns, childrenText, type ChildBatch } from './turn-children.ts';
import { messageColumns, messagesText, toldColumns, type MessageBatch } from './turn-messages.ts';
import {
  entityMessageColumns,
  entityMessagesText,
  toldEntityColumns,
  type EntityMessageBatch,
} from './turn-entity-messages.ts';
import { nextColumns, nextText, renewal, type NextBatch } from './turn-next.ts';
import { joinJson, joinNumbers, jsonTexts, nowMs, statement, type Statement, type Tables } from './sql.ts';

/** Turns of one statement, sorted by key, taken apart into what each part of it works on. */
export interface CommitBatch extends MessageBatch, EntityMessageBatch, ChildBatch, NextBatch {
  readonly workerId: WorkerId;
  readonly commitId: string;
  readonly moved: readonly SizedTurn[];
  readonly ended: readonly SizedTurn[];
  /** Whether some turn takes several history rows. */
  readonly split: boolean;
  readonly terminated: boolean;
  readonly consumed: readonly { readonly key: string; readonly id: string }[];
  readonly cancelled: readonly { readonly key: string; readonly timerId: number }[];
  readonly timers: readonly ({ readonly key: string } & TurnCommit['timers'][number])[];
  readonly cancelledTasks: readonly { readonly key: string; readonly taskId: number }[];
  readonly tasks: readonly ({ readonly key: string } & TurnCommit['queuedTasks'][number])[];
}

interface SizedTurn {
  readonly turn: TurnCommit;
  /** The history rows that it takes. */
  readonly texts: readonly string[];
}

/** @param turns sorted by key: two batches that meet wait for each other in one order (decision 10) */
export function toBatch(workerId: WorkerId, commitId: string, turns: readonly TurnCommit[]): CommitBatch {
  const moved: SizedTurn[] = [];
  const ended: SizedTurn[] = [];
  const consumed: CommitBatch['consumed'][number][] = [];
  const cancelled: CommitBatch['cancelled'][number][] = [];
  const timers: CommitBatch['timers'][number][] = [];
  const tasks: CommitBatch['tasks'][number][] = [];
  const cancelledTasks: CommitBatch['cancelledTasks'][number][] = [];
  const messages: CommitBatch['messages'][number][] = [];
  const entityMessages: CommitBatch['entityMessages'][number][] = [];
  const children: CommitBatch['children'][number][] = [];
  const next: CommitBatch['next'][number][] = [];
  let terminated = false;
  let split = false;
  for (const turn of turns) {
    const { key } = turn;
    const texts = toHistoryTexts(turn.events);
    const end = isTerminal(turn.status);
    (end ? ended : moved).push({ turn, texts });
    split ||= texts.length > 1;
    for (const task of turn.queuedTasks) tasks.push({ key, ...task });
    for (const taskId of turn.cancelledTasks ?? []) cancelledTasks.push({ key, taskId });
    for (const message of turn.messages) messages.push({ key, ...message });
    for (const message of turn.entityMessages ?? []) entityMessages.push({ key, ...message });
    for (const child of turn.children) children.push({ key, ...child });
    if (end) {
      // Its whole inbox goes: nothing has to be named.
      terminated ||= turn.status === 'Terminated';
      continue;
    }
    if (turn.next !== null) next.push({ key, sequence: turn.fence + texts.length, start: turn.next });
    for (const id of turn.consumedMessages) consumed.push({ key, id });
    for (const timerId of turn.cancelledTimers) cancelled.push({ key, timerId });
    for (const timer of turn.timers) timers.push({ key, ...timer });
  }
  return {
    workerId,
    commitId,
    moved,
    ended,
    split,
    terminated,
    consumed,
    cancelled,
    timers,
    tasks,
    cancelledTasks,
    messages,
    entityMessages,
    children,
    next,
  };
}

/** What the statement takes, by name; a text names some of them, in its own order. */
const columns = {
  worker: (b: CommitBatch) => b.workerId,
  commitId: (b: CommitBatch) => b.commitId,
  movedKeys: (b: CommitBatch) => joinNumbers(b.moved.map(({ turn }) => turn.key)),
  movedFences: (b: CommitBatch) => joinNumbers(b.moved.map(({ turn }) => turn.fence)),
  movedRows: (b: CommitBatch) => joinNumbers(b.moved.map(({ texts }) => texts.length)),
  movedStatuses: (b: CommitBatch) => joinJson(b.moved.map(({ turn }) => turn.status)),
  movedCustom: (b: CommitBatch) => joinJson(b.moved.map(({ turn }) => turn.customStatus)),
  movedKeep: (b: CommitBatch) => joinNumbers(b.moved.map(({ turn }) => (turn.keepOwnership ? 't' : 'f'))),
  movedConsumed: (b: CommitBatch) => joinNumbers(b.moved.map(({ turn }) => turn.consumedMessages.length)),
  endedKeys: (b: CommitBatch) => joinNumbers(b.ended.map(({ turn }) => turn.key)),
  endedFences: (b: CommitBatch) => joinNumbers(b.ended.map(({ turn }) => turn.fence)),
  endedRows: (b: CommitBatch) => joinNumbers(b.ended.map(({ texts }) => texts.length)),
  endedStatuses: (b: CommitBatch) => joinJson(b.ended.map(({ turn }) => turn.status)),
  endedCustom: (b: CommitBatch) => joinJson(b.ended.map(({ turn }) => turn.customStatus)),
  // JSON but for the reason of a termination, which is any text.
  endedOutputs: (b: CommitBatch) =>
    joinJson(b.ended.map(({ turn }) => (turn.status === 'Terminated' ? null : turn.output))),
  endedReasons: (b: CommitBatch) => b.ended.map(({ turn }) => (turn.status === 'Terminated' ? turn.output : null)),
  endedFailures: (b: CommitBatch) =>
    joinJson(b.ended.map(({ turn }) => (turn.failure === null ? null : JSON.stringify(turn.failure)))),
  movedTexts: (b: CommitBatch) => joinJson(b.moved.map(({ texts }) => texts[0] ?? null)),
  endedTexts: (b: CommitBatch) => joinJson(b.ended.map(({ texts }) => texts[0] ?? null)),
  partKeys: (b: CommitBatch) => joinNumbers(partsIn(b).map(({ key }) => key)),
  partNumbers: (b: CommitBatch) => joinNumbers(partsIn(b).map(({ part }) => part)),
  partTexts: (b: CommitBatch) => joinJson(partsIn(b).map(({ text }) => text)),
  consumedKeys: (b: CommitBatch) => joinNumbers(b.consumed.map(({ key }) => key)),
  consumedIds: (b: CommitBatch) => joinNumbers(b.consumed.map(({ id }) => id)),
  cancelledKeys: (b: CommitBatch) => joinNumbers(b.cancelled.map(({ key }) => key)),
  cancelledIds: (b: CommitBatch) => joinNumbers(b.cancelled.map(({ timerId }) => timerId)),
  timerKeys: (b: CommitBatch) => joinNumbers(b.timers.map(({ key }) => key)),
  timerIds: (b: CommitBatch) => joinNumbers(b.timers.map(({ timerId }) => timerId)),
  timerTimes: (b: CommitBatch) => joinNumbers(b.timers.map(({ fireAt }) => fireAt)),
  timerEvents: (b: CommitBatch) => joinJson(b.timers.map((timer) => toMessageText(eventOfTimer(timer)))),
  taskKeys: (b: CommitBatch) => joinNumbers(b.tasks.map(({ key }) => key)),
  taskNames: (b: CommitBatch) => b.tasks.map(({ name }) => name),
  taskIds: (b: CommitBatch) => joinNumbers(b.tasks.map(({ taskScheduledId }) => taskScheduledId)),
  taskAttempts: (b: CommitBatch) => joinNumbers(b.tasks.map(({ attempt }) => attempt)),
  taskFirstIds: (b: CommitBatch) => joinNumbers(b.tasks.map(({ firstScheduledId }) => firstScheduledId)),
  taskRedeliveries: (b: CommitBatch) => joinNumbers(b.tasks.map(({ redelivery }) => redelivery)),
  taskVersions: (b: CommitBatch) => b.tasks.map(({ version }) => version ?? null),
  taskTags: (b: CommitBatch) => joinJson(b.tasks.map(({ tags }) => (tags === undefined ? null : JSON.stringify(tags)))),
  taskInputs: (b: CommitBatch) => joinJson(b.tasks.map(({ input }) => input ?? null)),
  cancelledTaskKeys: (b: CommitBatch) => joinNumbers(b.cancelledTasks.map(({ key }) => key)),
  cancelledTaskIds: (b: CommitBatch) => joinNumbers(b.cancelledTasks.map(({ taskId }) => taskId)),
  movedExecutions: (b: CommitBatch) => b.moved.map(({ turn }) => turn.executionId),
  movedNext: (b: CommitBatch) => b.moved.map(({ turn }) => turn.next?.executionId ?? null),
  ...messageColumns,
  ...entityMessageColumns,
  ...childColumns,
  ...nextColumns,
} satisfies Record<string, (batch: CommitBatch) => unknown>;

type Column = keyof typeof columns;

/** All history rows of a batch, each with its number within its turn. */
function partsIn(
  batch: CommitBatch,
): readonly { readonly key: string; readonly part: number; readonly text: string }[] {
  return [...batch.moved, ...batch.ended].flatMap(({ turn, texts }) =>
    texts.map((text, index) => ({ key: turn.key, part: index + 1, text })),
  );
}

/** Gives each column that a text names its number. */
class Parameters {
  readonly named: Column[] = [];

  readonly $ = (column: Column): string => {
    const at = this.named.indexOf(column);
    return `$${at >= 0 ? at + 1 : this.named.push(column)}`;
  };
}

/** The parts that a batch needs beside the append, by the letters in the statement's name. */
function partsOf(batch: CommitBatch): string {
  return [
    batch.moved.length > 0 ? 'm' : '',
    batch.ended.length > 0 ? 'e' : '',
    batch.split ? 'p' : '',
    batch.terminated ? 'x' : '',
    batch.consumed.length > 0 ? 'c' : '',
    batch.cancelled.length > 0 ? 'd' : '',
    batch.timers.length > 0 ? 't' : '',
    batch.tasks.length > 0 ? 'q' : '',
    batch.tasks.some(({ tags }) => tags !== undefined) ? 'g' : '',
    batch.messages.length > 0 ? 'o' : '',
    batch.entityMessages.length > 0 ? 'y' : '',
    batch.cancelledTasks.length > 0 ? 'k' : '',
    batch.children.length > 0 ? 's' : '',
    batch.next.length > 0 ? 'n' : '',
  ].join('');
}

export interface CommitStatement {
  readonly sql: Statement;
  readonly values: (batch: CommitBatch) => readonly unknown[];
}

/** Makes each text once. */
export class CommitStatements {
  readonly #tables: Tables;
  readonly #made = new Map<string, CommitStatement>();
  readonly #lone: (batch: CommitBatch) => CommitStatement | undefined;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.#lone = loneTurns(tables);
  }

  of(batch: CommitBatch): CommitStatement {
    const lone = this.#lone(batch);
    if (lone !== undefined) return lone;
    const parts = partsOf(batch);
    const known = this.#made.get(parts);
    if (known !== undefined) return known;
    const parameters = new Parameters();
    const sql = statement(`commit_turns_${parts}`, commitText(this.#tables, new Set(parts), parameters.$));
    const made = { sql, values: (of: CommitBatch) => parameters.named.map((column) => columns[column](of)) };
    this.#made.set(parts, made);
    return made;
  }
}

/**
 * Many turns in one statement. `moved` and `ended` are the fence: an update, or for an execution that ends a delete,
 * that happens only while the sequence and the owner are those the turn was made with; every other effect joins on what
 * they returned, so that a lost turn leaves nothing and a won one everything (A2). Locks: the execution rows of this
 * batch only, by primary key in the order of the arrays, which are sorted (coalesce keeps the planner from going by
 * owner instead), then the instance rows of those that end. The update is HOT between claim and release.
 */
function commitText(t: Tables, parts: ReadonlySet<string>, $: (column: Column) => string): string {
  const moves = parts.has('m');
  const ends = parts.has('e');
  const consumes = parts.has('c');
  // One history row for each turn, which is nearly always so, needs no join.
  const whole = !parts.has('p');
  const renews = parts.has('n');
  const steps: string[] = [];
  const winners: string[] = [];
  const worker = `${$('worker')}::bigint`;
  if (moves) {
    steps.push(`turn as materialized (
      select * from unnest(${$('movedKeys')}::bigint[], ${$('movedFences')}::bigint[], ${$('movedRows')}::int[], ${jsonTexts($('movedStatuses'))}, ${jsonTexts($('movedCustom'))}, ${$('movedKeep')}::bool[]${whole ? `, ${jsonTexts($('movedTexts'))}` : ''}${consumes ? `, ${$('movedConsumed')}::int[]` : ''}${renews ? `, ${$('movedExecutions')}::text[], ${$('movedNext')}::text[]` : ''})
        as c (key, fence, rows, status, custom_status, keep${whole ? ', events' : ''}${consumes ? ', consumed' : ''}${renews ? ', execution_id, next' : ''})
    ), moved as (
      update ${t.executions} e
      set sequence = e.sequence + c.rows,
          status = c.status,
          custom_status = c.custom_status,
          owner = case when c.keep then e.owner end,
          crash_count = 0,
          last_updated_at = greatest(e.last_updated_at, now())${renews ? renewal : ''}
      from turn c
      where e.instance_key = c.key and e.sequence = c.fence and coalesce(e.owner, 0) = ${worker}
      returning e.instance_key as key, e.hub_id, ${renews ? 'c' : 'e'}.execution_id, c.fence, c.rows${whole ? ', c.events' : ''}${consumes ? ', c.consumed' : ''}
    )`);
    winners.push(
      `select key, hub_id, execution_id, fence, rows, false as ended${consumes ? ', consumed' : ''} from moved`,
    );
  }
  if (ends) {
    steps.push(`finish as materialized (
      select * from unnest(${$('endedKeys')}::bigint[], ${$('endedFences')}::bigint[], ${$('endedRows')}::int[], ${jsonTexts($('endedStatuses'))}, ${jsonTexts($('endedCustom'))}, ${jsonTexts($('endedOutputs'))}${parts.has('x') ? `, ${$('endedReasons')}::text[]` : ''}, ${jsonTexts($('endedFailures'))}${whole ? `, ${jsonTexts($('endedTexts'))}` : ''})
        as c (key, fence, rows, status, custom_status, output${parts.has('x') ? ', reason' : ''}, failure${whole ? ', events' : ''})
    ), ended as (
      delete from ${t.executions} e
      using finish c
      where e.instance_key = c.key and e.sequence = c.fence and coalesce(e.owner, 0) = ${worker}
      returning e.instance_key as key, e.hub_id, e.execution_id, e.last_updated_at, c.fence, c.rows,
        c.status, c.custom_status, ${parts.has('x') ? 'coalesce(c.reason, c.output) as output' : 'c.output'}, c.failure${whole ? ', c.events' : ''}
    ), finished as (
      update ${t.instances} i
      set status = e.status, custom_status = e.custom_status, output = e.output, failure = e.failure,
          last_updated_at = greatest(e.last_updated_at, now()), completed_at = greatest(e.last_updated_at, now())
      from ended e where i.key = e.key
    ), emptied as (
      delete from ${t.messages} m using ended where m.instance_key = ended.key
    )`);
    winners.push(`select key, hub_id, execution_id, fence, rows, true as ended${consumes ? ', 0' : ''} from ended`);
  }
  steps.push(`won as materialized (
      ${winners.join(' union all ')}
    ), appended as (
      insert into ${t.history} (instance_key, sequence, commit_id, events)
      ${
        whole
          ? [moves ? 'moved' : '', ends ? 'ended' : '']
              .filter((from) => from !== '')
              .map((from) => `select key, fence + 1, ${$('commitId')}::uuid, events from ${from}`)
              .join(' union all ')
          : `select won.key, won.fence + h.part, ${$('commitId')}::uuid, h.events
      from unnest(${$('partKeys')}::bigint[], ${$('partNumbers')}::int[], ${jsonTexts($('partTexts'))}) as h (key, part, events)
      join won on won.key = h.key`
      }
    )`);
  if (consumes) {
    steps.push(`consumed as (
      delete from ${t.messages} m
      using unnest(${$('consumedKeys')}::bigint[], ${$('consumedIds')}::bigint[]) as c (key, id), moved
      where moved.key = c.key and m.instance_key = c.key and m.id = c.id
    )`);
  }
  if (parts.has('d')) {
    steps.push(`cancelled as (
      delete from ${t.messages} m
      using unnest(${$('cancelledKeys')}::bigint[], ${$('cancelledIds')}::int[]) as c (key, timer_id), moved
      where moved.key = c.key and m.instance_key = c.key and m.timer_id = c.timer_id
        and m.execution_id = moved.execution_id and m.visible_at > now()
    )`);
  }
  if (parts.has('t')) {
    steps.push(`timers as (
      insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, timer_id, event)
      select moved.key, moved.hub_id, to_timestamp(n.fire_at / 1000.0), moved.execution_id, n.timer_id, n.event
      from unnest(${$('timerKeys')}::bigint[], ${$('timerIds')}::int[], ${$('timerTimes')}::float8[], ${jsonTexts($('timerEvents'))}) as n (key, timer_id, fire_at, event)
      join moved on moved.key = n.key
    )`);
  }
  if (parts.has('q')) {
    const tagged = parts.has('g');
    steps.push(`queued as (
      insert into ${t.tasks}
        (hub_id, name, instance_key, execution_id, task_scheduled_id, attempt, first_scheduled_id, redelivery, version, input${tagged ? ', tags' : ''})
      select won.hub_id, q.name, won.key, won.execution_id, q.task_id, q.attempt, q.first_id, q.redelivery, q.version, q.input${tagged ? ', q.tags' : ''}
      from unnest(${$('taskKeys')}::bigint[], ${$('taskNames')}::text[], ${$('taskIds')}::int[], ${$('taskAttempts')}::int[], ${$('taskFirstIds')}::int[], ${$('taskRedeliveries')}::int[], ${$('taskVersions')}::text[], ${jsonTexts($('taskInputs'))}${tagged ? `, ${jsonTexts($('taskTags'))}` : ''})
        as q (key, name, task_id, attempt, first_id, redelivery, version, input${tagged ? ', tags' : ''})
      join won on won.key = q.key
    )`);
  }
  if (parts.has('x')) {
    steps.push(`dropped as (
      delete from ${t.tasks} q using ended where ended.status = 'Terminated' and q.instance_key = ended.key
    )`);
  }
  if (parts.has('k')) {
    // By activity_tasks_instance; a worker that runs one finds its row gone (decision 23).
    steps.push(`given_up as (
      delete from ${t.tasks} q
      using unnest(${$('cancelledTaskKeys')}::bigint[], ${$('cancelledTaskIds')}::int[]) as c (key, task_id), won
      where won.key = c.key and q.instance_key = c.key and q.task_scheduled_id = c.task_id
        and q.execution_id = won.execution_id
    )`);
  }
  if (parts.has('s')) steps.push(childrenText(t, $));
  if (parts.has('n')) steps.push(nextText(t, $));
  if (parts.has('y')) steps.push(entityMessagesText(t, $));
  if (parts.has('o')) steps.push(messagesText(t, $, { bears: parts.has('s') }));
  const waiting = moves
    ? `not won.ended and exists (
        select 1 from ${t.messages} m
        where m.instance_key = won.key and m.visible_at <= now()
        ${consumes ? 'offset won.consumed' : ''}
      )`
    : 'false';
  return `with ${steps.join(', ')}
    select won.key, won.fence + won.rows as sequence, ${nowMs} as committed_at, ${waiting} as inbox_waiting${parts.has('o') ? toldColumns : ''}${parts.has('y') ? toldEntityColumns : ''}${parts.has('s') ? bornColumns : ''}
    from won`;
}
