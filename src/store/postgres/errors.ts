/** Recognises database errors by SQLSTATE and node error codes, never by message text. */
import { DurableError } from '../../model/errors.ts';

/** SQLSTATE or node error code of an error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT', // a unix socket that is gone
]);

/** Whether the connection or the server went away, so that the outcome of a statement may be unknown. */
export function isConnectionError(error: unknown): boolean {
  const code = errorCode(error);
  if (code === undefined) {
    // node-postgres gives plain errors without a code for a connection that ended under a query or timed out.
    return error instanceof Error && !(error instanceof DurableError) && error.constructor === Error;
  }
  return (
    networkCodes.has(code) ||
    code.startsWith('08') || // connection exception
    code.startsWith('57P') || // shutdown, crash, cannot connect now
    code === '53300' || // too many connections
    isReadOnly(error) // a standby after failover
  );
}

/** Whether the server refused to write: nothing was executed, and another one may have taken its place (F51). */
export function isReadOnly(error: unknown): boolean {
  return errorCode(error) === '25006';
}

/** Whether the database could not be reached at all, so that nothing was sent. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof DurableError && error.code === 'StoreUnavailable';
}

/** Deadlock, serialization failure or lock timeout: the same statement may be sent again. */
export function isRetryable(error: unknown): boolean {
  const code = errorCode(error);
  return code === '40P01' || code === '40001' || code === '55P03';
}

/** Somebody else has kept a lock for too long. */
export function isLockTimeout(error: unknown): boolean {
  return errorCode(error) === '55P03';
}

/** What the server ended because it took too long: it was not executed. */
export function isOutOfTime(error: unknown): boolean {
  return errorCode(error) === '57014';
}

/** Out of time, memory, disk or connections, or a disk that fails: the same statement may go through later. */
export function isResourceError(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && (code === '57014' || code.startsWith('53') || code.startsWith('58'));
}

/** Data, limit or constraint error: one member of a batch is to blame. */
export function isMemberError(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && (code.startsWith('22') || code.startsWith('23') || code.startsWith('54'));
}

/** Whether an error says nothing but that the database is away, which everybody notices who needs it. */
export function isOutage(error: unknown): boolean {
  return isConnectionError(error) || isUnavailable(error) || isResourceError(error);
}

/** What a caller of the client gets for a database error. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof DurableError) return error;
  const code = errorCode(error);
  if (code === '53100') {
    return new DurableError('StorageFull', 'The database has no space left. Free some and try again.', {
      cause: error,
    });
  }
  if (code === '22021' || code === '22P05') {
    return new DurableError('InvalidArgument', 'Text must not contain the character U+0000.', { cause: error });
  }
  if (code?.startsWith('54')) {
    return new DurableError('PayloadTooLarge', 'A value is too large for the database.', { cause: error });
  }
  if (isConnectionError(error) || isRetryable(error) || isResourceError(error)) {
    return new DurableError('StoreUnavailable', 'The database cannot be reached right now. Try again in a moment.', {
      cause: error,
    });
  }
  return error;
}
