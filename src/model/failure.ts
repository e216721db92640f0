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
  /**
   * What else the error says, as JSON: the entries of its `properties` object, and its own enumerable properties that
   * are texts, numbers or booleans (such as `code`).
   */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Throw it from an activity whose call must not be tried again, whatever its retry policy says. */
export class NonRetriableError extends Error {
  override readonly name: string = 'NonRetriableError';
  /** What retry policies and handlers look at; any error may have it. */
  readonly isNonRetriable = true;
}

/** Error text is user data of any length; it is cut here so that one error cannot fill a history. */
const maxMessageLength = 8_192;
const maxStackLength = 16_384;
const maxDepth = 10;
/** Properties beyond this, in UTF-16 units of JSON, are left out. */
const maxPropertiesLength = 8_192;
/** Fields of the error itself, of which nothing is a property; the stack is not enumerable, unless somebody made it so. */
const ownFields = new Set(['name', 'message', 'stack', 'cause', 'isNonRetriable', 'properties', 'failureDetails']);

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
  const properties = propertiesOf(thrown, details !== undefined);
  const inner: Failure | undefined = isFailure(details)
    ? plain(details, depth + 1)
    : thrown.cause !== undefined && thrown.cause !== null && depth < maxDepth
      ? toFailure(thrown.cause, depth + 1)
      : undefined;
  return {
    errorType: cut(String(thrown.name || 'Error'), 256),
    message: cut(String(thrown.message), maxMessageLength),
    ...(typeof thrown.stack === 'string' ? { stackTrace: cut(thrown.stack, maxStackLength) } : {}),
    ...(inner ? { innerFailure: inner } : {}),
    ...('isNonRetriable' in thrown && thrown.isNonRetriable === true ? { isNonRetriable: true } : {}),
    ...(properties === undefined ? {} : { properties }),
  };
}

/** @param isOurs whether the engine made it: then its fields say nothing that the inner failure does not */
function propertiesOf(thrown: object, isOurs: boolean): Record<string, unknown> | undefined {
  const found: [string, unknown][] = [];
  if (!isOurs) {
    for (const [key, value] of Object.entries(thrown)) {
      if (ownFields.has(key)) continue;
      if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) found.push([key, value]);
    }
  }
  const given: unknown = 'properties' in thrown ? thrown.properties : undefined;
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) found.push(...Object.entries(given));
  let room = maxPropertiesLength;
  const kept: [string, unknown][] = [];
  for (const [key, value] of found) {
    const text = jsonOf(value);
    if (text === undefined || key.length + text.length > room) continue;
    room -= key.length + text.length;
    kept.push([cut(key, 256), JSON.parse(text)]);
  }
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** JSON text that Postgres can hold, or `undefined` for what JSON cannot. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'string' ? cut(inner, maxPropertiesLength) : inner,
    );
  } catch {
    return undefined;
  }
}

/** A failure without what else an error's details may carry. */
function plain(failure: Failure, depth: number): Failure {
  const { errorType, message, stackTrace, innerFailure, isNonRetriable, properties } = failure;
  return {
    errorType,
    message,
    ...(stackTrace === undefined ? {} : { stackTrace }),
    ...(innerFailure === undefined || depth >= maxDepth ? {} : { innerFailure: plain(innerFailure, depth + 1) }),
    ...(isNonRetriable === true ? { isNonRetriable } : {}),
    ...(properties === undefined ? {} : { properties }),
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
