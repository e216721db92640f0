/**
 * LISTEN/NOTIFY. A notification is a hint: everything it says is found by polling too (A8), so nothing here is ever
 * retried for the sake of correctness. It is sent outside the commits, joined, at most one per 20 ms and process: a NOTIFY
 * inside every transaction would take an instance-wide lock at each commit.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { InstanceKey, WorkNotification } from '../../model/work.ts';
import type { NotificationBus } from '../store.ts';
import { isConnectionError } from './errors.ts';
import { type Connections, schemaTag } from './sql.ts';

const joinMs = 20;
/** Postgres refuses payloads of 8,000 bytes and more. */
const maxKeys = 300;
const maxBackOffMs = 5_000;

/** Keys of one kind that wait to be sent; who needs one of the others finds out by polling. */
const maxPendingKeys = 10_000;
/** How often the connection is asked whether it lives: one that is half open says nothing (F52, F60). */
const checkEveryMs = 10_000;
/** How long it may take to answer. */
const checkTimeoutMs = 5_000;

/** What the bus needs to know. */
export interface NotificationOptions {
  readonly pool: pg.Pool;
  /** Those of the pool, for sending. */
  readonly connections: Connections;
  /** Whether a connection to listen on would be a transaction pooler's: then nothing would ever be heard. */
  readonly isPooled: () => boolean;
  /** Looks at a new connection. @throws Error for one that is no good */
  readonly greet: (client: pg.ClientBase) => Promise<void>;
  readonly schema: string;
  /** For LISTEN; must not be a transaction pooler's. `undefined`: take a connection from the pool. */
  readonly connectionString?: string;
  readonly log?: (text: string, error: unknown) => void;
}

/** On the wire: numbers and kinds only, no user text. */
interface Packet {
  readonly from: string;
  readonly items: readonly WorkNotification[];
}

/** What is to be sent of one kind and hub. */
interface Pending {
  readonly kind: Exclude<WorkNotification['kind'], 'resync' | 'reset'>;
  readonly hubId: number;
  readonly keys: Set<InstanceKey>;
}

export class Notifications implements NotificationBus {
  readonly #options: NotificationOptions;
  readonly #channel: string;
  readonly #me = randomBytes(6).toString('hex');
  readonly #listeners = new Set<(notification: WorkNotification) => void>();
  readonly #pending = new Map<string, Pending>();
  #timer: NodeJS.Timeout | undefined;
  #check: NodeJS.Timeout | undefined;
  #sending = false;
  #lastSentAt = 0;
  #closed = false;
  #client: pg.Client | pg.PoolClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #backOffMs = 100;

  constructor(options: NotificationOptions) {
    this.#options = options;
    this.#channel = `perdure_${schemaTag(options.schema)}`;
  }

  /** Whether what others send is heard; without it polling finds everything, later. */
  get isListening(): boolean {
    return this.#client !== undefined;
  }

  publish(notification: WorkNotification): void {
    for (const listener of this.#listeners) listener(notification);
    if (this.#closed) return;
    this.#remember(notification);
    this.#schedule();
  }

  subscribe(listener: (notification: WorkNotification) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #remember(notification: WorkNotification): void {
    if (notification.kind === 'resync' || notification.kind === 'reset') return;
    const { kind, hubId } = notification;
    const name = `${kind} ${hubId}`;
    let pending = this.#pending.get(name);
    if (pending === undefined) this.#pending.set(name, (pending = { kind, hubId, keys: new Set() }));
    if (!('keys' in notification) || pending.keys.size >= maxPendingKeys) return;
    for (const key of notification.keys) pending.keys.add(key);
  }

  /** One at a time: while the database does not answer they would take all connections. */
  #schedule(): void {
    if (this.#sending || this.#pending.size === 0 || this.#closed) return;
    this.#timer ??= setTimeout(() => void this.#send(), Math.max(0, this.#lastSentAt + joinMs - performance.now()));
  }

  async #send(): Promise<void> {
    this.#timer = undefined;
    this.#sending = true;
    this.#lastSentAt = performance.now();
    const payloads = packets([...this.#pending.values()]).map((items): Packet => ({ from: this.#me, items }));
    this.#pending.clear();
    let client: pg.PoolClient | undefined;
    let isBroken = false;
    try {
      client = await this.#options.connections.connect();
      await client.query('select pg_notify($1, p) from unnest($2::text[]) p', [
        this.#channel,
        payloads.map((one) => JSON.stringify(one)),
      ]);
    } catch (error) {
      isBroken = isConnectionError(error);
      this.#options.log?.('a notification was not sent', error);
    } finally {
      client?.release(isBroken);
      this.#sending = false;
      this.#schedule();
    }
  }

  /** Connects and keeps connecting; resolves after the first try, whatever came of it. */
  async listen(): Promise<void> {
    if (this.#closed) return;
    const { connectionString, pool, log } = this.#options;
    if (connectionString === undefined && pool.options.max === 1) {
      // Listening keeps its connection: nothing else would ever get it.
      log?.('notifications are off, polling goes on', new Error('the pool has only one connection'));
      return;
    }
    let opened: pg.Client | pg.PoolClient | undefined;
    let isUsed = false;
    try {
      const client = await this.#connect();
      opened = client;
      if (this.#closed) return this.#drop(client); // closed meanwhile
      await this.#options.greet(client);
      if (this.#closed) return this.#drop(client);
      if (this.#options.isPooled()) {
        this.#drop(client);
        log?.('notifications are off, polling goes on', new Error('a pooler is in between: set a direct database URL'));
        return;
      }
      client.on('notification', (message) => this.#receive(message.payload));
      const again = (error?: unknown): void => {
        if (this.#client !== client) return;
        this.#client = undefined;
        this.#drop(client);
        this.#reconnect(error ?? new Error('the connection for notifications ended'));
      };
      client.on('error', again);
      client.on('end', () => again());
      this.#client = client;
      isUsed = true;
      await client.query(`listen ${pg.escapeIdentifier(this.#channel)}`);
      if (this.#client !== client) return; // lost, or closed
      this.#backOffMs = 100;
      this.#watch(client, again);
      // What was sent while nobody listened is found by looking once.
      this.#deliver({ kind: 'resync' });
    } catch (error) {
      // Who lost it meanwhile has dropped it, too.
      if (opened !== undefined && (this.#client === opened || !isUsed)) this.#drop(opened);
      this.#client = undefined;
      this.#reconnect(error);
    }
  }

  /** Asks now and then whether the connection lives. */
  #watch(client: pg.Client | pg.PoolClient, lost: (error: unknown) => void): void {
    clearTimeout(this.#check);
    this.#check = setTimeout(() => {
      if (this.#client !== client) return;
      client.query('select 1').then(() => this.#watch(client, lost), lost);
    }, checkEveryMs);
  }

  async #connect(): Promise<pg.Client | pg.PoolClient> {
    const { connectionString, connections } = this.#options;
    if (connectionString === undefined) return connections.connect();
    const client = new pg.Client({
      connectionString,
      connectionTimeoutMillis: checkTimeoutMs,
      query_timeout: checkTimeoutMs,
      application_name: 'perdure listen',
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  #reconnect(error: unknown): void {
    if (this.#closed || this.#retry) return;
    this.#options.log?.('notifications are off, polling goes on', error);
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        void this.listen();
      },
      this.#backOffMs * (0.5 + Math.random() / 2),
    );
    this.#backOffMs = Math.min(maxBackOffMs, this.#backOffMs * 2);
  }

  #drop(client: pg.Client | pg.PoolClient): void {
    client.removeAllListeners('notification');
    if ('release' in client) client.release(true);
    else void client.end().catch(() => undefined);
  }

  #receive(payload: string | undefined): void {
    const packet = payload === undefined ? undefined : parsePacket(payload);
    if (packet === undefined || packet.from === this.#me) return;
    for (const item of packet.items) this.#deliver(item);
  }

  #deliver(notification: WorkNotification): void {
    for (const listener of this.#listeners) listener(notification);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    clearTimeout(this.#check);
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    client.removeAllListeners('notification');
    if ('release' in client) client.release(true);
    else await client.end().catch(() => undefined);
  }
}

/** The payloads to send: one, or several where one cannot hold the keys. */
function packets(pending: readonly Pending[]): readonly (readonly WorkNotification[])[] {
  const all: WorkNotification[][] = [[]];
  for (const { kind, hubId, keys } of pending) {
    if (kind !== 'inbox' && kind !== 'ended') {
      all[0]?.push({ kind, hubId });
      continue;
    }
    const list = [...keys];
    for (let at = 0; at < list.length; at += maxKeys) all.push([{ kind, hubId, keys: list.slice(at, at + maxKeys) }]);
  }
  return all.filter((items) => items.length > 0);
}

function parsePacket(payload: string): Packet | undefined {
  try {
    return JSON.parse(payload) as Packet;
  } catch {
    return undefined; // somebody else's use of the channel
  }
}
