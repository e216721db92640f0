/** Whether somebody calls from this machine itself. */
import type { FastifyRequest } from 'fastify';

/**
 * @param trustsProxies whether the address of a request is the caller's own also behind a proxy; else a request that a
 *   proxy says to have passed on counts as one from elsewhere
 */
export function localCheck(trustsProxies: boolean): (request: FastifyRequest) => boolean {
  if (trustsProxies) return (request) => isLoopback(request.ip);
  return ({ socket, headers }) =>
    isLoopback(socket.remoteAddress) && headers['x-forwarded-for'] === undefined && headers.forwarded === undefined;
}

/** Without an address: a socket file, or no network at all. */
function isLoopback(address: string | undefined): boolean {
  return address === undefined || address === '' || address === '::1' || /^(?:::ffff:)?127\./.test(address);
}
