/**
 * One `callHttp`: a request, and for an answer 202 with a Location the polls after it (engine.md 2.11). Requests are
 * calls of the built-in activity and pauses are timers, so all of it is in the history and nothing is remembered here
 * that a replay would not find again.
 */
import {
  isAboutBody,
  isForOneOriginOnly,
  type CallHttpOptions,
  type HttpActivityRequest,
  type HttpActivityResponse,
  type HttpRetryOptions,
} from '../../model/durable-http.ts';
import { toHttpRequest, toHttpUrl } from './http-request.ts';
import { HttpResponse } from './http-response.ts';
import { DurableTask } from './task.ts';
import type { TurnScope } from './turn-scope.ts';

/** No server makes an instance spin, each round of which is stored, or sleep for years. */
const shortestDelayMs = 1_000;
const longestDelayMs = 86_400_000;

/** What a call needs of the run that it belongs to. */
export interface HttpCallParts {
  readonly scope: TurnScope;
  /** Between polls when the server does not say it. */
  readonly pollIntervalMs: number;
  /** Calls the built-in activity. */
  readonly send: (
    request: HttpActivityRequest,
    options: { readonly retry?: HttpRetryOptions },
  ) => DurableTask<HttpActivityResponse>;
  readonly after: (delayMs: number, then: () => void) => void;
}

/**
 * Sends the request.
 * @throws TypeError, RangeError for options that cannot be
 */
export function callHttp(parts: HttpCallParts, options: CallHttpOptions): DurableTask<HttpResponse> {
  const request = toHttpRequest(options);
  const retry = options.retry === undefined ? {} : { retry: options.retry };
  const polls = options.enablePolling ?? options.asynchronousPatternEnabled ?? true;
  const task = new DurableTask<HttpResponse>(parts.scope);
  const send = (next: HttpActivityRequest): void => {
    const sent = parts.send(next, retry);
    sent.onSettled(() => {
      const { state } = sent;
      if (state.kind === 'failed') task.fail(state.error);
      if (state.kind !== 'completed') return;
      const response = new HttpResponse(state.value);
      const location = polls && response.statusCode === 202 ? response.getHeader('location') : undefined;
      // Relative to the URL that answered; the sender, who follows redirects, has made it absolute already.
      const target = location === undefined ? undefined : toHttpUrl(location, next.uri);
      if (target === undefined) {
        task.complete(response);
        return;
      }
      const delayMs = retryAfterMs(response.getHeader('retry-after'), parts.scope.now) ?? parts.pollIntervalMs;
      parts.after(delayMs, () => send(pollOf(request, target)));
    });
  };
  send(request);
  return task;
}

/**
 * The request for a Location. Who gets credentials is always judged by the request that the user wrote: no answer can
 * move them to another origin. The function key is for the function that was called, never for its status.
 */
function pollOf(original: HttpActivityRequest, target: URL): HttpActivityRequest {
  const { headers = {}, tokenSource, content: _, ...rest } = original;
  const isSameOrigin = target.origin === new URL(original.uri).origin;
  const kept = Object.entries(headers).filter(
    ([name]) =>
      name.toLowerCase() !== 'x-functions-key' && !isAboutBody(name) && (isSameOrigin || !isForOneOriginOnly(name)),
  );
  return {
    ...rest,
    method: 'GET',
    uri: target.href,
    ...(kept.length === 0 ? {} : { headers: Object.fromEntries(kept) }),
    ...(isSameOrigin && tokenSource !== undefined ? { tokenSource } : {}),
  };
}

/** Seconds or an HTTP date, as milliseconds from now; `undefined` for anything else, and for more than a day. */
function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1_000 : httpDate(text) - now;
  if (!(delayMs <= longestDelayMs)) return undefined; // also NaN
  return Math.max(shortestDelayMs, delayMs);
}

/** `Date.parse` alone would take '-5' for a year, and a date without GMT for one of the place where this runs. */
function httpDate(text: string): number {
  return /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun).* GMT$/.test(text) ? Date.parse(text) : NaN;
}
