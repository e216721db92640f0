/**
 * Writing turns: many in one statement, each under its own fence (A1, A2), sent until its outcome is known. What is
 * claimed and read before is in `orchestrations.ts`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { CommitOutcome, InstanceKey, TurnCommit, WorkerId } from '../../model/work.ts';
import { CommitStatements, toBatch } from './commit-statement.ts';
import { errorCode, isConnectionError, isMemberError, isResourceError, isRetryable, isUnavailable } from './errors.ts';
import { toHistoryTexts } from './rows.ts';
import { nowMs, statement, type Runner, type Statement, type Tables } from './sql.ts';

/** Longest pause between two tries to write a batch while the database is away (B of the promises). */
const maxBackOffMs = 5_000;

function checkStatement(t: Tables): Statement {
  return statement(
    'commit_check',
    `select h.instance_key, h.sequence, ${nowMs} as now
     from unnest($1::bigint[], $2::bigint[]) as k (key, sequence)
     join ${t.history} h on h.instance_key = k.key and h.sequence = k.sequence
     where h.commit_id = $3`,
  );
}

interface CommittedRow {
  readonly key: string;
  readonly sequence: string;
  readonly committed_at: number;
  readonly inbox_waiting: boolean;
  /** Only when the batch has messages. */
  readonly told?: readonly InstanceKey[];
  readonly told_at?: readonly number[];
}

export class TurnCommits {
  readonly #runner: Runner;
  readonly #statements: CommitStatements;
  readonly #check: Statement;
  readonly #closing: AbortSignal;

  /** @param closing ends the tries of commits whose outcome is open */
  constructor(runner: Runner, tables: Tables, closing: AbortSignal) {
    this.#runner = runner;
    this.#statements = new CommitStatements(tables);
    this.#check = checkStatement(tables);
    this.#closing = closing;
  }

  /** Sends a batch until its outcome is known: through deadlocks, lost connections, full disks and bad members. */
  async commit(workerId: WorkerId, turns: readonly TurnCommit[]): Promise<readonly CommitOutcome[]> {
    if (turns.length === 0) return [];
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
    const batch = toBatch(workerId, commitId, turns);
    const { sql, values } = this.#statements.of(batch);
    let unsure = false;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const rows = await this.#runner.rows<CommittedRow>(sql, values(batch));
        const committed = new Set<InstanceKey>();
        for (const row of rows) {
          committed.add(row.key);
          outcomes.set(row.key, {
            kind: 'committed',
            key: row.key,
            sequence: Number(row.sequence),
            inboxWaiting: row.inbox_waiting,
            committedAt: row.committed_at,
            told: (row.told ?? []).map((key, index) => ({ key, visibleAt: row.told_at?.[index] ?? row.committed_at })),
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
    const rows = await this.#runner.rows<{ instance_key: string; sequence: string; now: number }>(this.#check, [
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
        told: [], // not known: they are found by polling
      });
    }
  }
}

/** Numeric order of keys that are text. */
export function compareKeys(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
