/** The activity behind `callHttp`, which every worker has. */
import { STATUS_CODES } from 'node:http';
import { DurableError } from '../../../model/errors.ts';
import {
  httpActivityName,
  type HttpActivityRequest,
  type HttpActivityResponse,
  type TokenProviderDefinition,
  type TokenSource,
} from '../../../model/durable-http.ts';
import { activity, type ActivityDefinition } from '../../../model/functions.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';

/** Settings of durable HTTP. */
export interface DurableHttpSettings {
  /**
   * What may be called beside public addresses: names (`api.internal`, `*.internal`), addresses and ranges
   * (`10.0.0.0/8`), or `*` for everything. Default: nothing.
   */
  readonly allow?: readonly string[];
  /** Between two polls when the server does not say it, in ms. Default 30,000. */
  readonly pollIntervalMs?: number;
  /** The largest response, in bytes. Default 4,194,304. */
  readonly maxResponseBytes?: number;
}

/** The activity, and what it holds open. */
export interface DurableHttp {
  readonly activity: ActivityDefinition<HttpActivityRequest, HttpActivityResponse>;
  close(): Promise<void>;
}

const defaultMaxResponseBytes = 4_194_304;

/** @throws DurableError `InvalidArgument` for an entry of `allow` that is none, and for two providers of one kind */
export function openDurableHttp(
  settings: DurableHttpSettings,
  tokenProviders: readonly TokenProviderDefinition[],
): DurableHttp {
  const sender = new HttpSender({
    guard: new AddressGuard(settings.allow ?? []),
    maxResponseBytes: settings.maxResponseBytes ?? defaultMaxResponseBytes,
  });
  const providers = byKind(tokenProviders);
  return {
    activity: activity(httpActivityName, async (request: HttpActivityRequest, { signal }) => {
      const token = request.tokenSource && (await getToken(request.tokenSource, providers, signal));
      const response = await sender.send(request, { token, signal });
      refuseStatus(request, response);
      return response;
    }),
    close: () => sender.close(),
  };
}

type Providers = ReadonlyMap<string, TokenProviderDefinition>;

function byKind(tokenProviders: readonly TokenProviderDefinition[]): Providers {
  const providers = new Map<string, TokenProviderDefinition>();
  for (const provider of tokenProviders) {
    const before = providers.get(provider.kind);
    if (before !== undefined && before !== provider) {
      throw new DurableError('InvalidArgument', `Two token providers are of the kind '${provider.kind}'.`);
    }
    providers.set(provider.kind, provider);
  }
  return providers;
}

async function getToken(source: TokenSource, providers: Providers, signal: AbortSignal): Promise<string> {
  const provider = providers.get(source.kind);
  if (provider === undefined) {
    const error = new Error(
      `No token provider of the kind '${source.kind}' is registered. Export tokenProvider('${source.kind}', …) from a ` +
        'module that is loaded, or give it to createTaskHub({ tokenProviders }).',
    );
    error.name = 'TokenProviderNotRegistered';
    throw Object.assign(error, { isNonRetriable: true });
  }
  const token: unknown = await provider.getToken(source, { signal });
  if (typeof token === 'string' && token !== '' && !/[\r\n\0]/.test(token)) return token;
  throw new TypeError(`The token provider of the kind '${source.kind}' gave no token but ${describe(token)}.`);
}

/** Never the value: it may be half a secret. */
function describe(token: unknown): string {
  if (typeof token !== 'string') return `a value of type ${typeof token}`;
  return token === '' ? 'an empty text' : 'a text with line breaks';
}

/** @throws Error for an answer with a status that the call is to be retried for */
export function refuseStatus(request: HttpActivityRequest, response: HttpActivityResponse): void {
  if (isToBeRetried(response.statusCode, request.statusCodesToRetry)) throw statusError(request, response);
}

function isToBeRetried(status: number, listed: readonly number[] | undefined): boolean {
  if (listed === undefined) return false;
  return listed.length === 0 ? status >= 400 : listed.includes(status);
}

function statusError({ method, uri }: HttpActivityRequest, { statusCode, content }: HttpActivityResponse): Error {
  const { origin, pathname } = new URL(uri);
  const reason = STATUS_CODES[statusCode];
  const beginning = content === '' ? '' : `: ${content.slice(0, 500)}`;
  const error = new Error(
    `${method} ${origin}${pathname} answered ${statusCode}${reason === undefined ? '' : ` ${reason}`}${beginning}`,
  );
  error.name = 'HttpRequestError';
  return error;
}
