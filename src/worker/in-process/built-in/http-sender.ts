/**
 * Sends one request and follows redirects. Owns what a request may reach, carry and bring back; when it is sent again is
 * decided in `core/replay`.
 */
import type { Agent, Dispatcher } from 'undici';
import {
  isAboutBody,
  isForOneOriginOnly,
  type HttpActivityRequest,
  type HttpActivityResponse,
} from '../../../model/durable-http.ts';
import type { AddressGuard } from './address-guard.ts';
import { readText } from './response-text.ts';

const maxRedirects = 10;
const defaultTimeoutMs = 100_000;

export interface HttpSenderOptions {
  readonly guard: AddressGuard;
  readonly maxResponseBytes: number;
}

/** One request on its way. */
interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly content: string | undefined;
}

export class HttpSender {
  readonly #options: HttpSenderOptions;
  #agent: Promise<Agent> | undefined;

  constructor(options: HttpSenderOptions) {
    this.#options = options;
  }

  /**
   * @param token what the request authorizes itself with; never sent to another origin
   * @throws AddressNotAllowedError, ResponseTooLargeError, a TimeoutError, or an HttpRequestError when no answer came
   */
  async send(
    request: HttpActivityRequest,
    { token, signal }: { readonly token: string | undefined; readonly signal: AbortSignal },
  ): Promise<HttpActivityResponse> {
    const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#follow(request, token, AbortSignal.any([signal, timeout]));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (timeout.aborted) {
        throw named('TimeoutError', `${describe(request)} was not answered within ${timeoutMs} ms.`);
      }
      throw requestError(request, error);
    }
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    const agent = await this.#agent;
    await agent?.destroy();
  }

  async #follow(
    request: HttpActivityRequest,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<HttpActivityResponse> {
    let hop = firstHop(request, token);
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      const answer = await this.#request(hop, signal);
      const next = redirected(hop, answer);
      if (next === undefined) return await this.#read(hop, answer);
      await answer.body.dump();
      hop = next;
    }
    throw new Error(`more than ${maxRedirects} redirects`);
  }

  async #request({ url, method, headers, content }: Hop, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    this.#options.guard.check(url.hostname);
    const dispatcher = await (this.#agent ??= openAgent(this.#options.guard));
    return dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      headers,
      body: content ?? null,
      signal,
      // The time limit is the signal's.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async #read(hop: Hop, answer: Dispatcher.ResponseData): Promise<HttpActivityResponse> {
    const headers = textHeaders(answer);
    const { maxResponseBytes: maxBytes } = this.#options;
    const content = await readText({
      body: answer.body,
      // A HEAD is answered with the length of what it leaves out.
      declaredBytes: hop.method === 'HEAD' ? 0 : Number(headers['content-length'] ?? 0),
      contentEncoding: headers['content-encoding'],
      contentType: headers['content-type'],
      maxBytes,
    });
    // Whoever polls does not know where redirects led to.
    const location = answer.statusCode === 202 ? headers['location'] : undefined;
    if (location !== undefined && URL.canParse(location, hop.url.href)) {
      headers['location'] = new URL(location, hop.url).href;
    }
    return { statusCode: answer.statusCode, headers, content };
  }
}

/** Loaded when the first request is sent: most services send none. */
export async function openAgent(guard: AddressGuard): Promise<Agent> {
  const { Agent: AgentClass } = await import('undici');
  return new AgentClass({ connect: { lookup: guard.lookup } });
}

function firstHop({ method, uri, headers = {}, content }: HttpActivityRequest, token: string | undefined): Hop {
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    // The body's length is counted here, the connection is ours, and the history wants text.
    if (/^(content-length|transfer-encoding|connection|keep-alive|upgrade|expect|accept-encoding)$/.test(lower))
      continue;
    if (lower !== 'authorization' || token === undefined) sent[lower] = value;
  }
  sent['user-agent'] ??= 'perdure';
  if (token !== undefined) sent['authorization'] = `Bearer ${token}`;
  return { url: new URL(uri), method, headers: sent, content };
}

/** The request that a redirect asks for, if it is one, as browsers and .NET understand it. */
function redirected(hop: Hop, answer: Dispatcher.ResponseData): Hop | undefined {
  const { statusCode } = answer;
  const location = textHeaders(answer)['location'];
  if (location === undefined || ![301, 302, 303, 307, 308].includes(statusCode)) return undefined;
  const url = URL.canParse(location, hop.url.href) ? new URL(location, hop.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  const becomesGet = (statusCode === 303 && hop.method !== 'HEAD') || (statusCode <= 302 && hop.method === 'POST');
  const isSameOrigin = url.origin === hop.url.origin;
  const headers = Object.entries(hop.headers).filter(
    ([name]) => !(becomesGet && isAboutBody(name)) && (isSameOrigin || !isForOneOriginOnly(name)),
  );
  return {
    url,
    method: becomesGet ? 'GET' : hop.method,
    headers: Object.fromEntries(headers),
    content: becomesGet ? undefined : hop.content,
  };
}

function textHeaders({ headers }: Dispatcher.ResponseData): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) texts[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return texts;
}

/** Without query, which may hold keys: the message is shown to more people than the history. */
function describe({ method, uri }: HttpActivityRequest): string {
  const { origin, pathname } = new URL(uri);
  return `${method} ${origin}${pathname}`;
}

function requestError(request: HttpActivityRequest, error: unknown): Error {
  const refused = refusal(error);
  if (refused !== undefined) return refused;
  const reason = reasonOf(error);
  return named('HttpRequestError', `${describe(request)} failed: ${reason}`, error);
}

/** What another try would not change is said as it is, also when it comes as the cause of a failed connection. */
function refusal(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('isNonRetriable' in error) return error;
  return refusal(error.cause);
}

/** A connection that was tried at several addresses fails with a list and without words. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function named(name: string, message: string, cause?: unknown): Error {
  const error = new Error(message, cause === undefined ? {} : { cause });
  error.name = name;
  return error;
}
