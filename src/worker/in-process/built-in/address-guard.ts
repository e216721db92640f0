/**
 * Which addresses a durable HTTP request may reach. URLs come from the inputs of orchestrations, so anybody who may start
 * one could make this process call what only its network can reach: databases, admin pages, the metadata service of a
 * cloud. Such addresses are refused unless they are allowed by name or range.
 *
 * What is checked is what is connected to: a name is resolved here and the connection gets the addresses that passed, so
 * a name that resolves differently a moment later changes nothing.
 */
import { lookup as resolveName, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { DurableError } from '../../../model/errors.ts';

/** Resolves a name to all of its addresses. */
export type Resolve = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

/** Services of clouds that answer whoever is inside, at addresses that look public. */
const cloudServices = ['168.63.129.16'];
const nat64: Range = ipaddr.parseCIDR('64:ff9b::/96');
const globalUnicast: Range = ipaddr.parseCIDR('2000::/3');

/** A request went to an address that is not allowed; sending it again would change nothing. */
export class AddressNotAllowedError extends Error {
  override readonly name = 'HttpAddressNotAllowedError';
  readonly isNonRetriable = true;
  readonly code = 'EADDRNOTALLOWED';

  constructor(hostname: string, addresses: readonly string[]) {
    const where = addresses.length === 0 || addresses[0] === hostname ? '' : ` (${addresses.join(', ')})`;
    super(
      `callHttp may not reach ${hostname}${where}: the address belongs to this machine, its network or its cloud. If ` +
        `orchestrations are meant to call it, allow it: --http-allow ${hostname} (PERDURE_HTTP_ALLOW), or ` +
        `createTaskHub({ durableHttp: { allow: ['${hostname}'] } }).`,
    );
  }
}

export class AddressGuard {
  readonly #resolve: Resolve;
  readonly #names = new Set<string>();
  /** `.example.org` for `*.example.org`. */
  readonly #suffixes: string[] = [];
  readonly #ranges: Range[] = [];
  #allowsAll = false;

  /**
   * @param allow names, `*.names`, addresses, CIDR ranges; `*` for everything
   * @throws DurableError `InvalidArgument` for an entry that is none of them
   */
  constructor(allow: readonly string[], resolve: Resolve = (name, done) => resolveName(name, { all: true }, done)) {
    this.#resolve = resolve;
    for (const entry of allow) this.#add(entry.trim());
  }

  /**
   * Checks a host of a URL that is an address; a name is checked when it is resolved, by {@link lookup}.
   * @throws AddressNotAllowedError
   */
  check(hostname: string): void {
    const text = hostname.replace(/^\[|\]$/g, '');
    if (ipaddr.isValid(text) && !this.#allows(text)) throw new AddressNotAllowedError(text, [text]);
  }

  /** For `net.connect`: the addresses of a name that may be reached; fails when there is none. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const named = this.#allowsAll || this.#allowsName(hostname);
      const allowed = addresses.filter(({ address }) => named || this.#allows(address));
      const [first] = allowed;
      if (first === undefined) {
        const refused = addresses.map(({ address }) => address);
        return callback(new AddressNotAllowedError(hostname, refused), []);
      }
      if (options.all === true) callback(null, [...allowed]);
      else callback(null, first.address, first.family);
    });
  };

  #add(entry: string): void {
    const name = entry.toLowerCase();
    if (entry === '*') this.#allowsAll = true;
    else if (ipaddr.isValidCIDR(entry)) this.#ranges.push(ipaddr.parseCIDR(entry));
    else if (ipaddr.IPv4.isValidFourPartDecimal(entry)) this.#ranges.push([ipaddr.parse(entry), 32]);
    else if (ipaddr.IPv6.isValid(entry)) this.#ranges.push([ipaddr.parse(entry), 128]);
    else if (/^\*\.[a-z\d-]+(\.[a-z\d-]+)*$/.test(name)) this.#suffixes.push(name.slice(1));
    else if (/^(?!\d+$)[a-z\d_-]+(\.[a-z\d_-]+)*$/.test(name) && !/^[\d.]+$/.test(name)) this.#names.add(name);
    else {
      throw new DurableError(
        'InvalidArgument',
        `'${entry}' cannot be allowed for callHttp: write names (api.internal, *.internal), addresses (10.1.2.3), ranges ` +
          '(10.0.0.0/8), or * for everything.',
      );
    }
  }

  #allowsName(hostname: string): boolean {
    const name = hostname.toLowerCase().replace(/\.$/, '');
    return this.#names.has(name) || this.#suffixes.some((suffix) => name.endsWith(suffix));
  }

  #allows(text: string): boolean {
    if (this.#allowsAll) return true;
    // What cannot be read is not known to be public.
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text); // an IPv4-mapped one becomes IPv4
    return isPublic(address) || this.#ranges.some((range) => isIn(address, range));
  }
}

/** Only what is known to be public passes: every special range, those of the future too, does not. */
function isPublic(address: Address): boolean {
  if (isIn(address, nat64)) return isPublic(new ipaddr.IPv4(address.toByteArray().slice(-4)));
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' ? !cloudServices.includes(address.toString()) : isIn(address, globalUnicast);
}

function isIn(address: Address, [base, bits]: Range): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}
