/**
 * What clients do with single instances that are there; starts are in `starts.ts`. Concurrent messages and looks share
 * statements (idea 7 of performance.md).
 */
import type { PoolClient } from 'pg';
import { Batcher } from '../../flow/batcher.ts';
import { Turnstile } from '../../flow/turnstile.ts';
import { isEntityInstanceId } from '../../model/entity-id.ts';
import type { AuditNote } from '../../model/access.ts';
import { isTerminal, type OrchestrationInstance, type RuntimeStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type { ClientMessage, PurgeOutcome, SendOutcome, TerminatePending } from '../store.ts';
import { again } from './again.ts';
import { auditFields, auditRow, auditValues, insertAudit } from './audit-sql.ts';
import { deleteInstance, deletions, type LockedRow } from './deletions.ts';
import { isMemberError } from './errors.ts';
import { oneByOne } from './one-by-one.ts';
import { batchPatience, type Patience } from './patience.ts';
import { reportTexts, tellParent } from './reports.ts';
import { toEvents, toHistoryTexts, toInstance, toMessageText, type InstanceRow, startOfMessage } from './rows.ts';
import { nowMs, statement, type Runner, type Statement, type Tables } from './sql.ts';

const maxBatch = 500;
const maxBatchBytes = 8 * 1_048_576;

/** Payloads of an instance that are read together with those of others, in bytes; larger ones are read a few at a time. */
const lightBytes = 262_144;
const maxHeavyReads = 4;

const payloadBytes = `coalesce(octet_length(i.input), 0) + coalesce(octet_length(i.output), 0)`;
/** Lengths are known without reading what is stored apart. */
const lightPayloads = ['input', 'output']
  .map((name) => `case when ${payloadBytes} <= ${lightBytes} then i.${name} end as ${name}`)
  .join(', ');

/** An instance as clients see it: while it is live, its execution tells what changes. */
const instanceColumns = (
  payloads = 'i.input, i.output',
): string => `i.key, i.instance_id, i.name, i.version, i.execution_id, coalesce(e.status, i.status) as status,
  i.tags, i.created_at, coalesce(e.last_updated_at, i.last_updated_at) as last_updated_at, i.completed_at, i.scheduled_start_at, i.parent,
  ${payloads}, case when e.instance_key is null then i.custom_status else e.custom_status end as custom_status, i.failure`;

/**
 * KEY SHARE keeps a purge or replacement of the target away until the message is in (decision 16); it does not wait for
 * turns. A message for a scheduled instance becomes visible with its start: it must not start it early.
 * @param audited with a fifth column: the audit entries of some messages, as JSON arrays
 */
function sendText(t: Tables, audited: boolean): string {
  const [column, parameter] = audited ? [', audit', ', $5::text[]'] : ['', ''];
  const noted = audited
    ? `, noted as (
         ${insertAudit(t)} select ${auditFields('t.audit::json')} from target t
         where t.live is not null and t.audit is not null
       )`
    : '';
  return `with input as materialized (
         select * from unnest($1::int[], $2::int[], $3::text[], $4::text[]${parameter}) as n (ord, hub_id, instance_id, event${column})
       ), target as (
         select n.*, i.key, i.scheduled_start_at, i.status as ended, e.status as live, e.owner
         from input n
         cross join lateral (
           select * from ${t.instances} i where i.hub_id = n.hub_id and i.instance_id = n.instance_id limit 1 for key share
         ) i
         ${executionOf(t)}
       ), sent as (
         insert into ${t.messages} (instance_key, hub_id, visible_at, event)
         select t.key, t.hub_id,
           case when t.live = 'Pending' then greatest(t.scheduled_start_at, now()) else now() end, t.event
         from target t
         where t.live is not null
         order by t.ord
       )${noted}
       select ord, key, coalesce(live, ended) as status, owner is not null as owned from target`;
}

/** The execution of an instance `i`, if it is live. */
function executionOf(t: Tables): string {
  return `left join lateral (select * from ${t.executions} e where e.instance_key = i.key limit 1) e on true`;
}

function auditText({ audit }: ClientMessage): string | null {
  return audit === undefined ? null : JSON.stringify(auditValues(audit.entry));
}

function statements(t: Tables) {
  const execution = executionOf(t);
  return {
    send: statement('send_messages', sendText(t, false)),
    // The last of the requests that wait, by what rows.ts writes first into a message; a look along one inbox.
    suspension: statement(
      'find_suspension',
      `select coalesce(e.status, i.status) as status, (
         select left(m.event, length($3)) = $3 from ${t.messages} m
         where m.instance_key = i.key and (left(m.event, length($3)) = $3 or left(m.event, length($4)) = $4)
         order by m.id desc limit 1
       ) as suspends
       from ${t.instances} i
       ${execution}
       where i.hub_id = $1 and i.instance_id = $2`,
    ),
    sendAudited: statement('send_audited_messages', sendText(t, true)),
    recordAudit: `${insertAudit(t)} values (${auditRow(1)})`,
    // Many clients poll at once: their look-ups share a round trip. LATERAL with LIMIT, here and elsewhere, makes each a
    // look-up of its own: joined freely the planner reads the whole hub (measured: 700 ms instead of 3).
    get: statement(
      'get_instances',
      `select n.ord, ${instanceColumns(lightPayloads)}, ${payloadBytes} > ${lightBytes} as is_heavy
       from unnest($1::int[], $2::int[], $3::text[]) as n (ord, hub_id, instance_id)
       cross join lateral (
         select * from ${t.instances} i where i.hub_id = n.hub_id and i.instance_id = n.instance_id limit 1
       ) i
       ${execution}`,
    ),
    getHeavy: statement(
      'get_instance',
      `select ${instanceColumns()} from ${t.instances} i
       ${execution}
       where i.hub_id = $1 and i.instance_id = $2`,
    ),
    getWithHistory: statement(
      'get_instance_history',
      `select ${instanceColumns()}, array(
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
    takePending: `delete from ${t.executions} where instance_key = $1 and status = 'Pending' and owner is null
       returning sequence, ${nowMs} as now`,
    endPending: `update ${t.instances} set status = 'Terminated', output = $2, last_updated_at = now(), completed_at = now()
       where key = $1`,
    ...deletions(t),
    ...reportTexts(t),
    wasTerminated: `select from ${t.instances} where key = $1 and status = 'Terminated'`,
    append: `insert into ${t.history} (instance_key, sequence, commit_id, events) values ($1, $2, gen_random_uuid(), $3)`,
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

interface Sent {
  readonly outcome: SendOutcome;
  /** Whether a worker owned the target: then that worker must hear of it, else any may. */
  readonly owned: boolean;
}

export class Instances {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #sends: Batcher<ClientMessage, Sent>;
  readonly #gets: Batcher<InstanceAddress, OrchestrationInstance | null>;
  readonly #heavyReads = new Turnstile(maxHeavyReads);
  readonly #patience: ReturnType<typeof batchPatience>['patience'];

  constructor(runner: Runner, tables: Tables, patience?: Patience) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#sends = new Batcher({
      run: (messages) => this.#sendAll(messages),
      // One at a time: messages of one sender to one instance keep their order.
      concurrency: 1,
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: (message) => ('input' in message.event ? (message.event.input?.length ?? 0) : 0),
      ...batchPatience(patience, 'writes'),
    });
    this.#patience = batchPatience(patience, 'reads').patience;
    this.#gets = new Batcher({
      run: (addresses) => this.#getAll(addresses),
      concurrency: 4,
      maxItems: 200,
      ...batchPatience(patience, 'reads'),
    });
  }

  send(message: ClientMessage): Promise<Sent> {
    return this.#sends.add(message);
  }

  async #sendAll(messages: readonly ClientMessage[]): Promise<readonly (Sent | Promise<Sent>)[]> {
    let rows: readonly TargetRow[];
    // Few messages are audited, and the statement for them is the longer one.
    const audits = messages.some((message) => message.audit !== undefined) ? [messages.map(auditText)] : [];
    try {
      rows = await again(
        () =>
          this.#runner.rows<TargetRow>(audits.length > 0 ? this.#sql.sendAudited : this.#sql.send, [
            messages.map((_, index) => index),
            messages.map((message) => message.hubId),
            messages.map((message) => message.instanceId),
            messages.map((message) => toMessageText(message.event)),
            ...audits,
          ]),
        { repeatAfterConnectionLoss: false },
      );
    } catch (error) {
      if (!isMemberError(error) || messages.length === 1) throw error;
      return oneByOne(messages, (message) => this.#sendAll([message]));
    }
    const byOrder = new Map(rows.map((row) => [row.ord, row]));
    return messages.map((_, index): Sent => {
      const row = byOrder.get(index);
      if (row === undefined) return { outcome: { kind: 'not-found' }, owned: false };
      if (isTerminal(row.status)) return { outcome: { kind: 'terminal', status: row.status }, owned: false };
      messages[index]?.audit?.stored();
      return { outcome: { kind: 'sent', key: row.key }, owned: row.owned };
    });
  }

  async get(hubId: number, instanceId: string, withHistory: boolean): Promise<OrchestrationInstance | undefined> {
    if (!withHistory) return (await this.#gets.add({ hubId, instanceId })) ?? undefined;
    const [row] = await this.#readHeavy<InstanceRow & { history: string[] }>(this.#sql.getWithHistory, {
      hubId,
      instanceId,
    });
    return row && { ...toInstance(row), history: row.history.flatMap((text) => toEvents(text)) };
  }

  /** A few at a time: many at once would take the memory, and hold everybody up while they are taken apart (F76). */
  async #readHeavy<Row extends InstanceRow>(what: Statement, { hubId, instanceId }: InstanceAddress) {
    const leave = await this.#heavyReads.enter(this.#patience);
    try {
      return await this.#runner.rows<Row>(what, [hubId, instanceId]);
    } finally {
      leave();
    }
  }

  async #getHeavy(address: InstanceAddress): Promise<OrchestrationInstance | null> {
    const [row] = await this.#readHeavy(this.#sql.getHeavy, address);
    return row === undefined ? null : toInstance(row);
  }

  async #getAll(
    addresses: readonly InstanceAddress[],
  ): Promise<readonly (OrchestrationInstance | null | Promise<OrchestrationInstance | null>)[]> {
    type Row = InstanceRow & { readonly ord: number; readonly is_heavy: boolean };
    const rows = await this.#runner.rows<Row>(this.#sql.get, [
      addresses.map((_, index) => index),
      addresses.map((address) => address.hubId),
      addresses.map((address) => address.instanceId),
    ]);
    const found = new Map(rows.map((row) => [row.ord, row]));
    return addresses.map((address, index) => {
      const row = found.get(index);
      if (row === undefined) return null;
      if (!row.is_heavy) return toInstance(row);
      const heavy = this.#getHeavy(address);
      // Nobody may be left who waits for it.
      heavy.catch(() => undefined);
      return heavy;
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
          await this.#note(client, request.audit);
          if (request.report !== undefined) await tellParent(client, this.#sql, request.report);
          return 'terminated' as const;
        }),
      { repeatAfterConnectionLoss: true },
    ).then((ended) => {
      if (ended !== undefined) request.audit?.stored();
      return ended;
    });
  }

  async #note(client: PoolClient, audit: AuditNote | undefined): Promise<void> {
    if (audit !== undefined) await client.query(this.#sql.recordAudit, [...auditValues(audit.entry)]);
  }

  async findSuspension(
    hubId: number,
    instanceId: string,
  ): Promise<{ readonly status: RuntimeStatus; readonly suspended: boolean } | undefined> {
    const [row] = await this.#runner.rows<{ readonly status: RuntimeStatus; readonly suspends: boolean | null }>(
      this.#sql.suspension,
      [hubId, instanceId, startOfMessage('ExecutionSuspended'), startOfMessage('ExecutionResumed')],
    );
    return row && { status: row.status, suspended: row.suspends ?? row.status === 'Suspended' };
  }

  purge(hubId: number, instanceId: string, audit?: AuditNote): Promise<PurgeOutcome> {
    let sent: InstanceKey | undefined;
    return again(
      () =>
        this.#runner.transaction(async (client): Promise<PurgeOutcome> => {
          const found = await client.query<LockedRow>(this.#sql.lock, [hubId, instanceId]);
          const row = found.rows[0];
          // An earlier sending has removed it, though its answer was lost; the id may be in use again.
          if (sent !== undefined && row?.key !== sent) return { kind: 'purged' };
          if (row === undefined) return { kind: 'not-found' };
          // An entity never ends.
          if (!isTerminal(row.status) && !isEntityInstanceId(instanceId)) {
            return { kind: 'not-terminal', status: row.status };
          }
          sent = row.key;
          await deleteInstance(client, this.#sql, row.key);
          await this.#note(client, audit);
          return { kind: 'purged' };
        }),
      { repeatAfterConnectionLoss: true },
    ).then((outcome) => {
      if (outcome.kind === 'purged') audit?.stored();
      return outcome;
    });
  }
}
