/**
 * Writing turns: many in one statement, each under its own fence (A1, A2), sent until its outcome is known. What is
 * claimed and read before is in `orchestrations.ts`.
 */
import type { CommitOutcome, InstanceKey, TurnCommit, WorkerId } from '../../model/work.ts';
import { commitAll, type CommitSender } from './commit-loop.ts';
import { CommitStatements, toBatch, type CommitBatch } from './commit-statement.ts';
import { toHistoryTexts } from './rows.ts';
import { nowMs, statement, type Runner, type Statement, type Tables } from './sql.ts';

function checkStatement(t: Tables): Statement {
  return statement(
    'commit_check',
    `select h.instance_key, h.sequence, ${nowMs} as now
     from unnest($1::bigint[], $2::bigint[]) as k (key, sequence)
     join ${t.history} h on h.instance_key = k.key and h.sequence = k.sequence
     where h.commit_id = $3`,
  );
}

/** Seldom sent, so not prepared. */
function replacingTexts(t: Tables) {
  return {
    fence: `select 1 from ${t.executions}
      where instance_key = $1 and sequence = $2 and coalesce(owner, 0) = $3::bigint for no key update`,
    lock: `select i.key from ${t.instances} i
      where i.hub_id = (select e.hub_id from ${t.executions} e where e.instance_key = $1)
        and i.instance_id = any($2::text[]) and i.status is not null
      order by i.instance_id for update`,
    remove: `with gone as (delete from ${t.instances} i where i.key = any($1::bigint[]) returning i.key),
      inboxes as (delete from ${t.messages} m using gone where m.instance_key = gone.key),
      tasks as (delete from ${t.tasks} q using gone where q.instance_key = gone.key)
      delete from ${t.history} h using gone where h.instance_key = gone.key`,
  };
}

function mayReplace(turn: TurnCommit): boolean {
  return turn.children.some((child) => child.mayExist);
}

interface CommittedRow {
  readonly key: string;
  readonly sequence: string;
  readonly committed_at: number;
  readonly inbox_waiting: boolean;
  /** Only when the batch has messages. */
  readonly told?: readonly InstanceKey[];
  readonly told_at?: readonly number[];
  /** Only when it has messages to entities. */
  readonly told_entities?: readonly InstanceKey[];
  readonly told_entities_at?: readonly number[];
  /** Only when it has children. */
  readonly born?: readonly InstanceKey[];
  readonly born_executions?: readonly string[];
}

export class TurnCommits {
  readonly #runner: Runner;
  readonly #statements: CommitStatements;
  readonly #check: Statement;
  readonly #replacing: ReturnType<typeof replacingTexts>;
  readonly #closing: AbortSignal;

  /** @param closing ends the tries of commits whose outcome is open */
  constructor(runner: Runner, tables: Tables, closing: AbortSignal) {
    this.#runner = runner;
    this.#statements = new CommitStatements(tables);
    this.#check = checkStatement(tables);
    this.#replacing = replacingTexts(tables);
    this.#closing = closing;
  }

  /** Sends a batch until its outcome is known: through deadlocks, lost connections, full disks and bad members. */
  async commit(workerId: WorkerId, turns: readonly TurnCommit[]): Promise<readonly CommitOutcome[]> {
    if (turns.length === 0) return [];
    const sorted = [...turns].sort((a, b) => compareKeys(a.key, b.key));
    const alone = sorted.filter(mayReplace);
    const together = alone.length === 0 ? sorted : sorted.filter((turn) => !mayReplace(turn));
    const sender: CommitSender<TurnCommit> = {
      send: (members, commitId) => this.#send(toBatch(workerId, commitId, members), members.find(mayReplace)),
      findMine: (members, commitId) => this.#findMine(members, commitId),
    };
    const found = await Promise.all(
      [together, ...alone.map((turn) => [turn])]
        .filter((members) => members.length > 0)
        .map((members) => commitAll(members, sender, this.#closing)),
    );
    const outcomeOf = (key: InstanceKey): CommitOutcome | undefined =>
      found.find((outcomes) => outcomes.has(key))?.get(key);
    return turns.map((turn) => outcomeOf(turn.key) ?? { kind: 'lost', key: turn.key });
  }

  /** @param alone the only member, when it has to be written by itself */
  async #send(batch: CommitBatch, alone: TurnCommit | undefined): Promise<readonly CommitOutcome[]> {
    const { sql, values } = this.#statements.of(batch);
    const rows = alone
      ? await this.#commitAlone(batch, alone)
      : await this.#runner.rows<CommittedRow>(sql, values(batch));
    return rows.map((row) => ({
      kind: 'committed',
      key: row.key,
      sequence: Number(row.sequence),
      inboxWaiting: row.inbox_waiting,
      committedAt: row.committed_at,
      told: toldOf(row),
      ...(row.born === undefined ? {} : { born: bornOf(row.born, row.born_executions) }),
    }));
  }

  /**
   * A turn that may replace ended instances (decision 12): the fence first, then the instances in the order of their ids,
   * then the turn as ever. An id that is taken by a live instance, also by one that appears only now, stays taken.
   */
  #commitAlone(batch: CommitBatch, turn: TurnCommit): Promise<readonly CommittedRow[]> {
    const { sql, values } = this.#statements.of(batch);
    return this.#runner.transaction(async (client) => {
      const fence = await client.query(this.#replacing.fence, [turn.key, turn.fence, batch.workerId]);
      if (fence.rowCount !== 1) return [];
      const ids = turn.children.filter((child) => child.mayExist).map((child) => child.instanceId);
      const ended = await client.query<{ key: string }>(this.#replacing.lock, [turn.key, ids]);
      if (ended.rows.length > 0) await client.query(this.#replacing.remove, [ended.rows.map(({ key }) => key)]);
      return (await client.query<CommittedRow>(sql.text, [...values(batch)])).rows;
    });
  }

  async #findMine(turns: readonly TurnCommit[], commitId: string): Promise<readonly CommitOutcome[]> {
    const rows = await this.#runner.rows<{ instance_key: string; sequence: string; now: number }>(this.#check, [
      turns.map((turn) => turn.key),
      turns.map((turn) => turn.fence + 1),
      commitId,
    ]);
    const committedAt = new Map(rows.map((row) => [row.instance_key, row.now]));
    return turns.flatMap((turn): CommitOutcome[] => {
      const at = committedAt.get(turn.key);
      if (at === undefined) return [];
      return [
        {
          kind: 'committed',
          key: turn.key,
          sequence: turn.fence + toHistoryTexts(turn.events).length,
          inboxWaiting: true, // not known: look
          committedAt: at,
          told: [], // not known, nor who was born: the former are found by polling, the latter as strays
        },
      ];
    });
  }
}

/** Numeric order of keys that are text. */
export function compareKeys(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function toldOf(row: CommittedRow): Extract<CommitOutcome, { kind: 'committed' }>['told'] {
  const toldAt = (keys: readonly InstanceKey[] = [], times: readonly number[] = []) =>
    keys.map((key, index) => ({ key, visibleAt: times[index] ?? row.committed_at }));
  return [...toldAt(row.told, row.told_at), ...toldAt(row.told_entities, row.told_entities_at)];
}

function bornOf(keys: readonly InstanceKey[], executions: readonly string[] = []) {
  return keys.map((key, index) => ({ key, executionId: executions[index] ?? '' }));
}
