/**
 * Starts: many in one statement (idea 7 of performance.md), and one by one where an id is taken. Other things that clients
 * do are in `instances.ts`.
 */
import { Batcher } from '../../flow/batcher.ts';
import { isTerminal, terminalStatuses } from '../../model/instance.ts';
import type { InstanceStart, StartOutcome } from '../store.ts';
import { again } from './again.ts';
import { deleteInstance, deletions, type LockedRow } from './deletions.ts';
import { isMemberError } from './errors.ts';
import { oneByOne } from './one-by-one.ts';
import { batchPatience, type Patience } from './patience.ts';
import { reportReplaced, reportTexts } from './reports.ts';
import type { Runner, Tables } from './sql.ts';
import { startStatements } from './start-statement.ts';

const maxBatch = 500;
const maxBatchBytes = 8 * 1_048_576;

function statements(t: Tables) {
  return {
    look: `select i.key, coalesce(e.status, i.status) as status, i.execution_id, e.owner
       from ${t.instances} i left join ${t.executions} e on e.instance_key = i.key
       where i.hub_id = $1 and i.instance_id = $2`,
    takeLive: `delete from ${t.executions} where instance_key = $1 and status = any($2)`,
    ...deletions(t),
    ...reportTexts(t),
  };
}

export class Starts {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #startOf: ReturnType<typeof startStatements>;
  readonly #batches: Batcher<InstanceStart, StartOutcome>;

  constructor(runner: Runner, tables: Tables, patience?: Patience) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#startOf = startStatements(tables);
    this.#batches = new Batcher({
      run: (starts) => this.#startAll(starts),
      concurrency: 2,
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: (start) => start.input?.length ?? 0,
      distinctBy: (start) => `${start.hubId}/${start.instanceId}`,
      ...batchPatience(patience, 'writes'),
    });
  }

  add(start: InstanceStart): Promise<StartOutcome> {
    return this.#batches.add(start);
  }

  async #startAll(starts: readonly InstanceStart[]): Promise<readonly (StartOutcome | Promise<StartOutcome>)[]> {
    const sorted = [...starts].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
    let rows: readonly { key: string; hub_id: number; instance_id: string }[];
    try {
      const { sql, values } = this.#startOf(sorted);
      rows = await again(() => this.#runner.rows(sql, values), { repeatAfterConnectionLoss: true });
    } catch (error) {
      if (!isMemberError(error) || starts.length === 1) throw error;
      return oneByOne(starts, (start) => this.#startAll([start]));
    }
    const created = new Map(rows.map((row) => [`${row.hub_id}/${row.instance_id}`, row.key]));
    return starts.map((start): StartOutcome | Promise<StartOutcome> => {
      const key = created.get(`${start.hubId}/${start.instanceId}`);
      if (key !== undefined) return { kind: 'created', key, owner: start.owner };
      // Taken is the id, or gone the lease of the worker that would have had it: now anybody may.
      return this.#startOrReplace({ ...start, owner: null, firstTurn: null });
    });
  }

  /** For an id that may be taken: by an instance that is to be replaced, or by one that is not. */
  async #startOrReplace(start: InstanceStart): Promise<StartOutcome> {
    const { sql, values } = this.#startOf([start]);
    for (;;) {
      const [fresh] = await again(() => this.#runner.rows<{ key: string }>(sql, values), {
        repeatAfterConnectionLoss: true,
      });
      if (fresh !== undefined) return { kind: 'created', key: fresh.key, owner: null };
      const outcome = await again(() => this.#replace(start), { repeatAfterConnectionLoss: true });
      if (outcome !== 'gone') return outcome; // else purged in between: the plain way is open again
    }
  }

  #replace(start: InstanceStart): Promise<StartOutcome | 'gone'> {
    const replaceable = start.replace ?? terminalStatuses;
    return this.#runner.transaction(async (client): Promise<StartOutcome | 'gone'> => {
      const seen = (await client.query<LockedRow>(this.#sql.look, [start.hubId, start.instanceId])).rows[0];
      // Executions are locked before instances, as in commits: this waits for a turn that is being written, and shuts
      // out those that come later.
      const live = seen !== undefined && !isTerminal(seen.status) && replaceable.includes(seen.status);
      if (live && seen.execution_id !== start.executionId) {
        const taken = await client.query(this.#sql.takeLive, [seen.key, replaceable]);
        if (taken.rowCount !== 1) return 'gone'; // it has ended, or changed: look again
      }
      const found = await client.query<LockedRow>(this.#sql.lock, [start.hubId, start.instanceId]);
      const old = found.rows[0];
      if (old === undefined) return 'gone';
      // Ours: the answer to an earlier sending of this very start was lost.
      if (old.execution_id === start.executionId) return { kind: 'created', key: old.key, owner: old.owner };
      const status = live ? seen.status : old.status;
      if (!replaceable.includes(status)) return { kind: 'exists', status };
      if (!live && !isTerminal(status)) return 'gone'; // somebody started it in between: look again
      if (live) await reportReplaced(client, this.#sql, old.key);
      await deleteInstance(client, this.#sql, old.key);
      const { sql, values } = this.#startOf([start]);
      const rows = await client.query<{ key: string }>(sql.text, [...values]);
      const key = rows.rows[0]?.key;
      if (key === undefined) return 'gone';
      return { kind: 'created', key, owner: null, ...(live ? { replaced: old.key } : {}) };
    });
  }
}
