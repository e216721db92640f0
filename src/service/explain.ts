/** Turns what stopped a start into a line for people. */
import { ImportError } from '../archive/import-error.ts';
import { ConfigError } from '../config.ts';
import { DurableError } from '../model/errors.ts';
import { EmbeddedPostgresError } from '../store/embedded/embedded-postgres-error.ts';
import { StartupError } from './startup-error.ts';

const expected = [ConfigError, DurableError, EmbeddedPostgresError, ImportError, StartupError];

/** One line for what a user can mend; the whole stack for what is our bug. */
export function explain(error: unknown): string {
  if (expected.some((kind) => error instanceof kind)) return messageOf(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The startup error for a port that cannot be listened on; anything else comes back as it is. */
export function listenError(
  error: unknown,
  where: { readonly host: string; readonly port: number },
  portFlag = '--port',
): unknown {
  const { host, port } = where;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new StartupError(
        `port ${port} on ${host} is taken: end the program that uses it, or choose another with ${portFlag} (0 takes a free one).`,
        { cause: error },
      );
    case 'EACCES':
      return new StartupError(
        `port ${port} needs more rights than this user has: choose one above 1023 with ${portFlag}.`,
        { cause: error },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new StartupError(`${host} is no address of this machine: choose another with --host.`, { cause: error });
    default:
      return error;
  }
}

/** The startup error for modules that cannot be loaded: the loader's messages are lines for their authors. */
export function moduleError(error: unknown): StartupError {
  return new StartupError(messageOf(error), { cause: error });
}

/** The startup error for endpoints that cannot be served: two on one route, a route that is no path. */
export function triggerError(error: unknown): unknown {
  return error instanceof TypeError ? new StartupError(error.message, { cause: error }) : error;
}

/** The startup error for a given database that cannot be used. The URL's password stays out of it. */
export function databaseError(error: unknown, databaseUrl: string): unknown {
  const reason = reasonOf(error);
  if (reason === undefined) return error;
  const { hostname, port, pathname } = new URL(databaseUrl);
  const where = `${hostname || 'localhost'}:${port || '5432'}${pathname}`;
  return new StartupError(
    `the database ${where} cannot be used (${reason}): check --database-url (DATABASE_URL), or leave it out to use the embedded Postgres.`,
    { cause: error },
  );
}

/** What the database or the network said; `undefined` for an error of ours. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof DurableError && error.code !== 'StoreUnavailable') return undefined;
  // The deepest cause knows best: ECONNREFUSED instead of "cannot be reached".
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  // One address after the other was tried, and each failed.
  const first: unknown = cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause;
  const isForeign = codeOf(first) !== undefined || error instanceof DurableError;
  return isForeign ? messageOf(first).replaceAll(/\s*\n\s*/g, ' ') : undefined;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
