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
import { toMessageText } from './rows.ts';
import { joinJson, jsonTexts, statement, type Runner, type Statement, type Tables } from './sql.ts';

const maxBatch = 500;
const maxBatchBytes = 8 * 1_048_576;

/**
 * Many starts in one statement. Sorted by id, so that two batches that create the same ids wait for each other in one
 * order. A start that a worker of this process takes at once is born owned and needs no message; under an ended lease it
 * is not stored here. Most starts have no tags and do not carry the column around.
 */
function startText(t: Tables, tagged: boolean): string {
  return `with input as materialized (
         select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], ${jsonTexts('$6')}, $7::timestamptz[], ${jsonTexts('$8')}, $9::bigint[]${tagged ? `, ${jsonTexts('$10')}` : ''})
           as n (hub_id, instance_id, name, version, execution_id, input, start_at, event, owner${tagged ? ', tags' : ''})
         where n.owner is null or exists (select 1 from ${t.workers} w where w.id = n.owner and w.expires_at > now())
       ), created as (
         insert into ${t.instances} (hub_id, instance_id, name, version, execution_id, input, scheduled_start_at${tagged ? ', tags' : ''})
         select n.hub_id, n.instance_id, n.name, n.version, n.execution_id, n.input, n.start_at${tagged ? ', n.tags::jsonb' : ''} from input n
         on conflict (hub_id, instance_id) do nothing
         returning key, hub_id, instance_id, execution_id
       ), begun as (
         insert into ${t.executions} (instance_key, hub_id, name, execution_id, status, owner)
         select c.key, c.hub_id, n.name, c.execution_id, 'Pending', n.owner
         from created c join input n on n.hub_id = c.hub_id and n.instance_id = c.instance_id
       ), sent as (
         insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, event)
         select c.key, c.hub_id, greatest(n.start_at, now()), c.execution_id, n.event
         from created c join input n on n.hub_id = c.hub_id and n.instance_id = c.instance_id
         where n.owner is null
       )
       select key, hub_id, instance_id from created`;
}

function statements(t: Tables) {
  return {
    start: statement('start_instances', startText(t, false)),
    startTagged: statement('start_tagged_instances', startText(t, true)),
    look: `select i.key, coalesce(e.status, i.status) as status, i.execution_id, e.owner
       from ${t.instances} i left join ${t.executions} e on e.instance_key = i.key
       where i.hub_id = $1 and i.instance_id = $2`,
    takeLive: `delete from ${t.executions} where instance_key = $1 and status = any($2)`,
    ...deletions(t),
  };
}

export class Starts {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #batches: Batcher<InstanceStart, StartOutcome>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#batches = new Batcher({
      run: (starts) => this.#startAll(starts),
      concurrency: 2,
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: (start) => start.input?.length ?? 0,
      distinctBy: (start) => `${start.hubId}/${start.instanceId}`,
    });
  }

  add(start: InstanceStart): Promise<StartOutcome> {
    return this.#batches.add(start);
  }

  async #startAll(starts: readonly InstanceStart[]): Promise<readonly (StartOutcome | Promise<StartOutcome>)[]> {
    const sorted = [...starts].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
    let rows: readonly { key: string; hub_id: number; instance_id: string }[];
    try {
      rows = await again(() => this.#runner.rows(this.#startOf(sorted), startValues(sorted)), {
        repeatAfterConnectionLoss: true,
      });
    } catch (error) {
      if (!isMemberError(error) || starts.length === 1) throw error;
      return oneByOne(starts, (start) => this.#startAll([start]));
    }
    const created = new Map(rows.map((row) => [`${row.hub_id}/${row.instance_id}`, row.key]));
    return starts.map((start): StartOutcome | Promise<StartOutcome> => {
      const key = created.get(`${start.hubId}/${start.instanceId}`);
      if (key !== undefined) return { kind: 'created', key, owner: start.owner };
      // Taken is the id, or gone the lease of the worker that would have had it: now anybody may.
      return this.#startOrReplace({ ...start, owner: null });
    });
  }

  /** For an id that may be taken: by an instance that is to be replaced, or by one that is not. */
  async #startOrReplace(start: InstanceStart): Promise<StartOutcome> {
    for (;;) {
      const [fresh] = await again(
        () => this.#runner.rows<{ key: string }>(this.#startOf([start]), startValues([start])),
        {
          repeatAfterConnectionLoss: true,
        },
      );
      if (fresh !== undefined) return { kind: 'created', key: fresh.key, owner: null };
      const outcome = await again(() => this.#replace(start), { repeatAfterConnectionLoss: true });
      if (outcome !== 'gone') return outcome; // else purged in between: the plain way is open again
    }
  }

  #startOf(starts: readonly InstanceStart[]): Statement {
    return starts.some(hasTags) ? this.#sql.startTagged : this.#sql.start;
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
      await deleteInstance(client, this.#sql, old.key);
      const text = this.#startOf([start]).text;
      const rows = await client.query<{ key: string }>(text, [...startValues([start])]);
      const key = rows.rows[0]?.key;
      if (key === undefined) return 'gone';
      return { kind: 'created', key, owner: null, ...(live ? { replaced: old.key } : {}) };
    });
  }
}

function startValues(starts: readonly InstanceStart[]): readonly unknown[] {
  return [
    starts.map((start) => start.hubId),
    starts.map((start) => start.instanceId),
    starts.map((start) => start.name),
    starts.map((start) => start.version),
    starts.map((start) => start.executionId),
    joinJson(starts.map((start) => start.input)),
    starts.map((start) => start.scheduledStartAt),
    // No worker reads the message of a start that was taken.
    joinJson(starts.map((start) => (start.owner === null ? toMessageText(start.event) : null))),
    starts.map((start) => start.owner),
    ...(starts.some(hasTags) ? [joinJson(starts.map(({ tags }) => (tags ? JSON.stringify(tags) : null)))] : []),
  ];
}

function hasTags(start: InstanceStart): boolean {
  return start.tags !== undefined && start.tags !== null;
}
