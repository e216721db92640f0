/** The lock on an embedded database: one connection that holds an advisory lock for as long as its process lives. */
import { Client, DatabaseError } from 'pg';
import { databaseUser } from './initialise.ts';

/** Any number; the database belongs to Perdure alone. */
const lockKey = 7_071_001;

/** The lock, while it is held. */
export interface Ownership {
  /** Called when the connection ended without `close`. */
  onLost: () => void;
  close(): void;
}

export type OwnershipOutcome =
  | { readonly kind: 'owned'; readonly ownership: Ownership }
  | { readonly kind: 'held'; readonly holder: number | undefined }
  | { readonly kind: 'refused'; readonly message: string }
  /** The server is starting, stopping or restarting. */
  | 'not-ready';

/** Tries to become the owner of the database that listens on a port. */
export async function takeOwnership(server: {
  readonly port: number;
  readonly password: string;
}): Promise<OwnershipOutcome> {
  const client = new Client({
    host: '127.0.0.1',
    port: server.port,
    user: databaseUser,
    password: server.password,
    database: 'postgres',
    // How a second start learns the process that holds the lock.
    application_name: `perdure owner ${process.pid}`,
    connectionTimeoutMillis: 5_000,
  });
  let isClosing = false;
  const ownership: Ownership = {
    onLost: () => undefined,
    close: () => {
      isClosing = true;
      void client.end().catch(() => undefined);
    },
  };
  // Without a listener an error of an idle connection would end the process; 'end' follows it.
  client.on('error', () => undefined);
  client.on('end', () => {
    if (!isClosing) ownership.onLost();
  });
  try {
    await client.connect();
    const locked = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [lockKey]);
    if (locked.rows[0]?.ok) return { kind: 'owned', ownership };
    const holder = await findHolder(client);
    ownership.close();
    return { kind: 'held', holder };
  } catch (error) {
    ownership.close();
    // Class 28: wrong password or no such role. Everything else passes (57P03: starting up or shutting down).
    if (error instanceof DatabaseError && error.code?.startsWith('28')) {
      return { kind: 'refused', message: error.message };
    }
    return 'not-ready';
  }
}

async function findHolder(client: Client): Promise<number | undefined> {
  const found = await client.query<{ name: string }>(
    `select a.application_name as name
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objid = $1`,
    [lockKey],
  );
  return Number(found.rows[0]?.name.split(' ').at(-1)) || undefined;
}
