/** What clients do with single instances. Concurrent starts and messages share statements (idea 7 of performance.md). */
import { Batcher } from '../../flow/batcher.ts';
import { DurableError } from '../../model/errors.ts';
import { isTerminal, type OrchestrationInstance, type RuntimeStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type {
  ClientMessage,
  InstanceStart,
  PurgeOutcome,
  SendOutcome,
  StartOutcome,
  TerminatePending,
} from '../store.ts';
import { again } from './again.ts';
import { isConnectionError, isMemberError } from './errors.ts';
import { toEvents, toHistoryTexts, toInstance, toMessageText, type InstanceRow } from './rows.ts';
import { joinJson, jsonTexts, nowMs, statement, type Runner, type Tables } from './sql.ts';

const maxBatch = 500;
const maxBatchBytes = 8 * 1_048_576;

/** An instance as clients see it: while it is live, its execution tells what changes. */
const instanceColumns = `i.key, i.instance_id, i.name, i.version, i.execution_id, coalesce(e.status, i.status) as status,
  i.created_at, coalesce(e.last_updated_at, i.last_updated_at) as last_updated_at, i.completed_at, i.scheduled_start_at,
  i.input, i.output, case when e.instance_key is null then i.custom_status else e.custom_status end as custom_status, i.failure`;

function statements(t: Tables) {
  const execution = `left join lateral (select * from ${t.executions} e where e.instance_key = i.key limit 1) e on true`;
  return {
    // Sorted by id, so that two batches that create the same ids wait for each other in one order. A start that a worker
    // of this process takes at once is born owned and needs no message; under an ended lease it is not stored here.
    start: statement(
      'start_instances',
      `with input as materialized (
         select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], ${jsonTexts('$6')}, $7::timestamptz[], ${jsonTexts('$8')}, $9::bigint[])
           as n (hub_id, instance_id, name, version, execution_id, input, start_at, event, owner)
         where n.owner is null or exists (select 1 from ${t.workers} w where w.id = n.owner and w.expires_at > now())
       ), created as (
         insert into ${t.instances} (hub_id, instance_id, name, version, execution_id, input, scheduled_start_at)
         select n.hub_id, n.instance_id, n.name, n.version, n.execution_id, n.input, n.start_at from input n
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
       select key, hub_id, instance_id from created`,
    ),
    // KEY SHARE keeps a purge or replacement of the target away until the message is in (decision 16); it does not
    // wait for turns. A message for a scheduled instance becomes visible with its start: it must not start it early.
    send: statement(
      'send_messages',
      `with input as materialized (
         select * from unnest($1::int[], $2::int[], $3::text[], $4::text[]) as n (ord, hub_id, instance_id, event)
       ), target as (
         select n.ord, n.event, i.key, i.hub_id, i.scheduled_start_at, i.status as ended, e.status as live, e.owner
         from input n
         cross join lateral (
           select * from ${t.instances} i where i.hub_id = n.hub_id and i.instance_id = n.instance_id limit 1 for key share
         ) i
         ${execution}
       ), sent as (
         insert into ${t.messages} (instance_key, hub_id, visible_at, event)
         select t.key, t.hub_id,
           case when t.live = 'Pending' then greatest(t.scheduled_start_at, now()) else now() end, t.event
         from target t
         where t.live is not null
         order by t.ord
       )
       select ord, key, coalesce(live, ended) as status, owner is not null as owned from target`,
    ),
    // Many clients poll at once: their look-ups share a round trip. LATERAL with LIMIT, here and elsewhere, makes each a
    // look-up of its own: joined freely the planner reads the whole hub (measured: 700 ms instead of 3).
    get: statement(
      'get_instances',
      `select n.ord, ${instanceColumns}
       from unnest($1::int[], $2::int[], $3::text[]) as n (ord, hub_id, instance_id)
       cross join lateral (
         select * from ${t.instances} i where i.hub_id = n.hub_id and i.instance_id = n.instance_id limit 1
       ) i
       ${execution}`,
    ),
    getWithHistory: statement(
      'get_instance_history',
      `select ${instanceColumns}, array(
         select h.events from ${t.history} h
         where h.instance_key = i.key and h.sequence > coalesce(e.first_sequence, 0)
         order by h.sequence
       ) as history
       from ${t.instances} i
       ${execution}
       where i.hub_id = $1 and i.instance_id = $2`,
    ),
    ended: statement(
      'find_ended',
      `select k.key from unnest($1::bigint[]) as k (key)
       left join lateral (select * from ${t.executions} e where e.instance_key = k.key limit 1) e on true
       where e.instance_key is null`,
    ),
    lock: `select i.key, coalesce(e.status, i.status) as status, i.execution_id, e.owner
       from ${t.instances} i left join ${t.executions} e on e.instance_key = i.key
       where i.hub_id = $1 and i.instance_id = $2 for update of i`,
    takePending: `delete from ${t.executions} where instance_key = $1 and status = 'Pending' and owner is null
       returning sequence, ${nowMs} as now`,
    endPending: `update ${t.instances} set status = 'Terminated', output = $2, last_updated_at = now(), completed_at = now()
       where key = $1`,
    wasTerminated: `select from ${t.instances} where key = $1 and status = 'Terminated'`,
    append: `insert into ${t.history} (instance_key, sequence, commit_id, events) values ($1, $2, gen_random_uuid(), $3)`,
    deleteInstance: `delete from ${t.instances} where key = $1`,
    deleteExecution: `delete from ${t.executions} where instance_key = $1`,
    deleteHistory: `delete from ${t.history} where instance_key = $1`,
    deleteMessages: `delete from ${t.messages} where instance_key = $1`,
    deleteTasks: `delete from ${t.tasks} where instance_key = $1`,
  };
}

interface InstanceAddress {
  readonly hubId: number;
  readonly instanceId: string;
}

interface TargetRow {
  readonly ord: number;
  readonly key: string;
  readonly status: RuntimeStatus;
  readonly owned: boolean;
}

interface LockedRow {
  readonly key: string;
  readonly status: RuntimeStatus;
  readonly execution_id: string;
  readonly owner: string | null;
}

interface Sent {
  readonly outcome: SendOutcome;
  /** Whether a worker owned the target: then that worker must hear of it, else any may. */
  readonly owned: boolean;
}

export class Instances {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #starts: Batcher<InstanceStart, StartOutcome>;
  readonly #sends: Batcher<ClientMessage, Sent>;
  readonly #gets: Batcher<InstanceAddress, OrchestrationInstance | null>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#starts = new Batcher({
      run: (starts) => this.#startAll(starts),
      concurrency: 2,
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: (start) => start.input?.length ?? 0,
      distinctBy: (start) => `${start.hubId}/${start.instanceId}`,
    });
    this.#sends = new Batcher({
      run: (messages) => this.#sendAll(messages),
      // One at a time: messages of one sender to one instance keep their order.
      concurrency: 1,
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: (message) => ('input' in message.event ? (message.event.input?.length ?? 0) : 0),
    });
    this.#gets = new Batcher({ run: (addresses) => this.#getAll(addresses), concurrency: 4, maxItems: 200 });
  }

  start(start: InstanceStart): Promise<StartOutcome> {
    return this.#starts.add(start);
  }

  send(message: ClientMessage): Promise<Sent> {
    return this.#sends.add(message);
  }

  async #startAll(starts: readonly InstanceStart[]): Promise<readonly (StartOutcome | Promise<StartOutcome>)[]> {
    const sorted = [...starts].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
    let rows: readonly { key: string; hub_id: number; instance_id: string }[];
    try {
      rows = await again(() => this.#runner.rows(this.#sql.start, startValues(sorted)), {
        repeatAfterConnectionLoss: true,
      });
    } catch (error) {
      if (!isMemberError(error) || starts.length === 1) throw error;
      return this.#oneByOne(starts, (start) => this.#startAll([start]));
    }
    const created = new Map(rows.map((row) => [`${row.hub_id}/${row.instance_id}`, row.key]));
    return starts.map((start): StartOutcome | Promise<StartOutcome> => {
      const key = created.get(`${start.hubId}/${start.instanceId}`);
      if (key !== undefined) return { kind: 'created', key, owner: start.owner };
      // Taken is the id, or gone the lease of the worker that would have had it: now anybody may.
      return this.#startOrReplace({ ...start, owner: null });
    });
  }

  /** For an id that may be taken: by an ended instance, which is replaced, or by a live one. */
  async #startOrReplace(start: InstanceStart): Promise<StartOutcome> {
    for (;;) {
      const [fresh] = await again(() => this.#runner.rows<{ key: string }>(this.#sql.start, startValues([start])), {
        repeatAfterConnectionLoss: true,
      });
      if (fresh !== undefined) return { kind: 'created', key: fresh.key, owner: null };
      const outcome = await again(() => this.#replace(start), { repeatAfterConnectionLoss: true });
      if (outcome !== 'gone') return outcome; // else purged in between: the plain way is open again
    }
  }

  #replace(start: InstanceStart): Promise<StartOutcome | 'gone'> {
    return this.#runner.transaction(async (client): Promise<StartOutcome | 'gone'> => {
      const found = await client.query<LockedRow>(this.#sql.lock, [start.hubId, start.instanceId]);
      const old = found.rows[0];
      if (old === undefined) return 'gone';
      // Ours: the answer to an earlier sending of this very start was lost.
      if (old.execution_id === start.executionId) return { kind: 'created', key: old.key, owner: old.owner };
      if (!isTerminal(old.status)) return { kind: 'exists', status: old.status };
      await this.#deleteAll(client, old.key);
      const rows = await client.query<{ key: string }>(this.#sql.start.text, [...startValues([start])]);
      const key = rows.rows[0]?.key;
      return key === undefined ? 'gone' : { kind: 'created', key, owner: null };
    });
  }

  async #sendAll(messages: readonly ClientMessage[]): Promise<readonly (Sent | Promise<Sent>)[]> {
    let rows: readonly TargetRow[];
    try {
      rows = await again(
        () =>
          this.#runner.rows<TargetRow>(this.#sql.send, [
            messages.map((_, index) => index),
            messages.map((message) => message.hubId),
            messages.map((message) => message.instanceId),
            messages.map((message) => toMessageText(message.event)),
          ]),
        { repeatAfterConnectionLoss: false },
      );
    } catch (error) {
      if (isConnectionError(error)) {
        throw new DurableError(
          'OutcomeUnknown',
          'The connection to the database was lost while the message was stored. It may or may not have been: look before you repeat the call.',
          { cause: error },
        );
      }
      if (!isMemberError(error) || messages.length === 1) throw error;
      return this.#oneByOne(messages, (message) => this.#sendAll([message]));
    }
    const byOrder = new Map(rows.map((row) => [row.ord, row]));
    return messages.map((_, index): Sent => {
      const row = byOrder.get(index);
      if (row === undefined) return { outcome: { kind: 'not-found' }, owned: false };
      if (isTerminal(row.status)) return { outcome: { kind: 'terminal', status: row.status }, owned: false };
      return { outcome: { kind: 'sent', key: row.key }, owned: row.owned };
    });
  }

  /** A bad member must not harm the others of its batch (decision 11): each settles by itself, in order. */
  async #oneByOne<Item, Result>(
    items: readonly Item[],
    run: (item: Item) => Promise<readonly (Result | Promise<Result>)[]>,
  ): Promise<readonly Promise<Result>[]> {
    const results: Promise<Result>[] = [];
    for (const item of items) {
      const result = run(item).then(([only]) => {
        if (only === undefined) throw new Error('a single item returned no result');
        return only;
      });
      results.push(result);
      await result.catch(() => undefined); // its caller gets the rejection through the list
    }
    return results;
  }

  async get(hubId: number, instanceId: string, withHistory: boolean): Promise<OrchestrationInstance | undefined> {
    if (!withHistory) return (await this.#gets.add({ hubId, instanceId })) ?? undefined;
    const [row] = await this.#runner.rows<InstanceRow & { history: string[] }>(this.#sql.getWithHistory, [
      hubId,
      instanceId,
    ]);
    return row && { ...toInstance(row), history: row.history.flatMap((text) => toEvents(text)) };
  }

  async #getAll(addresses: readonly InstanceAddress[]): Promise<readonly (OrchestrationInstance | null)[]> {
    const rows = await this.#runner.rows<InstanceRow & { readonly ord: number }>(this.#sql.get, [
      addresses.map((_, index) => index),
      addresses.map((address) => address.hubId),
      addresses.map((address) => address.instanceId),
    ]);
    const found = new Map(rows.map((row) => [row.ord, row]));
    return addresses.map((_, index) => {
      const row = found.get(index);
      return row === undefined ? null : toInstance(row);
    });
  }

  async findEnded(keys: readonly InstanceKey[]): Promise<readonly InstanceKey[]> {
    return (await this.#runner.rows<{ key: string }>(this.#sql.ended, [keys])).map((row) => row.key);
  }

  terminatePending(request: TerminatePending): Promise<'terminated' | undefined> {
    let sent = false;
    return again(
      () =>
        this.#runner.transaction(async (client) => {
          const taken = await client.query<{ sequence: string; now: number }>(this.#sql.takePending, [request.key]);
          const pending = taken.rows[0];
          if (pending === undefined) {
            // An earlier sending may have ended it.
            const found = sent ? await client.query(this.#sql.wasTerminated, [request.key]) : undefined;
            return found?.rowCount === 1 ? 'terminated' : undefined;
          }
          sent = true;
          const texts = toHistoryTexts(request.eventsAt(pending.now));
          for (const [index, text] of texts.entries()) {
            await client.query(this.#sql.append, [request.key, Number(pending.sequence) + 1 + index, text]);
          }
          await client.query(this.#sql.endPending, [request.key, request.output]);
          await client.query(this.#sql.deleteMessages, [request.key]);
          return 'terminated' as const;
        }),
      { repeatAfterConnectionLoss: true },
    );
  }

  purge(hubId: number, instanceId: string): Promise<PurgeOutcome> {
    let sent: InstanceKey | undefined;
    return again(
      () =>
        this.#runner.transaction(async (client): Promise<PurgeOutcome> => {
          const found = await client.query<LockedRow>(this.#sql.lock, [hubId, instanceId]);
          const row = found.rows[0];
          // An earlier sending has removed it, though its answer was lost; the id may be in use again.
          if (sent !== undefined && row?.key !== sent) return { kind: 'purged' };
          if (row === undefined) return { kind: 'not-found' };
          if (!isTerminal(row.status)) return { kind: 'not-terminal', status: row.status };
          sent = row.key;
          await this.#deleteAll(client, row.key);
          return { kind: 'purged' };
        }),
      { repeatAfterConnectionLoss: true },
    );
  }

  async #deleteAll(
    client: { query(text: string, values: unknown[]): Promise<unknown> },
    key: InstanceKey,
  ): Promise<void> {
    await client.query(this.#sql.deleteInstance, [key]);
    await client.query(this.#sql.deleteExecution, [key]);
    await client.query(this.#sql.deleteMessages, [key]);
    await client.query(this.#sql.deleteHistory, [key]);
    await client.query(this.#sql.deleteTasks, [key]);
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
  ];
}
