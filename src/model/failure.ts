/**
 * Why something failed, as plain data that crosses process and language borders. The shape is Durable Task's
 * `TaskFailureDetails`; `innerFailure` follows `error.cause`.
 */
export interface Failure {
  /** The error's class name, e.g. `TypeError`. */
  readonly errorType: string;
  readonly message: string;
  readonly stackTrace?: string;
  readonly innerFailure?: Failure;
  /** A retry policy gives up at once when this is set. */
  readonly isNonRetriable?: boolean;
}

/** Error text is user data of any length; it is cut here so that one error cannot fill a history. */
const maxMessageLength = 8_192;
const maxStackLength = 16_384;
const maxDepth = 10;

/**
 * Turns anything that user code threw into a {@link Failure}; never throws itself, whatever the value (null, text,
 * cyclic objects, getters that throw).
 */
export function toFailure(thrown: unknown, depth = 0): Failure {
  try {
    return describe(thrown, depth);
  } catch {
    return { errorType: 'Error', message: 'An error was thrown that could not be read.' };
  }
}

function describe(thrown: unknown, depth: number): Failure {
  if (!(thrown instanceof Error) && !isErrorLike(thrown)) {
    return { errorType: 'Error', message: cut(asText(thrown), maxMessageLength) };
  }
  const details: unknown = 'failureDetails' in thrown ? thrown.failureDetails : undefined;
  const inner: Failure | undefined = isFailure(details)
    ? details
    : thrown.cause !== undefined && thrown.cause !== null && depth < maxDepth
      ? toFailure(thrown.cause, depth + 1)
      : undefined;
  return {
    errorType: cut(String(thrown.name || 'Error'), 256),
    message: cut(String(thrown.message), maxMessageLength),
    ...(typeof thrown.stack === 'string' ? { stackTrace: cut(thrown.stack, maxStackLength) } : {}),
    ...(inner ? { innerFailure: inner } : {}),
    ...('isNonRetriable' in thrown && thrown.isNonRetriable === true ? { isNonRetriable: true } : {}),
  };
}

interface ErrorLike {
  readonly name: unknown;
  readonly message: unknown;
  readonly stack?: unknown;
  readonly cause?: unknown;
}

function isErrorLike(value: unknown): value is ErrorLike {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value;
}

function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'errorType' in value && 'message' in value;
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) {
    try {
      return JSON.stringify(value) ?? 'object';
    } catch {
      return Object.prototype.toString.call(value);
    }
  }
  return String(value);
}

/** Cuts at a UTF-16 length without leaving half a surrogate pair, and removes what Postgres text cannot hold. */
function cut(text: string, length: number): string {
  const clean = text.replaceAll('\u0000', '\ufffd').toWellFormed();
  if (clean.length <= length) return clean;
  return `${clean.slice(0, length - 1).toWellFormed()}…`;
}
