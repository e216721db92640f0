/**
 * LISTEN/NOTIFY. A notification is a hint: everything it says is found by polling too (A8), so nothing here is ever
 * retried for the sake of correctness. It is sent outside the commits, joined, at most one per 20 ms and process: a NOTIFY
 * inside every transaction would take an instance-wide lock at each commit.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { WorkNotification } from '../../model/work.ts';
import type { NotificationBus } from '../store.ts';

const joinMs = 20;
/** Postgres refuses payloads of 8,000 bytes and more. */
const maxKeys = 300;
const maxBackOffMs = 5_000;

/** What the bus needs to know. */
export interface NotificationOptions {
  readonly pool: pg.Pool;
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

export class Notifications implements NotificationBus {
  readonly #options: NotificationOptions;
  readonly #channel: string;
  readonly #me = randomBytes(6).toString('hex');
  readonly #listeners = new Set<(notification: WorkNotification) => void>();
  #pending: WorkNotification[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastSentAt = 0;
  #closed = false;
  #client: pg.Client | pg.PoolClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #backOffMs = 100;

  constructor(options: NotificationOptions) {
    this.#options = options;
    this.#channel = `perdure_${options.schema}`;
  }

  publish(notification: WorkNotification): void {
    for (const listener of this.#listeners) listener(notification);
    if (this.#closed) return;
    this.#pending.push(notification);
    this.#timer ??= setTimeout(() => this.#send(), Math.max(0, this.#lastSentAt + joinMs - performance.now()));
  }

  subscribe(listener: (notification: WorkNotification) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #send(): void {
    this.#timer = undefined;
    this.#lastSentAt = performance.now();
    const items = joined(this.#pending.splice(0));
    const packet: Packet = { from: this.#me, items };
    this.#options.pool
      .query('select pg_notify($1, $2)', [this.#channel, JSON.stringify(packet)])
      .catch((error: unknown) => {
        this.#options.log?.('a notification was not sent', error);
      });
  }

  /** Connects and keeps connecting; resolves after the first try, whatever came of it. */
  async listen(): Promise<void> {
    if (this.#closed) return;
    try {
      const client = await this.#connect();
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
      await client.query(`listen ${pg.escapeIdentifier(this.#channel)}`);
      this.#backOffMs = 100;
      // What was sent while nobody listened is found by looking once.
      this.#deliver({ kind: 'resync' });
    } catch (error) {
      const client = this.#client;
      this.#client = undefined;
      if (client) this.#drop(client);
      this.#reconnect(error);
    }
  }

  async #connect(): Promise<pg.Client | pg.PoolClient> {
    const { connectionString, pool } = this.#options;
    if (connectionString === undefined) return pool.connect();
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000, keepAlive: true });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  #reconnect(error: unknown): void {
    if (this.#closed || this.#retry) return;
    this.#options.log?.('notifications are off, polling goes on', error);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.listen();
    }, this.#backOffMs);
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
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    client.removeAllListeners('notification');
    if ('release' in client) client.release(true);
    else await client.end().catch(() => undefined);
  }
}

/** One notification for each kind and hub, with the keys together; too many keys become "look for yourself". */
function joined(items: readonly WorkNotification[]): readonly WorkNotification[] {
  const byKind = new Map<string, WorkNotification>();
  for (const item of items) {
    if (item.kind === 'resync') continue;
    const name = `${item.kind} ${item.hubId}`;
    const before = byKind.get(name);
    if (before === undefined || !('keys' in item) || !('keys' in before)) byKind.set(name, item);
    else byKind.set(name, { ...item, keys: [...new Set([...before.keys, ...item.keys])] });
  }
  const keys = [...byKind.values()].reduce((sum, item) => sum + ('keys' in item ? item.keys.length : 0), 0);
  return keys > maxKeys ? [{ kind: 'resync' }] : [...byKind.values()];
}

function parsePacket(payload: string): Packet | undefined {
  try {
    return JSON.parse(payload) as Packet;
  } catch {
    return undefined; // somebody else's use of the channel
  }
}
