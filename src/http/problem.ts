/** An answer that is an error, as a value to throw: which status, and which of the API's error shapes (4.1). */
import type { DurableError, DurableErrorCode } from '../model/errors.ts';

/** The body of an error: none, a JSON string, or the error object. */
export type ProblemBody =
  | { readonly kind: 'empty' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'object'; readonly message: string; readonly detail?: string; readonly type: string };

/** Thrown by the front itself; `plugins/error-handler.ts` writes it. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly body: ProblemBody;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: ProblemBody, retryAfter?: number) {
    super(body.kind === 'object' ? (body.detail ?? body.message) : `HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

/** The text of the real service for any argument error. */
export const badArguments = 'One or more of the arguments submitted is incorrect';
export const internalError = 'Something went wrong while processing your request';

export function emptyProblem(status: number): Problem {
  return new Problem(status, { kind: 'empty' });
}

export function textProblem(status: number, text: string): Problem {
  return new Problem(status, { kind: 'text', text });
}

/** Body text that is no JSON we keep; `code` tells apart why. */
export function invalidJson(detail: string, code = 'InvalidJson'): Problem {
  return new Problem(400, { kind: 'object', message: 'Invalid JSON content', detail, type: code });
}

interface Rule {
  readonly status: number;
  /** The shape below the management mounts; elsewhere errors are always objects. */
  readonly body: ProblemBody['kind'];
  /** `Message`, when it is not the error's own. */
  readonly message?: string;
  /** The error's own text may name hosts and SQL: only `message` is shown. */
  readonly hideDetail?: boolean;
  readonly retryAfter?: number;
}

/** Only a trigger of the user's own that is itself a client of some service can come to these. */
const elsewhere: Rule = {
  status: 502,
  body: 'object',
  message: 'Another service that this one called did not answer as it should.',
  hideDetail: true,
};

/** Every code and its answer; does not compile when one is missing. */
const rules: Readonly<Record<DurableErrorCode, Rule>> = {
  InvalidArgument: { status: 400, body: 'object', message: badArguments },
  OrchestratorNotRegistered: { status: 400, body: 'object', message: badArguments },
  EntityNotRegistered: { status: 400, body: 'object' },
  InstanceNotFound: { status: 404, body: 'empty' },
  InstanceAlreadyExists: { status: 409, body: 'object' },
  InstanceTerminal: { status: 410, body: 'empty' },
  InstanceNotTerminal: { status: 412, body: 'text' },
  InstanceNotFailed: { status: 412, body: 'text' },
  InvalidTransition: { status: 409, body: 'object' },
  PayloadTooLarge: { status: 413, body: 'object' },
  KeyNotFound: { status: 404, body: 'object' },
  KeyAlreadyExists: { status: 409, body: 'object' },
  StoreUnavailable: unavailable('The database cannot be reached.'),
  OutcomeUnknown: unavailable('It is not known whether the request was carried out; look before you repeat it.'),
  StorageFull: unavailable('The database has no space left for writing.'),
  SchemaMismatch: unavailable('This process is older than its database. Ask another one, or upgrade it.'),
  Unauthorized: elsewhere,
  Forbidden: elsewhere,
  TooManyRequests: elsewhere,
  ServiceUnavailable: elsewhere,
};

function unavailable(message: string): Rule {
  return { status: 503, body: 'object', message, hideDetail: true, retryAfter: 5 };
}

/** The answer for an error of the client. */
export function durableProblem(error: DurableError, options?: { readonly alwaysObject: boolean }): Problem {
  const rule = rules[error.code];
  const kind = options?.alwaysObject === true ? 'object' : rule.body;
  if (kind === 'empty') return emptyProblem(rule.status);
  if (kind === 'text') return textProblem(rule.status, error.message);
  const message = rule.message ?? error.message;
  const detail = rule.hideDetail === true ? message : error.message;
  return new Problem(rule.status, { kind: 'object', message, detail, type: error.code }, rule.retryAfter);
}
