/**
 * Where links point to (http-api.md 1.5): a configured public URL always wins; else what a proxy says in `X-Forwarded-*`,
 * if it is believed; else the request's own scheme and `Host`. Header text that is no legal host is not used, and
 * `Forwarded` (RFC 7239) never is.
 */
import type { FastifyRequest } from 'fastify';
import { type TrustProxy, trustedHops, trustFunction, type TrustFunction } from './trust-proxy.ts';

/** Scheme, host and perhaps a path prefix, without a slash at the end. */
export type BaseUrl = (request: FastifyRequest) => string;

export interface BaseUrlOptions {
  readonly publicUrl: string | undefined;
  readonly trustProxy: TrustProxy;
}

const host = /^(?:[a-z0-9](?:[a-z0-9._-]*)|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const pathPrefix = /^(?:\/[\w.~-]+)+\/?$/;

/** @throws TypeError for a public URL that is none, or an entry of `trustProxy` that cannot be read */
export function baseUrlReader(options: BaseUrlOptions): BaseUrl {
  const trust = trustFunction(options.trustProxy);
  if (options.publicUrl !== undefined) {
    const fixed = normalPublicUrl(options.publicUrl);
    return () => fixed;
  }
  if (trust === undefined) return requestBase;
  return (request) => forwardedBase(request, trust, options.trustProxy === true);
}

function normalPublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new TypeError(`The public URL must be an http or https URL without query or fragment, not '${text}'.`);
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

function requestBase(request: FastifyRequest): string {
  return `${ownScheme(request)}://${ownHost(request)}`;
}

/** Not `request.protocol`, which knows proxies too. */
function ownScheme(request: FastifyRequest): string {
  return 'encrypted' in request.socket && request.socket.encrypted === true ? 'https' : 'http';
}

function ownHost(request: FastifyRequest): string {
  const sent = request.headers.host;
  if (sent !== undefined && host.test(sent)) return sent;
  const { localAddress, localPort } = request.socket;
  if (localAddress === undefined) return 'localhost';
  return localAddress.includes(':') ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}

function forwardedBase(request: FastifyRequest, trust: TrustFunction, trustsAll: boolean): string {
  const peer = request.socket.remoteAddress;
  const hops = trustsAll ? Infinity : trustedHops(trust, peer, joined(request, 'x-forwarded-for'));
  if (hops === 0) return requestBase(request);
  const said = (name: string): string | undefined => entry(joined(request, name), hops);
  const proto = said('x-forwarded-proto')?.toLowerCase();
  const scheme = proto === 'http' || proto === 'https' ? proto : ownScheme(request);
  const prefix = said('x-forwarded-prefix');
  const path = prefix !== undefined && pathPrefix.test(prefix) ? prefix.replace(/\/$/, '') : '';
  const named = said('x-forwarded-host');
  if (named === undefined || !host.test(named)) return `${scheme}://${ownHost(request)}${path}`;
  const port = said('x-forwarded-port');
  const hasPort = /:\d+$/.test(named);
  const implied = scheme === 'https' ? '443' : '80';
  if (hasPort || port === undefined || !/^\d{1,5}$/.test(port) || port === implied)
    return `${scheme}://${named}${path}`;
  return `${scheme}://${named}:${port}${path}`;
}

/**
 * The entry that the outermost believed proxy wrote into a header that proxies append to: what stands before it came from
 * somebody who is not believed. Proxies that replace instead leave one entry.
 */
function entry(list: string | undefined, hops: number): string | undefined {
  const entries = list?.split(',');
  return entries?.[Math.max(0, entries.length - hops)]?.trim() || undefined;
}

function joined(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}
