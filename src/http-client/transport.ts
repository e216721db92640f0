/** Requests to the management API of a service: where they go, how long they may take, and when they are repeated. */
import { mount } from '../http/canonical-url.ts';
import { DurableError } from '../model/errors.ts';
import { type Answer, wasRefusedUnseen } from './answers.ts';

/** The part of `fetch` that is used. */
export type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly signal: AbortSignal;
    readonly redirect: 'error';
  },
) => Promise<Response>;

/** Options of {@link createHttpClient}. */
export interface HttpClientOptions {
  /** Where the service is, such as `https://flows.example`; a path in front of the API belongs to it. */
  readonly url: string;
  /** A key of the service, sent as the header `x-functions-key`. Default: none. */
  readonly key?: string;
  /** Default: the default task hub of the service. */
  readonly taskHub?: string;
  /**
   * How long one call may take, repetitions included, in ms. Default 30,000. What counts or changes many instances at once may
   * take five minutes longer, a wait as much longer as it waits.
   */
  readonly timeoutMs?: number;
  /**
   * How often a call is repeated that certainly did nothing, or may be done twice: one that never reached the service or was
   * turned away before it was looked at, reads, and starts under a fresh id. Default 3.
   */
  readonly retries?: number;
  /**
   * Every POST carries an `Idempotency-Key` of its own, so that all of them may be repeated and none is carried out twice. The
   * service keeps what it answered for a day, which makes each such call dearer. Default `false`.
   */
  readonly idempotencyKeys?: boolean;
  /** Sent with every request, e.g. for a proxy in between. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the global `fetch`. */
  readonly fetch?: Fetch;
}

/** One request. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path below the mount; its segments come from {@link segment}. */
  readonly path: string;
  /** Undefined ones are left out, lists repeated. */
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** JSON text. */
  readonly body?: string | undefined;
  readonly continuationToken?: string | undefined;
  /** Whether doing it twice is as doing it once. */
  readonly repeatable: boolean;
  /** Milliseconds on top of the limit, for calls that wait. Default 0. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const defaultTimeoutMs = 30_000;
const defaultRetries = 3;
const firstPauseMs = 100;

export class Transport {
  /** Scheme, host and prefix, without the mount. */
  readonly base: string;
  readonly taskHub: string | undefined;
  readonly #options: HttpClientOptions;
  readonly #timeoutMs: number;
  readonly #retries: number;

  /** @throws DurableError `InvalidArgument` */
  constructor(options: HttpClientOptions) {
    this.base = baseOf(options.url);
    this.taskHub = options.taskHub;
    this.#options = options;
    this.#timeoutMs = atLeast('timeoutMs', options.timeoutMs ?? defaultTimeoutMs, 1);
    this.#retries = atLeast('retries', options.retries ?? defaultRetries, 0);
  }

  /**
   * @returns the answer, whatever its status
   * @throws DurableError `ServiceUnavailable`; `OutcomeUnknown` when it may have been done; the reason of the call's own signal
   */
  async send(call: Call): Promise<Answer> {
    const deadline = performance.now() + this.#timeoutMs + (call.waitMs ?? 0);
    const idempotencyKey =
      this.#options.idempotencyKeys === true && call.method === 'POST' ? crypto.randomUUID() : undefined;
    const isRepeatable = call.repeatable || idempotencyKey !== undefined;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await this.#try(call, { deadline, attempt, idempotencyKey });
      const pauseMs = pauseAfter(outcome, attempt);
      const mayRepeat = isRepeatable ? outcome.failed : outcome.nothingDone;
      if (mayRepeat && attempt < this.#retries && performance.now() + pauseMs < deadline) {
        await pause(pauseMs, call.signal);
        continue;
      }
      if ('answer' in outcome) return outcome.answer;
      throw this.#unreachable(call, outcome);
    }
  }

  async #try(call: Call, { deadline, attempt, idempotencyKey }: Attempt): Promise<Outcome> {
    const { method, path, body, continuationToken, signal } = call;
    const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())));
    const send: Fetch = this.#options.fetch ?? fetch;
    try {
      const response = await send(`${this.base}${mount}${path}${this.#query(call)}`, {
        method,
        headers: {
          accept: 'application/json',
          ...this.#options.headers,
          ...(this.#options.key === undefined ? {} : { 'x-functions-key': this.#options.key }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
          ...(continuationToken === undefined ? {} : { 'x-ms-continuation-token': continuationToken }),
        },
        ...(body === undefined ? {} : { body }),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        // A redirect may lead elsewhere, and would take the key along.
        redirect: 'error',
      });
      const { status, headers } = response;
      const answer: Answer = { status, headers, text: await response.text(), attempt };
      const nothingDone = wasRefusedUnseen(answer);
      return { answer, nothingDone, failed: nothingDone || status === 502 || status === 503 || status === 504 };
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      return { error, timedOut: timeout.aborted, nothingDone: neverSent(error), failed: true };
    }
  }

  #query({ query = {} }: Call): string {
    const given = { taskHub: this.taskHub, ...query };
    const parts = Object.entries(given).flatMap(([name, value]) =>
      (value === undefined ? [] : typeof value === 'string' ? [value] : value).map(
        (one) => `${name}=${encodeURIComponent(one.toWellFormed())}`,
      ),
    );
    return parts.length === 0 ? '' : `?${parts.join('&')}`;
  }

  #unreachable(call: Call, { error, timedOut, nothingDone }: Failure): DurableError {
    const what = timedOut
      ? `did not answer within ${this.#timeoutMs + (call.waitMs ?? 0)} ms`
      : `could not be reached: ${reasonOf(error)}`;
    if (call.repeatable || nothingDone) {
      return new DurableError('ServiceUnavailable', `The service at ${this.base} ${what}.`, { cause: error });
    }
    const text = `The service at ${this.base} ${what}. It is not known whether the request was carried out; look before you repeat it.`;
    return new DurableError('OutcomeUnknown', text, { cause: error });
  }
}

interface Attempt {
  readonly deadline: number;
  /** From 0. */
  readonly attempt: number;
  readonly idempotencyKey: string | undefined;
}

interface Failure {
  readonly error: unknown;
  readonly timedOut: boolean;
  /** The service has not seen it. */
  readonly nothingDone: boolean;
  readonly failed: true;
}

type Outcome = Failure | { readonly answer: Answer; readonly nothingDone: boolean; readonly failed: boolean };

/**
 * A path segment.
 * @throws DurableError `InvalidArgument` for `.` and `..`, which every URL library takes for something else
 */
export function segment(text: string, what: string): string {
  if (text === '.' || text === '..') {
    throw new DurableError('InvalidArgument', `${what} must not be '.' or '..': no URL can address it.`);
  }
  return encodeURIComponent(text.toWellFormed());
}

/** @throws DurableError `InvalidArgument` */
function baseOf(url: string): string {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '') {
    const text = "The URL of the service must be one such as 'https://flows.example', without a query.";
    throw new DurableError('InvalidArgument', text);
  }
  const path = parsed.pathname.replace(/\/+$/, '');
  return parsed.origin + (path.endsWith(mount) ? path.slice(0, -mount.length) : path);
}

function atLeast(name: string, value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw new DurableError('InvalidArgument', `${name} must be a number, ${least} or more.`);
}

/** What `fetch` says when there was no connection to send anything over. */
const noConnection = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function neverSent(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && noConnection.has(code);
}

/** `fetch` puts the cause in `cause`; of a host with several addresses it is a list of them. */
function codeOf(error: unknown): string | undefined {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const inner = cause instanceof Error && cause.message !== '' ? cause.message : codeOf(error);
  return inner ?? error.message;
}

/** Longer each time, and never less than the service asks for. */
function pauseAfter(outcome: Outcome, attempt: number): number {
  const own = firstPauseMs * 2 ** attempt * (0.5 + Math.random() / 2);
  const asked = 'answer' in outcome ? Number(outcome.answer.headers.get('retry-after') ?? 0) * 1_000 : 0;
  return Math.max(own, Number.isFinite(asked) ? asked : 0);
}

/** @throws the signal's reason */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
