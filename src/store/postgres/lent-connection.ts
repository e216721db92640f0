/**
 * One connection, in a transaction, that behaves like a pool: everything done through it belongs to that transaction. What
 * fails is taken back by itself, so that it can be tried again.
 */
import type pg from 'pg';
import { DurableError } from '../../model/errors.ts';
import { isConnectionError } from './errors.ts';
import type { Connections } from './sql.ts';

/** A transaction inside the transaction; there is one at a time. */
const inner: Readonly<Record<string, string>> = {
  begin: 'savepoint part',
  commit: 'release savepoint part',
  rollback: 'rollback to savepoint part',
};

/** @param client used by nobody else meanwhile */
export function lentConnection(client: pg.PoolClient): Connections {
  let turn: Promise<void> = Promise.resolve();
  return {
    connect: async () => {
      const before = turn;
      let release = (): void => undefined;
      turn = new Promise((resolve) => (release = resolve));
      await before;
      return lend(client, release);
    },
  };
}

function lend(client: pg.PoolClient, release: () => void): pg.PoolClient {
  const call = client.query.bind(client) as (...args: readonly unknown[]) => Promise<unknown>;
  const send = async (args: readonly unknown[]): Promise<unknown> => {
    try {
      return await call(...args);
    } catch (error) {
      // With the connection the transaction is gone, and all that belonged to it.
      if (!isConnectionError(error)) throw error;
      const text = 'The connection to the database was lost, and nothing was done. Try again in a moment.';
      throw new DurableError('StoreUnavailable', text, { cause: error });
    }
  };
  let isInside = false;
  const query = async (...args: readonly unknown[]): Promise<unknown> => {
    const [text] = args;
    const control = typeof text === 'string' ? inner[text] : undefined;
    if (control !== undefined) {
      isInside = text === 'begin';
      return send([control]);
    }
    if (isInside) return send(args);
    await send([inner['begin']]);
    try {
      const result = await send(args);
      await send([inner['commit']]);
      return result;
    } catch (error) {
      await send([inner['rollback']]);
      throw error;
    }
  };
  return new Proxy(client, {
    get: (target, name): unknown => {
      if (name === 'query') return query;
      if (name === 'release') return release;
      return Reflect.get(target, name);
    },
  });
}
