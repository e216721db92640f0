/**
 * Calls that are carried out once. What a call changes and what it was answered are committed together, under a lock that
 * its repetitions find taken; so there is no moment at which one of the two is known without the other.
 */
import type pg from 'pg';
import { DurableError } from '../../model/errors.ts';
import type { IdempotentCall, KeptAnswer } from '../../model/kept-answer.ts';
import type { OnceBegin, OnceStore, OnceTransaction } from '../once-store.ts';
import type { ClientStore } from '../store.ts';
import { again } from './again.ts';
import { isConnectionError, toStoreError } from './errors.ts';
import { lentConnection } from './lent-connection.ts';
import { type Connections, rollBack, type Runner, type Statement, statement, type Tables } from './sql.ts';

/** How long answers are kept. */
const kept = `interval '24 hours'`;
/** Nothing is done by it, and it takes no time: a connection that does not even answer this is half open. */
const begin = { text: 'begin', query_timeout: 1_500 };
/** Calls that one transaction forgets. */
const pruneBatch = 1_000;

function statements(t: Tables) {
  return {
    look: `select request_hash, status, body, started, coalesce(under_way_until > now(), false) as under_way
       from ${t.idempotentCalls} where id = $1 and created_at > now() - ${kept}`,
    keep: statement(
      'keep_answer',
      `insert into ${t.idempotentCalls} (id, request_hash, under_way_until, status, body, started)
       values ($1, $2, now() + nullif($3::float8, 0) * interval '1 millisecond', $4, $5, $6)
       on conflict (id) do update set request_hash = excluded.request_hash, created_at = excluded.created_at,
         under_way_until = excluded.under_way_until, status = excluded.status, body = excluded.body,
         started = excluded.started`,
    ),
    forget: statement('forget_call', `delete from ${t.idempotentCalls} where id = $1`),
    prune: statement(
      'prune_idempotent_calls',
      `delete from ${t.idempotentCalls} where id in (
         select id from ${t.idempotentCalls} where created_at < now() - ${kept} order by created_at limit ${pruneBatch}
       ) returning 1`,
    ),
  };
}

interface CallRow {
  readonly request_hash: Buffer;
  readonly status: number | null;
  readonly body: string | null;
  readonly started: string | null;
  readonly under_way: boolean;
}

/** A store on one connection, and what it would have told others. */
export interface StoreOnConnection {
  readonly store: ClientStore;
  /** Tells it now. */
  publish(): void;
}

export class Once implements OnceStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;
  readonly #storeOn: (connections: Connections) => StoreOnConnection;

  constructor(runner: Runner, tables: Tables, storeOn: (connections: Connections) => StoreOnConnection) {
    this.#runner = runner;
    this.#sql = statements(tables);
    this.#storeOn = storeOn;
  }

  async begin(call: IdempotentCall): Promise<OnceBegin> {
    const client = await this.#runner.connect();
    let found: Exclude<OnceBegin, { readonly kind: 'fresh' }> | undefined;
    try {
      await client.query(begin);
      found = await this.#find(client, call);
      if (found === undefined) return { kind: 'fresh', transaction: this.#open(client, call) };
    } catch (error) {
      await giveUp(client, error);
      throw toStoreError(error);
    }
    await giveUp(client);
    return found;
  }

  /** Never waits: whoever has the lock is at work. Looked up under it, so that nothing is missed. */
  async #find(client: pg.PoolClient, { id, requestHash }: IdempotentCall) {
    const lock = await client.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1) as taken', [
      id.readBigInt64BE(0).toString(),
    ]);
    if (lock.rows[0]?.taken !== true) return { kind: 'under-way' } as const;
    const row = (await client.query<CallRow>(this.#sql.look, [id])).rows[0];
    if (row === undefined) return undefined;
    if (!row.request_hash.equals(requestHash)) return { kind: 'different' } as const;
    if (row.under_way) return { kind: 'under-way' } as const;
    // Whoever was at work broke off.
    if (row.status === null) return undefined;
    return { kind: 'repeated', answer: { status: row.status, body: row.body, started: row.started } } as const;
  }

  #open(client: pg.PoolClient, call: IdempotentCall): OnceTransaction {
    const within = this.#storeOn(lentConnection(client));
    let isOpen = true;
    const write = async (answer: KeptAnswer | undefined, underWayMs: number): Promise<void> => {
      const values = [
        call.id,
        call.requestHash,
        underWayMs,
        answer?.status ?? null,
        answer?.body ?? null,
        answer?.started ?? null,
      ];
      if (!isOpen) {
        await this.#rows(this.#sql.keep, values);
        return;
      }
      isOpen = false;
      await commit(client, this.#sql.keep, values);
      within.publish();
    };
    return {
      store: within.store,
      get isOpen() {
        return isOpen;
      },
      keep: (answer, { underWayMs = 0 } = {}) => write(answer, underWayMs),
      announce: (underWayMs) => write(undefined, underWayMs),
      abandon: async () => {
        if (!isOpen) {
          await this.#rows(this.#sql.forget, [call.id]);
          return;
        }
        isOpen = false;
        await giveUp(client);
      },
    };
  }

  async prune(): Promise<number> {
    for (let removed = 0; ;) {
      const batch = (await this.#rows(this.#sql.prune, [])).length;
      removed += batch;
      if (batch < pruneBatch) return removed;
    }
  }

  async #rows(what: Statement, values: readonly unknown[]): Promise<readonly unknown[]> {
    try {
      return await again(() => this.#runner.rows(what, values), { repeatAfterConnectionLoss: true });
    } catch (error) {
      throw toStoreError(error);
    }
  }
}

async function commit(client: pg.PoolClient, { text }: Statement, values: readonly unknown[]): Promise<void> {
  let committing = false;
  try {
    await client.query(text, [...values]);
    committing = true;
    await client.query('commit');
    client.release();
  } catch (error) {
    if (committing && isConnectionError(error)) {
      client.release(true);
      throw new DurableError(
        'OutcomeUnknown',
        'The connection to the database was lost as the call was stored. Repeat it with the same key to learn what became of it.',
        { cause: error },
      );
    }
    await giveUp(client, error);
    throw toStoreError(error);
  }
}

async function giveUp(client: pg.PoolClient, error?: unknown): Promise<void> {
  // A connection that cannot roll back, or timed out, must not serve anybody else.
  client.release(isConnectionError(error) || !(await rollBack(client)));
}
