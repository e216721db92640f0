/**
 * Where links point to (http-api.md 1.5): a configured public URL always wins; else, only when it was switched on, what a
 * proxy says in `X-Forwarded-*`; else the request's own scheme and `Host`. Header text that is no legal host is not used.
 */
import type { FastifyRequest } from 'fastify';

/** Scheme, host and perhaps a path prefix, without a slash at the end. */
export type BaseUrl = (request: FastifyRequest) => string;

export interface BaseUrlOptions {
  readonly publicUrl: string | undefined;
  readonly trustProxy: boolean;
}

const host = /^(?:[a-z0-9](?:[a-z0-9._-]*)|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** @throws TypeError for a public URL that is none */
export function baseUrlReader(options: BaseUrlOptions): BaseUrl {
  if (options.publicUrl !== undefined) {
    const fixed = normalPublicUrl(options.publicUrl);
    return () => fixed;
  }
  return options.trustProxy ? forwardedBase : requestBase;
}

function normalPublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new TypeError(`The public URL must be an http or https URL without query or fragment, not '${text}'.`);
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

function requestBase(request: FastifyRequest): string {
  return `${request.protocol}://${ownHost(request)}`;
}

function ownHost(request: FastifyRequest): string {
  const sent = request.headers.host;
  if (sent !== undefined && host.test(sent)) return sent;
  const { localAddress, localPort } = request.socket;
  if (localAddress === undefined) return 'localhost';
  return localAddress.includes(':') ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}

function forwardedBase(request: FastifyRequest): string {
  const proto = first(request, 'x-forwarded-proto')?.toLowerCase();
  const scheme = proto === 'http' || proto === 'https' ? proto : request.protocol;
  const named = first(request, 'x-forwarded-host');
  if (named === undefined || !host.test(named)) return `${scheme}://${ownHost(request)}`;
  const port = first(request, 'x-forwarded-port');
  const hasPort = /:\d+$/.test(named);
  const implied = scheme === 'https' ? '443' : '80';
  if (hasPort || port === undefined || !/^\d{1,5}$/.test(port) || port === implied) return `${scheme}://${named}`;
  return `${scheme}://${named}:${port}`;
}

/** The first element of a header that proxies append to. */
function first(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  const text = Array.isArray(value) ? value[0] : value;
  return text?.split(',')[0]?.trim() || undefined;
}
