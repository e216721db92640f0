/**
 * What is at the other end of the connections: a server or a pooler, the same server as before or another one. Each new
 * connection is asked once, before anybody gets it.
 */
import type pg from 'pg';
import { errorCode } from './errors.ts';

/** Who asked: `pg_control_system` and the name of a WAL file are open to every role. */
const look = `select pg_backend_pid() as pid, pg_is_in_recovery() as standby, pg_postmaster_start_time()::text as started,
  (select system_identifier::text from pg_control_system()) as system,
  case when pg_is_in_recovery() then null else left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline`;

interface Look {
  readonly pid: number;
  readonly standby: boolean;
  readonly started: string;
  readonly system: string;
  readonly timeline: string | null;
}

/** What was found out, for those who keep in memory what they have read. */
export type ServerChange =
  /** It has been restarted: with asynchronous commits it may have lost the last moments. */
  | 'restarted'
  /** Another system, or another timeline of it: what was read may never have been. */
  | 'replaced';

/** What {@link Server} needs to know. */
export interface ServerOptions {
  /** A pooler in transaction mode is known to be in between. */
  readonly isPooler: boolean;
  readonly onChange: (change: ServerChange) => void;
}

export class Server {
  readonly #options: ServerOptions;
  #isPooler: boolean;
  #known: Look | undefined;
  /** It does not tell about itself: no Postgres, or a role that may not ask. */
  #isMute = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#isPooler = options.isPooler;
  }

  /**
   * Whether sessions change hands between transactions, so that nothing may be left in them: no settings, no prepared
   * statements, no LISTEN (decision 27).
   */
  get isPooler(): boolean {
    return this.#isPooler;
  }

  /** A connection was refused. @returns whether it was for what only a server without a pooler takes: try again */
  refused(error: unknown): boolean {
    if (this.#isPooler || errorCode(error) !== '08P01') return false;
    this.#isPooler = true;
    return true;
  }

  /** Looks at a new connection. @throws Error for one that cannot write: a standby after a failover (F51) */
  async greet(client: pg.ClientBase): Promise<void> {
    if (this.#isMute) return;
    let seen: Look | undefined;
    try {
      seen = (await client.query<Look>(look)).rows[0];
    } catch (error) {
      const code = errorCode(error) ?? '';
      if (!code.startsWith('42') && !code.startsWith('0A')) throw error;
      this.#isMute = true;
      return;
    }
    if (seen === undefined) return;
    if (seen.standby) throw new ReadOnlyServerError();
    // A pooler makes up the number under which statements are cancelled.
    if ('processID' in client && client.processID !== seen.pid) this.#isPooler = true;
    const before = this.#known;
    this.#known = seen;
    if (before === undefined) return;
    if (before.system !== seen.system || before.timeline !== seen.timeline) this.#options.onChange('replaced');
    else if (before.started !== seen.started) this.#options.onChange('restarted');
  }
}

/** A class of its own: plain errors count as outages, of which most are kept out of the log while there is one. */
export class ServerChangedError extends Error {
  override readonly name = 'ServerChangedError';

  constructor(change: ServerChange) {
    super(`it was ${change}`);
  }
}

/** Reads would work, but what they say may be old. */
export class ReadOnlyServerError extends Error {
  override readonly name = 'ReadOnlyServerError';
  readonly code = '25006';

  constructor() {
    super('the database is a standby that cannot be written to');
  }
}
