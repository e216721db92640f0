/** Whose `X-Forwarded-*` headers count: nobody's, everybody's, those of listed addresses, or those of so many hops. */
import { BlockList, isIP, isIPv6 } from 'node:net';

/**
 * `true` believes everybody, a number believes that many proxies in front of this server (which then must not be reachable
 * around them), a list names addresses, CIDR ranges, or `loopback`, `linklocal`, `uniquelocal`.
 */
export type TrustProxy = boolean | number | readonly string[];

/** Whether the address at a distance (0 is the peer of the connection) is a proxy that is believed. */
export type TrustFunction = (address: string, hop: number) => boolean;

const ranges: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/**
 * @returns `undefined` when nobody is believed
 * @throws TypeError for an entry that is no address, range or name
 */
export function trustFunction(setting: TrustProxy): TrustFunction | undefined {
  if (setting === false || setting === 0) return undefined;
  if (setting === true) return () => true;
  if (typeof setting === 'number') {
    if (!Number.isInteger(setting) || setting < 0) throw new TypeError(`${setting} is no number of proxies.`);
    return (_address, hop) => hop < setting;
  }
  const list = new BlockList();
  for (const entry of setting) addEntry(list, entry.trim());
  return (address) => isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

function addEntry(list: BlockList, entry: string): void {
  const named = ranges[entry.toLowerCase()];
  if (named !== undefined) return named.forEach((one) => addEntry(list, one));
  const [address = '', bits, ...more] = entry.split('/');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (isIP(address) === 0 || more.length > 0 || !(prefix <= most)) {
    throw new TypeError(`'${entry}' is no address, CIDR range, 'loopback', 'linklocal' or 'uniquelocal'.`);
  }
  list.addSubnet(address, prefix, family);
}

/**
 * How many proxies a request came through that are believed, counted from this server.
 * @param forwardedFor the header `X-Forwarded-For`: every proxy has appended whom it heard
 */
export function trustedHops(trust: TrustFunction, peer: string | undefined, forwardedFor: string | undefined): number {
  const chain = [peer ?? '', ...(forwardedFor?.split(',').reverse() ?? []).map((one) => one.trim())];
  const stranger = chain.findIndex((address, hop) => !trust(address, hop));
  return stranger === -1 ? chain.length : stranger;
}
