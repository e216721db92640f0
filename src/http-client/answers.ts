/** Answers of the service, back to what the verbs return and throw. */
import { DurableError, type DurableErrorCode, durableErrorCodes } from '../model/errors.ts';

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly text: string;
  /** How often it had been asked for before. */
  readonly attempt: number;
}

const knownCodes: ReadonlySet<string> = new Set(durableErrorCodes);

/** What an error answer means where the status alone does not say it. */
export interface Meaning {
  /** Of a 404 without a body. */
  readonly missing?: () => DurableError;
  /** Of a 410, which has none either. */
  readonly ended?: () => DurableError;
  /** Of a 412, whose body is its text. */
  readonly precondition?: DurableErrorCode;
}

/** @throws DurableError when it is no 2xx */
export function expectDone(answer: Answer, meaning: Meaning = {}): void {
  if (answer.status < 200 || answer.status > 299) throw errorOf(answer, meaning);
}

/**
 * The JSON of a body.
 * @throws DurableError `ServiceUnavailable` when it is none: somebody else answers at this address
 */
export function readJson(answer: Answer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch (cause) {
    throw new DurableError('ServiceUnavailable', `${nameOf(answer)} that is no JSON; is a Perdure service there?`, {
      cause,
    });
  }
}

/** Whether a 404 says that there is no such thing, and does not come from somebody else. */
export function isMissing({ status, text }: Answer): boolean {
  return status === 404 && text === '';
}

/** Turned away at the door: nothing of it was done, or it is just being done by an earlier sending of it. */
export function wasRefusedUnseen(answer: Answer): boolean {
  if (answer.status === 429) return true;
  if (answer.status === 409) return typeOf(parsed(answer)) === 'IdempotencyKeyInUse';
  return answer.status === 503 && ['Overloaded', 'SchemaMismatch'].includes(typeOf(parsed(answer)) ?? '');
}

/** The error that an answer stands for. */
export function errorOf(answer: Answer, { missing, ended, precondition }: Meaning = {}): DurableError {
  const body = parsed(answer);
  const type = typeOf(body);
  const message = messageOf(body);
  if (type !== undefined && isCode(type)) return new DurableError(type, message ?? `${nameOf(answer)}.`);
  if (isMissing(answer) && missing !== undefined) return missing();
  if (answer.status === 410 && ended !== undefined) return ended();
  if (typeof body === 'string' && answer.status === 404 && missing !== undefined) return missing();
  if (answer.status === 412 && precondition !== undefined && typeof body === 'string') {
    return new DurableError(precondition, body);
  }
  return new DurableError(codeOf(answer.status), message ?? `${nameOf(answer)}${hintOf(answer)}.`);
}

function codeOf(status: number): DurableErrorCode {
  switch (status) {
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 409:
      // The service knows the call, and not yet what comes of it.
      return 'OutcomeUnknown';
    case 410:
      return 'InstanceTerminal';
    case 413:
      return 'PayloadTooLarge';
    case 429:
      return 'TooManyRequests';
    case 400:
    case 415:
    case 431:
      return 'InvalidArgument';
    default:
      return 'ServiceUnavailable';
  }
}

function hintOf({ status, headers }: Answer): string {
  if (status === 401) return ': the key is missing, wrong, expired or revoked';
  if (status === 404) return '; a Perdure service does not seem to be there';
  const id = headers.get('x-request-id');
  return id === null ? '' : `; its log has more under ${id}`;
}

function nameOf({ status }: Answer): string {
  return `The service gave an answer with status ${status}`;
}

function parsed({ text }: Answer): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not from the service; its status says what there is to say
  }
}

function typeOf(body: unknown): string | undefined {
  return textMember(body, 'ExceptionType');
}

function messageOf(body: unknown): string | undefined {
  if (typeof body === 'string') return body;
  return textMember(body, 'ExceptionMessage') ?? textMember(body, 'Message');
}

function textMember(body: unknown, name: string): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(body, name)?.value;
  return typeof value === 'string' ? value : undefined;
}

function isCode(text: string): text is DurableErrorCode {
  return knownCodes.has(text);
}
