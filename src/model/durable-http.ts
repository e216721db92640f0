/**
 * Durable HTTP: what an orchestrator asks for with `callHttp`, what it gets, and the built-in activity in between. The
 * polling is in `core/replay`, the sending in `worker/in-process/built-in`.
 */
import type { Duration } from './functions.ts';
import type { RetryPolicy } from './call-options.ts';

const brand: unique symbol = Symbol.for('perdure.definition');

/** The built-in activity's name, the one that histories of Durable Functions show. */
export const httpActivityName = 'BuiltIn::HttpActivity';

/** Names that begin like this belong to the engine. */
export const builtInPrefix = 'BuiltIn::';

/** Says which token a request needs; the token itself is got when the request is sent, and is never stored. */
export interface TokenSource {
  /** Which {@link TokenProviderDefinition} gets it. */
  readonly kind: string;
  /** For whom it is, e.g. `https://management.core.windows.net/`. */
  readonly resource: string;
}

/** The token source of `durable-functions`: asks the provider of the kind `AzureManagedIdentity`. */
export class ManagedIdentityTokenSource implements TokenSource {
  readonly kind = 'AzureManagedIdentity';
  readonly resource: string;

  constructor(resource: string) {
    this.resource = resource;
  }
}

/** When an HTTP call is tried again: network failures, time-outs, and answers with certain status codes. */
export interface HttpRetryOptions extends RetryPolicy {
  /** Default (also when empty): every status from 400 on. */
  readonly statusCodesToRetry?: readonly number[];
}

/** Options of {@link OrchestrationContext.callHttp}. */
export interface CallHttpOptions {
  /** Default `'GET'`. */
  readonly method?: string;
  /** Absolute, `http:` or `https:`. */
  readonly url: string | URL;
  /** A text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  /** They are stored in the history: use {@link tokenSource} for secrets. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly tokenSource?: TokenSource;
  /** Whether an answer 202 with a `Location` is followed until there is another. Default `true`. */
  readonly enablePolling?: boolean;
  /** The old name of `enablePolling`, which counts when that is absent. */
  readonly asynchronousPatternEnabled?: boolean;
  /**
   * With it, an answer whose status is to be retried is a failure, as in .NET: after the last attempt the call fails.
   * Default: no retry, and every answer is a response.
   */
  readonly retry?: HttpRetryOptions;
  /** For each single request, polls too; at most 24 hours. Default 100 s, after which it fails with a `TimeoutError`. */
  readonly timeout?: Duration;
}

/** What a server answered. A status of 400 or more is an answer like any other. */
export interface DurableHttpResponse {
  readonly statusCode: number;
  /** Several values of one name are joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly content: string;
  /** The value of a header, whatever the case of its name. */
  getHeader(name: string): string | undefined;
}

/** Input of the built-in activity, as it is stored. */
export interface HttpActivityRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content?: string;
  readonly tokenSource?: TokenSource;
  readonly timeoutMs?: number;
  /** Present when the call is retried: which answers are failures; empty means every one from 400 on. */
  readonly statusCodesToRetry?: readonly number[];
}

/** Result of the built-in activity, as it is stored. */
export type HttpActivityResponse = Pick<DurableHttpResponse, 'statusCode' | 'headers' | 'content'>;

/** Gets a token for a request that is about to be sent. @returns what follows `Authorization: Bearer` */
export type GetToken = (source: TokenSource, options: { readonly signal: AbortSignal }) => Promise<string> | string;

/** How tokens of one kind are got; made by {@link tokenProvider}. */
export interface TokenProviderDefinition {
  readonly [brand]: 'token-provider';
  readonly kind: string;
  readonly getToken: GetToken;
}

/**
 * Defines where the tokens of `callHttp({ tokenSource: { kind, … } })` come from. Export it from a module, or give it to
 * `createTaskHub({ tokenProviders })`. It is asked for every request, so it should remember what it got.
 * @throws TypeError for an empty kind or something that is no function
 */
export function tokenProvider(kind: string, getToken: GetToken): TokenProviderDefinition {
  if (typeof kind !== 'string' || kind === '') {
    throw new TypeError('tokenProvider(kind, …): the kind must be a text that is not empty.');
  }
  if (typeof getToken !== 'function') {
    throw new TypeError(`tokenProvider('${kind}', …): the second argument must be the function that gets a token.`);
  }
  return { [brand]: 'token-provider', kind, getToken };
}

/** Whether a module's export is a token provider, also one made by another copy of this package. */
export function isTokenProvider(value: unknown): value is TokenProviderDefinition {
  return typeof value === 'object' && value !== null && brand in value && value[brand] === 'token-provider';
}

const credentials = /^(authorization|proxy-authorization|cookie|host)$|key|token|secret|password|signature|credential/i;

/** Whether a header of a request may not reach another origin than the one that it was meant for. */
export function isForOneOriginOnly(header: string): boolean {
  return credentials.test(header);
}

/** Headers that say something about a body: a request without one must not have them. */
export function isAboutBody(header: string): boolean {
  return /^(content-(type|length|encoding|language|location)|transfer-encoding)$/i.test(header);
}
