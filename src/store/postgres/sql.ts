/**
 * How the hand-written statements are made and sent. Their text is fixed when the store opens (only quoted table names
 * go in), so that each is prepared once for a connection and can be pasted into psql.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { DurableError } from '../../model/errors.ts';
import { isConnectionError, isRetryable } from './errors.ts';

/** The tables with their schema, quoted. */
export interface Tables {
  readonly hubs: string;
  readonly workers: string;
  readonly instances: string;
  readonly executions: string;
  readonly history: string;
  readonly messages: string;
  readonly tasks: string;
  /** A function. */
  readonly claimLimitedTasks: string;
  readonly accessKeys: string;
  readonly linkSecrets: string;
  readonly audit: string;
  readonly idempotentCalls: string;
  readonly completionWebhooks: string;
  readonly entities: string;
  /** A function. */
  readonly backlog: string;
  readonly retentionSweeps: string;
  readonly strikes: string;
  readonly migrations: string;
  /** A function: gives the key back, or asks for the transaction to be repeated when it is NULL. */
  readonly knownKey: string;
}

export function tablesOf(schema: string): Tables {
  const quoted = (table: string): string => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
  return {
    hubs: quoted('task_hubs'),
    workers: quoted('workers'),
    instances: quoted('instances'),
    executions: quoted('executions'),
    history: quoted('history'),
    messages: quoted('messages'),
    tasks: quoted('activity_tasks'),
    claimLimitedTasks: quoted('claim_limited_tasks'),
    accessKeys: quoted('access_keys'),
    linkSecrets: quoted('link_secrets'),
    audit: quoted('audit'),
    idempotentCalls: quoted('idempotent_calls'),
    completionWebhooks: quoted('completion_webhooks'),
    entities: quoted('entities'),
    backlog: quoted('backlog'),
    retentionSweeps: quoted('retention_sweeps'),
    strikes: quoted('strikes'),
    migrations: quoted('migrations'),
    knownKey: quoted('known_key'),
  };
}

/** Stands for a schema in names of 63 bytes at most; what is longer Postgres would cut to the same. */
export function schemaTag(schema: string): string {
  return schema.length <= 40 ? schema : createHash('sha256').update(schema).digest('hex').slice(0, 32);
}

/** A statement prepared under its name, unless the pool sits behind a transaction pooler. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export function statement(name: string, text: string): Statement {
  return { name, text };
}

/** Where a runner's connections come from: a pool, or what behaves like one. */
export interface Connections {
  connect(): Promise<pg.PoolClient>;
}

/** What all runners of a store count. */
export interface StatementCounts {
  /** Statements that lost a deadlock or met a concurrent change: whoever sent them sends them again. */
  conflicts: number;
}

/** How a runner sends its statements. */
export interface RunnerOptions {
  /** Asked before each statement: that there is a pooler in between may turn out late. */
  readonly prepared: boolean;
  /** Tells the statements of several schemas on one pool apart. */
  readonly prefix: string;
  readonly counts: StatementCounts;
}

/** Runs statements on one pool. */
export class Runner {
  readonly #pool: Connections;
  readonly #options: RunnerOptions;

  constructor(pool: Connections, options: RunnerOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /**
   * @throws DurableError `StoreUnavailable` when no connection was to be had: then nothing was sent. Any other
   *   connection error leaves the outcome open.
   */
  async rows<Row extends pg.QueryResultRow>(what: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    const client = await this.connect();
    let broken = false;
    try {
      const query = this.#options.prepared
        ? { name: `${this.#options.prefix}_${what.name}`, text: what.text, values: [...values] }
        : { text: what.text, values: [...values] };
      return (await client.query<Row>(query)).rows;
    } catch (error) {
      broken = isConnectionError(error);
      this.#note(error);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** The same on other connections. */
  on(connections: Connections): Runner {
    return new Runner(connections, this.#options);
  }

  #note(error: unknown): void {
    if (isRetryable(error)) this.#options.counts.conflicts += 1;
  }

  /** A connection that the caller gives back. @throws DurableError `StoreUnavailable` when none was to be had */
  async connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      if (error instanceof DurableError) throw error;
      throw new DurableError('StoreUnavailable', 'The database cannot be reached right now. Try again in a moment.', {
        cause: error,
      });
    }
  }

  /** Runs `work` in one transaction on one connection. */
  async transaction<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.connect();
    let broken = false;
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      this.#note(error);
      broken = isConnectionError(error) || !(await rollBack(client));
      throw error;
    } finally {
      // A connection that could not roll back, or timed out, must not serve anybody else.
      client.release(broken);
    }
  }
}

/** @returns whether it could */
export function rollBack(client: pg.PoolClient): Promise<boolean> {
  return client.query('rollback').then(
    () => true,
    () => false,
  );
}

/** Database time in whole milliseconds since 1970, as SQL. */
export const nowMs = `floor(extract(epoch from now()) * 1000)::float8`;

/**
 * The names of a claim ($3), folded by the database on both sides: JavaScript and Postgres disagree about the lower case
 * of some letters, and then nobody would find what was registered under the very name.
 */
export const lowerNames = `array(select lower(n) from unnest($3::text[]) as n)`;

/**
 * Whether the worker that claims ($1) may still do so. What a worker took after its lease had ended would be nobody's
 * once its row is gone.
 */
export function ownLeaseHolds(t: Tables): string {
  return `exists (select 1 from ${t.workers} me where me.id = $1 and me.expires_at > now())`;
}

/**
 * Whether what a dead worker owned is suspected of its death, and of one before: it runs in quarantine. Columns of the row
 * under `owned` and its worker under `w`.
 */
export function isSuspect(owned: string, w: string): string {
  return `${owned}.crash_count + case when ${w}.blameless then 0 else 1 end >= 2`;
}

/** The filter on what a dead worker left; its name (see the store port) is in parameter `at`. */
export function suspectFilter(at: string, owned: string, w: string): string {
  return `(${at}::text = 'all' or (${isSuspect(owned, w)}) = (${at}::text = 'only'))`;
}

/** What is known against the turns and activities of an execution, as JSON; null: nothing. */
export function strikesOf(t: Tables, execution: { readonly key: string; readonly id: string }, task?: string): string {
  return `(select json_agg(json_build_array(s.task_scheduled_id, s.count, s.failure))::text from ${t.strikes} s
          where s.instance_key = ${execution.key} and s.execution_id = ${execution.id}
          ${task === undefined ? '' : `and s.task_scheduled_id = ${task}`})`;
}

/**
 * Arrays as one text each, split again in SQL: node-postgres quotes and escapes every element of an array, which for
 * JSON (full of quotes) cost more than everything else in a commit (measured). The separators cannot occur in JSON text,
 * which holds no raw control characters.
 */
const separator = '\u001e';
const nullMark = '\u001d';

/** A column of JSON texts (or NULLs) as a parameter for {@link jsonTexts}; empty without any. */
export function joinJson(texts: readonly (string | null)[]): string {
  return texts.map((text) => text ?? nullMark).join(separator);
}

/** SQL that turns a parameter made by {@link joinJson} into `text[]`. */
export function jsonTexts(parameter: string): string {
  return `string_to_array(${parameter}::text, E'\\x1e', E'\\x1d')`;
}

/** A column of numbers or keys as an array literal. */
export function joinNumbers(values: readonly (number | string)[]): string {
  return `{${values.join(',')}}`;
}
