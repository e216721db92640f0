/**
 * Completion webhooks. No commit knows of them: those that are due are found by looking at the instances of a few, which
 * skips what others have locked.
 */
import type { RuntimeStatus } from '../../model/instance.ts';
import type { InstanceKey } from '../../model/work.ts';
import type { DueWebhook, WebhookStore } from '../webhook-store.ts';
import { again } from './again.ts';
import { toStoreError } from './errors.ts';
import { type Runner, type Statement, statement, type Tables } from './sql.ts';

/** Waits for live instances to end without hearing of it: a tenth of its age, from a second to an hour. */
const untilNextLook = `least(interval '1 hour', greatest(interval '1 second', (now() - w.created_at) / 10))`;

/** @param chosen says which rows of `w` are looked at */
function takeText(t: Tables, chosen: string): string {
  return `with due as materialized (
       select w.instance_key from ${t.completionWebhooks} w where ${chosen} for update skip locked
     ), seen as materialized (
       select d.instance_key, i.key, i.hub_id, i.instance_id, i.name, i.status, i.custom_status, i.created_at,
         i.last_updated_at, i.completed_at
       from due d
       left join lateral (select * from ${t.instances} i where i.key = d.instance_key limit 1) i on true
     ), gone as (
       delete from ${t.completionWebhooks} w using seen s where w.instance_key = s.instance_key and s.key is null
     ), live as (
       update ${t.completionWebhooks} w set next_at = now() + ${untilNextLook}
       from seen s where w.instance_key = s.key and s.status is null
     ), taken as (
       update ${t.completionWebhooks} w set attempts = attempts + 1, next_at = now() + $2::float8 * interval '1 millisecond'
       from seen s where w.instance_key = s.key and s.status is not null
       returning w.instance_key, w.url, w.attempts
     )
     select w.url, w.attempts, h.name as task_hub, s.key, s.instance_id, s.name, s.status, s.custom_status, s.created_at,
       s.last_updated_at, extract(epoch from now() - s.completed_at)::float8 * 1000 as age_ms
     from taken w
     join seen s on s.key = w.instance_key
     join ${t.hubs} h on h.id = s.hub_id`;
}

function statements(t: Tables) {
  return {
    takeDue: statement('take_due_webhooks', takeText(t, `w.next_at <= now() order by w.next_at limit $1`)),
    takeEnded: statement(
      'take_ended_webhooks',
      takeText(t, `w.instance_key = any($3::bigint[]) and w.attempts = 0 limit $1`),
    ),
    finish: statement('finish_webhook', `delete from ${t.completionWebhooks} where instance_key = $1`),
    postpone: statement(
      'postpone_webhook',
      `update ${t.completionWebhooks} set next_at = now() + $2::float8 * interval '1 millisecond' where instance_key = $1`,
    ),
    hasAny: statement('has_webhooks', `select exists (select from ${t.completionWebhooks}) as has`),
  };
}

/** Stores the webhook of an instance just started; in the same transaction. */
export function insertWebhook(t: Tables): string {
  return `insert into ${t.completionWebhooks} (instance_key, url) values ($1, $2) on conflict do nothing`;
}

interface DueRow {
  readonly url: string;
  readonly attempts: number;
  readonly task_hub: string;
  readonly key: string;
  readonly instance_id: string;
  readonly name: string;
  readonly status: RuntimeStatus;
  readonly custom_status: string | null;
  readonly created_at: Date;
  readonly last_updated_at: Date;
  readonly age_ms: number;
}

export class Webhooks implements WebhookStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async takeDue(request: Parameters<WebhookStore['takeDue']>[0]): Promise<readonly DueWebhook[]> {
    const { limit, leaseMs, keys } = request;
    const rows =
      keys === undefined
        ? await this.#rows<DueRow>(this.#sql.takeDue, [limit, leaseMs])
        : await this.#rows<DueRow>(this.#sql.takeEnded, [limit, leaseMs, keys]);
    return rows.map((row) => ({
      url: row.url,
      taskHub: row.task_hub,
      attempts: row.attempts,
      ageMs: row.age_ms,
      instance: {
        key: row.key,
        instanceId: row.instance_id,
        name: row.name,
        runtimeStatus: row.status,
        customStatus: row.custom_status,
        createdAt: row.created_at,
        lastUpdatedAt: row.last_updated_at,
      },
    }));
  }

  async finish(key: InstanceKey): Promise<void> {
    await this.#rows(this.#sql.finish, [key]);
  }

  async postpone(key: InstanceKey, delayMs: number): Promise<void> {
    await this.#rows(this.#sql.postpone, [key, delayMs]);
  }

  async hasAny(): Promise<boolean> {
    const [row] = await this.#rows<{ has: boolean }>(this.#sql.hasAny, []);
    return row?.has === true;
  }

  async #rows<Row extends object>(what: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return await again(() => this.#runner.rows<Row>(what, values), { repeatAfterConnectionLoss: true });
    } catch (error) {
      throw toStoreError(error);
    }
  }
}
