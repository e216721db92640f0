/** The pools of connections: their limits, what each session is set to, and what happens to a connection that is no good. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresPool } from 'kysely';
import { isConnectionError } from './errors.ts';
import type { Server } from './server.ts';
import type { Connections } from './sql.ts';

/**
 * The hot statements look rows up by key; which plan is right does not depend on what the statistics of a young or
 * fast-changing table say. Without these a commit of 500 turns on a table that was empty at the last ANALYZE compared
 * 500,000 pairs of rows (measured: 290 ms instead of 9).
 */
const plans = { enable_seqscan: 'off', enable_bitmapscan: 'off', plan_cache_mode: 'force_generic_plan', jit: 'off' };

/**
 * How the server finds out that a client has vanished without a word (F52): 5 + 3 * 3 s when nothing is under way, 10 s
 * when an answer is not taken.
 */
const keepAlive = {
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '3',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '10s',
};
/** Nobody keeps a lock that long; what waits for one longer is tried again, or refused. Less than a statement may take. */
const maxLockMs = 5_000;
/** The server gives a statement up before the client gives up the connection: then its outcome is known. */
const shareOfTimeout = 0.8;

const maxCloseMs = 2_000;
const maxConnectMs = 10_000;

/** What {@link Pools} needs to know. */
export interface PoolsOptions {
  readonly connectionString?: string;
  /** The user's own: used for everything, never ended here. */
  readonly pool?: pg.Pool;
  readonly server: Server;
  /** After how long a connection that says nothing is given up, in ms. */
  readonly queryTimeoutMs: number;
  readonly log?: (text: string, error: unknown) => void;
}

export class Pools {
  readonly #options: PoolsOptions;
  readonly #own: pg.Pool[] = [];

  constructor(options: PoolsOptions) {
    this.#options = options;
    if (options.pool) hearErrors(options.pool);
  }

  /** A pool of so many connections at most, or the user's. */
  open(name: string, max: number, timeoutMs = this.#options.queryTimeoutMs): pg.Pool {
    const { pool: theirs, connectionString, server, log } = this.#options;
    if (theirs) return theirs;
    const pool = new pg.Pool({
      ...(connectionString === undefined ? {} : { connectionString }),
      application_name: `perdure ${name}`,
      max,
      connectionTimeoutMillis: Math.min(maxConnectMs, timeoutMs),
      query_timeout: timeoutMs,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      // A class, because what a session is set to is known only when it is opened: poolers refuse settings.
      Client: class extends pg.Client {
        constructor(config?: pg.ClientConfig) {
          super(server.isPooler ? config : { ...config, options: sessionSettings(timeoutMs) });
        }
      },
      // The types know nothing of its promise, which the pool waits for.
      onConnect: (client): void => server.greet(client) as unknown as undefined,
    });
    // An idle connection that breaks is replaced by the pool; unheard it would end the process.
    pool.on('error', (error) => log?.('an idle database connection was lost', error));
    hearErrors(pool);
    this.#own.push(pool);
    return pool;
  }

  /** The connections of a pool, for runners. */
  connectionsOf(pool: pg.Pool): Connections {
    const { server } = this.#options;
    return {
      connect: async () => {
        try {
          return await pool.connect();
        } catch (error) {
          if (!server.refused(error)) throw error;
          return pool.connect();
        }
      },
    };
  }

  async close(): Promise<void> {
    // A statement whose answer does not come keeps its connection until it times out: not the caller's business.
    const ended = Promise.all(this.#own.map((pool) => pool.end()));
    await Promise.race([ended, delay(maxCloseMs, undefined, { ref: false })]);
  }
}

/** Callers that wait for a connection; more are turned away at once. */
const maxWaiting = 2_000;

/**
 * The same connections for callers that have no time: whoever would have to wait longer gets an error, and nothing was sent.
 */
export function impatient(connections: Connections, maxWaitMs: number): Connections {
  let waiting = 0;
  return {
    connect: async () => {
      if (waiting >= maxWaiting) throw new Error('too many wait for a connection to the database');
      waiting += 1;
      const wanted = connections.connect().finally(() => (waiting -= 1));
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), maxWaitMs)));
      const client = await Promise.race([wanted, late]).finally(() => clearTimeout(timer));
      if (client !== undefined) return client;
      // It comes all the same, and nobody wants it any more.
      void wanted.then(
        (one) => one.release(),
        () => undefined,
      );
      throw new Error('no connection to the database is free');
    },
  };
}

/** A pool for kysely, which gives connections back without saying how they are. */
export function poolForKysely(connections: Connections): PostgresPool {
  return {
    connect: async () => {
      const client = await connections.connect();
      const query = client.query.bind(client) as (...args: readonly unknown[]) => Promise<unknown>;
      let isBroken = false;
      return new Proxy(client, {
        get: (target, name): unknown => {
          if (name === 'release') return () => client.release(isBroken);
          if (name !== 'query') return Reflect.get(target, name);
          return async (...args: readonly unknown[]) => {
            try {
              return await query(...args);
            } catch (error) {
              isBroken ||= isConnectionError(error);
              throw error;
            }
          };
        },
      });
    },
    end: () => Promise.resolve(),
  };
}

function sessionSettings(timeoutMs: number): string {
  const patienceMs = Math.ceil(timeoutMs * shareOfTimeout);
  const limits = {
    statement_timeout: `${patienceMs}ms`,
    lock_timeout: `${Math.min(maxLockMs, Math.ceil(patienceMs / 2))}ms`,
    // A transaction whose client has vanished must not keep its locks.
    idle_in_transaction_session_timeout: `${patienceMs}ms`,
  };
  return Object.entries({ ...limits, ...keepAlive, ...plans })
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

/**
 * A connection that breaks while it is lent out emits an error that the pool does not listen to; unheard it would end
 * the process. Whoever uses the connection learns of it from the query that rejects.
 */
function hearErrors(pool: pg.Pool): void {
  pool.on('connect', (client) => client.on('error', () => undefined));
}
