/**
 * LISTEN/NOTIFY. A notification is a hint: everything it says is found by polling too (A8), so nothing here is ever
 * retried for the sake of correctness. It is sent outside the commits, joined, at most one per 20 ms and process: a NOTIFY
 * inside every transaction would take an instance-wide lock at each commit.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { InstanceKey, WorkNotification } from '../../model/work.ts';
import type { NotificationBus } from '../store.ts';
import { schemaTag } from './sql.ts';

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

/** What is to be sent of one kind and hub. */
interface Pending {
  readonly kind: Exclude<WorkNotification['kind'], 'resync'>;
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
    this.#timer ??= setTimeout(() => this.#send(), Math.max(0, this.#lastSentAt + joinMs - performance.now()));
  }

  subscribe(listener: (notification: WorkNotification) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #remember(notification: WorkNotification): void {
    if (notification.kind === 'resync') return;
    const { kind, hubId } = notification;
    const name = `${kind} ${hubId}`;
    let pending = this.#pending.get(name);
    if (pending === undefined) this.#pending.set(name, (pending = { kind, hubId, keys: new Set() }));
    if ('keys' in notification) for (const key of notification.keys) pending.keys.add(key);
  }

  #send(): void {
    this.#timer = undefined;
    this.#lastSentAt = performance.now();
    const payloads = packets([...this.#pending.values()]).map((items): Packet => ({ from: this.#me, items }));
    this.#pending.clear();
    this.#options.pool
      .query('select pg_notify($1, p) from unnest($2::text[]) p', [
        this.#channel,
        payloads.map((one) => JSON.stringify(one)),
      ])
      .catch((error: unknown) => this.#options.log?.('a notification was not sent', error));
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
    try {
      const client = await this.#connect();
      if (this.#closed) return this.#drop(client); // closed meanwhile
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
    const client = new pg.Client({
      connectionString,
      connectionTimeoutMillis: 5_000,
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
