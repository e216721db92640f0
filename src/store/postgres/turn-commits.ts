/**
 * Writing turns: many in one statement, each under its own fence (A1, A2), sent until its outcome is known. What is
 * claimed and read before is in `orchestrations.ts`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal } from '../../model/instance.ts';
import type { CommitOutcome, InstanceKey, TurnCommit, WorkerId } from '../../model/work.ts';
import { errorCode, isConnectionError, isMemberError, isResourceError, isRetryable, isUnavailable } from './errors.ts';
import { toHistoryTexts, toMessageText } from './rows.ts';
import { joinJson, joinNumbers, jsonTexts, nowMs, statement, type Runner, type Tables } from './sql.ts';

/** Longest pause between two tries to write a batch while the database is away (B of the promises). */
const maxBackOffMs = 5_000;

function statements(t: Tables) {
  return {
    commit: statement('commit_turns', commitText(t)),
    mine: statement(
      'commit_check',
      `select h.instance_key, h.sequence, ${nowMs} as now
       from unnest($1::bigint[], $2::bigint[]) as k (key, sequence)
       join ${t.history} h on h.instance_key = k.key and h.sequence = k.sequence
       where h.commit_id = $3`,
    ),
  };
}

/**
 * Many turns in one statement. `moved` and `ended` are the fence: an update, or for an execution that ends a delete,
 * that happens only while the sequence and the owner are those the turn was made with; every other effect joins on what
 * they returned, so that a lost turn leaves nothing and a won one everything (A2). Locks: the execution rows of this
 * batch only, by primary key in the order of the arrays, which are sorted (coalesce keeps the planner from going by
 * owner instead), then the instance rows of those that end. The update is HOT between claim and release.
 */
function commitText(t: Tables): string {
  return `with turn as materialized (
      select * from unnest($2::bigint[], $3::bigint[], $4::int[], $5::text[], ${jsonTexts('$6')}, $7::text[], ${jsonTexts('$8')}, $9::bool[], $10::bool[], $11::int[])
        as c (key, fence, rows, status, custom_status, output, failure, keep, ended, consumed)
    ), moved as (
      update ${t.executions} e
      set sequence = e.sequence + c.rows,
          status = c.status,
          custom_status = c.custom_status,
          owner = case when c.keep then e.owner end,
          crash_count = 0,
          last_updated_at = greatest(e.last_updated_at, now())
      from turn c
      where not c.ended and e.instance_key = c.key and e.sequence = c.fence and coalesce(e.owner, 0) = $1
      returning e.instance_key as key, e.hub_id, e.execution_id, c.fence, c.rows, c.consumed
    ), ended as (
      delete from ${t.executions} e
      using turn c
      where c.ended and e.instance_key = c.key and e.sequence = c.fence and coalesce(e.owner, 0) = $1
      returning e.instance_key as key, e.hub_id, e.execution_id, e.last_updated_at, c.fence, c.rows,
        c.status, c.custom_status, c.output, c.failure
    ), won as materialized (
      select key, hub_id, execution_id, fence, rows, consumed, false as ended, null::text as status from moved
      union all
      select key, hub_id, execution_id, fence, rows, 0, true, status from ended
    ), finished as (
      update ${t.instances} i
      set status = e.status, custom_status = e.custom_status, output = e.output, failure = e.failure,
          last_updated_at = greatest(e.last_updated_at, now()), completed_at = greatest(e.last_updated_at, now())
      from ended e where i.key = e.key
    ), appended as (
      insert into ${t.history} (instance_key, sequence, commit_id, events)
      select won.key, won.fence + h.part, $12::uuid, h.events
      from unnest($13::bigint[], $14::int[], ${jsonTexts('$15')}) as h (key, part, events)
      join won on won.key = h.key
    ), consumed as (
      delete from ${t.messages} m
      using unnest($16::bigint[], $17::bigint[]) as c (key, id), moved
      where moved.key = c.key and m.instance_key = c.key and m.id = c.id
    ), emptied as (
      delete from ${t.messages} m using ended where m.instance_key = ended.key
    ), cancelled as (
      delete from ${t.messages} m
      using unnest($18::bigint[], $19::int[]) as c (key, timer_id), moved
      where moved.key = c.key and m.instance_key = c.key and m.timer_id = c.timer_id
        and m.execution_id = moved.execution_id and m.visible_at > now()
    ), timers as (
      insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, timer_id, event)
      select moved.key, moved.hub_id, to_timestamp(n.fire_at / 1000.0), moved.execution_id, n.timer_id, n.event
      from unnest($20::bigint[], $21::int[], $22::float8[], ${jsonTexts('$23')}) as n (key, timer_id, fire_at, event)
      join moved on moved.key = n.key
    ), queued as (
      insert into ${t.tasks}
        (hub_id, name, instance_key, execution_id, task_scheduled_id, attempt, first_scheduled_id, redelivery, version, input)
      select won.hub_id, q.name, won.key, won.execution_id, q.task_id, q.attempt, q.first_id, q.redelivery, q.version, q.input
      from unnest($24::bigint[], $25::text[], $26::int[], $27::int[], $28::int[], $29::int[], $30::text[], ${jsonTexts('$31')})
        as q (key, name, task_id, attempt, first_id, redelivery, version, input)
      join won on won.key = q.key
    ), dropped as (
      delete from ${t.tasks} q using ended where ended.status = 'Terminated' and q.instance_key = ended.key
    )
    select won.key, won.fence + won.rows as sequence, ${nowMs} as committed_at,
      not won.ended and exists (
        select 1 from ${t.messages} m
        where m.instance_key = won.key and m.visible_at <= now()
        offset won.consumed
      ) as inbox_waiting
    from won`;
}

interface CommittedRow {
  readonly key: string;
  readonly sequence: string;
  readonly committed_at: number;
  readonly inbox_waiting: boolean;
}

export class TurnCommits {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #closing: AbortSignal;

  /** @param closing ends the tries of commits whose outcome is open */
  constructor(runner: Runner, tables: Tables, closing: AbortSignal) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#closing = closing;
  }

  /** Sends a batch until its outcome is known: through deadlocks, lost connections, full disks and bad members. */
  async commit(workerId: WorkerId, turns: readonly TurnCommit[]): Promise<readonly CommitOutcome[]> {
    const sorted = [...turns].sort((a, b) => compareKeys(a.key, b.key));
    const outcomes = new Map<InstanceKey, CommitOutcome>();
    await this.#commitSorted(workerId, sorted, outcomes);
    return turns.map((turn) => outcomes.get(turn.key) ?? { kind: 'lost', key: turn.key });
  }

  async #commitSorted(
    workerId: WorkerId,
    turns: readonly TurnCommit[],
    outcomes: Map<InstanceKey, CommitOutcome>,
  ): Promise<void> {
    const commitId = randomUUID();
    let unsure = false;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const rows = await this.#runner.rows<CommittedRow>(this.#sql.commit, commitValues(workerId, commitId, turns));
        const committed = new Set<InstanceKey>();
        for (const row of rows) {
          committed.add(row.key);
          outcomes.set(row.key, {
            kind: 'committed',
            key: row.key,
            sequence: Number(row.sequence),
            inboxWaiting: row.inbox_waiting,
            committedAt: row.committed_at,
          });
        }
        const missing = turns.filter((turn) => !committed.has(turn.key));
        // An earlier sending may have been executed though its answer got lost (decision 13).
        if (unsure && missing.length > 0) await this.#findMine(commitId, missing, outcomes);
        return;
      } catch (error) {
        if (isMemberError(error)) {
          const only = turns.length === 1 ? turns[0] : undefined;
          if (only) {
            outcomes.set(only.key, {
              kind: 'refused',
              key: only.key,
              reason: `Postgres error ${errorCode(error) ?? ''}`,
            });
            return;
          }
          const middle = turns.length >> 1;
          await this.#commitSorted(workerId, turns.slice(0, middle), outcomes);
          await this.#commitSorted(workerId, turns.slice(middle), outcomes);
          return;
        }
        if (isConnectionError(error)) unsure = true;
        else if (!isRetryable(error) && !isUnavailable(error) && !isResourceError(error)) throw error;
        const pauseMs = Math.min(maxBackOffMs, 25 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
        await delay(pauseMs, undefined, { signal: this.#closing });
      }
    }
  }

  async #findMine(
    commitId: string,
    turns: readonly TurnCommit[],
    outcomes: Map<InstanceKey, CommitOutcome>,
  ): Promise<void> {
    const rows = await this.#runner.rows<{ instance_key: string; sequence: string; now: number }>(this.#sql.mine, [
      turns.map((turn) => turn.key),
      turns.map((turn) => turn.fence + 1),
      commitId,
    ]);
    const byKey = new Map(turns.map((turn) => [turn.key, turn]));
    for (const row of rows) {
      const turn = byKey.get(row.instance_key);
      if (turn === undefined) continue;
      outcomes.set(row.instance_key, {
        kind: 'committed',
        key: row.instance_key,
        sequence: turn.fence + toHistoryTexts(turn.events).length,
        inboxWaiting: true, // not known: look
        committedAt: row.now,
      });
    }
  }
}

/** Numeric order of keys that are text. */
export function compareKeys(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function commitValues(workerId: WorkerId, commitId: string, turns: readonly TurnCommit[]): readonly unknown[] {
  const rows = turns.map((turn) => toHistoryTexts(turn.events));
  const parts = turns.flatMap((turn, index) =>
    (rows[index] ?? []).map((text, part) => ({ key: turn.key, part, text })),
  );
  const consumed = turns.flatMap((turn) => turn.consumedMessages.map((id) => ({ key: turn.key, id })));
  const cancelled = turns.flatMap((turn) => turn.cancelledTimers.map((timerId) => ({ key: turn.key, timerId })));
  const timers = turns.flatMap((turn) => turn.timers.map((timer) => ({ key: turn.key, ...timer })));
  const tasks = turns.flatMap((turn) => turn.queuedTasks.map((task) => ({ key: turn.key, ...task })));
  return [
    workerId,
    joinNumbers(turns.map((turn) => turn.key)),
    joinNumbers(turns.map((turn) => turn.fence)),
    joinNumbers(rows.map((texts) => texts.length)),
    turns.map((turn) => turn.status),
    joinJson(turns.map((turn) => turn.customStatus)),
    // Not JSON: the reason of a termination is any text.
    turns.map((turn) => turn.output),
    joinJson(turns.map((turn) => (turn.failure === null ? null : JSON.stringify(turn.failure)))),
    turns.map((turn) => turn.keepOwnership),
    turns.map((turn) => isTerminal(turn.status)),
    joinNumbers(turns.map((turn) => turn.consumedMessages.length)),
    commitId,
    joinNumbers(parts.map((part) => part.key)),
    joinNumbers(parts.map((part) => part.part + 1)),
    joinJson(parts.map((part) => part.text)),
    joinNumbers(consumed.map((message) => message.key)),
    joinNumbers(consumed.map((message) => message.id)),
    joinNumbers(cancelled.map((timer) => timer.key)),
    joinNumbers(cancelled.map((timer) => timer.timerId)),
    joinNumbers(timers.map((timer) => timer.key)),
    joinNumbers(timers.map((timer) => timer.timerId)),
    joinNumbers(timers.map((timer) => timer.fireAt)),
    joinJson(timers.map(({ timerId, fireAt }) => toMessageText({ type: 'TimerFired', timerId, fireAt }))),
    joinNumbers(tasks.map((task) => task.key)),
    tasks.map((task) => task.name),
    joinNumbers(tasks.map((task) => task.taskScheduledId)),
    joinNumbers(tasks.map((task) => task.attempt)),
    joinNumbers(tasks.map((task) => task.firstScheduledId)),
    joinNumbers(tasks.map((task) => task.redelivery)),
    tasks.map((task) => task.version ?? null),
    joinJson(tasks.map((task) => task.input ?? null)),
  ];
}
