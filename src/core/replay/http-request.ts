/** What `callHttp` was given, checked and in the form in which it is stored. */
import type { CallHttpOptions, HttpActivityRequest, HttpRetryOptions } from '../../model/durable-http.ts';
import { parseDuration } from '../../model/duration.ts';
import { toPayload } from './payload.ts';
import { checkRetryPolicy } from './retry.ts';

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const longestTimeoutMs = 86_400_000;

/**
 * @throws TypeError for what cannot be sent, RangeError for a timeout out of range
 */
export function toHttpRequest(options: CallHttpOptions): HttpActivityRequest {
  if (typeof options !== 'object' || options === null) throw refuse('the argument must be an object with a url');
  const { method = 'GET', tokenSource, retry, timeout } = options;
  if (typeof method !== 'string' || !token.test(method)) throw refuse(`the method must be a name such as 'GET'`);
  if (tokenSource !== undefined && !isTokenSource(tokenSource)) {
    throw refuse('the tokenSource must be an object with kind and resource');
  }
  if (retry !== undefined) checkRetryPolicy(retry);
  const content = options.body === undefined || options.body === null ? undefined : contentOf(options.body);
  const headers = headersOf(options.headers, content);
  return {
    method: method.toUpperCase(),
    uri: uriOf(options.url),
    ...(headers === undefined ? {} : { headers }),
    ...(content === undefined ? {} : { content }),
    ...(tokenSource === undefined ? {} : { tokenSource: { kind: tokenSource.kind, resource: tokenSource.resource } }),
    ...(timeout === undefined ? {} : { timeoutMs: timeoutOf(parseDuration(timeout)) }),
    ...(retry === undefined ? {} : { statusCodesToRetry: statusCodesOf(retry) }),
  };
}

/** An absolute http or https URL, or `undefined`. */
export function toHttpUrl(text: string, base?: string): URL | undefined {
  if (!URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
}

function uriOf(given: unknown): string {
  const text = given instanceof URL ? given.href : given;
  const url = typeof text === 'string' ? toHttpUrl(text) : undefined;
  if (url === undefined) {
    throw refuse(`the url must be absolute and begin with http: or https:, not ${JSON.stringify(text) ?? typeof text}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refuse('the url must not hold a user or password, which would be stored: use headers or a tokenSource');
  }
  url.hash = '';
  return url.href;
}

function contentOf(body: unknown): string | undefined {
  return typeof body === 'string' ? body : toPayload(body, 'the body of an HTTP request');
}

function headersOf(given: unknown, content: string | undefined): Readonly<Record<string, string>> | undefined {
  if (given !== undefined && (typeof given !== 'object' || given === null)) {
    throw refuse('headers must be an object of names and texts');
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given ?? {}) as [string, unknown][]) {
    // What only looks like an absent header, e.g. from a variable that was not set.
    if (value === undefined) continue;
    if (!token.test(name)) throw refuse(`'${name}' is no name of a header`);
    if (typeof value !== 'string' || /[\r\n\0]/.test(value)) {
      throw refuse(`the header '${name}' must be a text of one line`);
    }
    headers[name] = value;
  }
  if (content !== undefined && !Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')) {
    headers['Content-Type'] = isJson(content) ? 'application/json' : 'text/plain; charset=utf-8';
  }
  return Object.keys(headers).length === 0 ? undefined : headers;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function timeoutOf(ms: number): number {
  if (ms > 0 && ms <= longestTimeoutMs) return ms;
  throw new RangeError(`callHttp(…): the timeout must be more than 0 and at most 24 hours; it is ${ms} ms.`);
}

function statusCodesOf({ statusCodesToRetry = [] }: HttpRetryOptions): readonly number[] {
  const given: unknown = statusCodesToRetry;
  if (Array.isArray(given) && given.every(isStatus)) return [...given];
  throw refuse('retry.statusCodesToRetry must be a list of status codes from 100 to 599');
}

function isStatus(code: unknown): code is number {
  return typeof code === 'number' && Number.isInteger(code) && code >= 100 && code <= 599;
}

function isTokenSource(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    typeof value.kind === 'string' &&
    'resource' in value &&
    typeof value.resource === 'string'
  );
}

function refuse(what: string): TypeError {
  return new TypeError(`callHttp(…): ${what}.`);
}
