import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { AddressGuard, AddressNotAllowedError } from '../../../src/worker/in-process/built-in/address-guard.ts';

/** Checks the host of a URL as the sender does: JavaScript has understood it before. */
function mayReach(url: string, allow: readonly string[] = []): boolean {
  try {
    new AddressGuard(allow).check(new URL(url).hostname);
    return true;
  } catch (error) {
    if (error instanceof AddressNotAllowedError) return false;
    throw error;
  }
}

/** The addresses that a connection gets for a name that resolves to these. */
function resolved(hostname: string, addresses: readonly string[], allow: readonly string[] = []) {
  const found = addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }));
  const guard = new AddressGuard(allow, (_name, done) => done(null, found));
  return new Promise<readonly string[]>((resolve, reject) =>
    guard.lookup(hostname, { all: true }, (error, got) =>
      error === null ? resolve((got as LookupAddress[]).map(({ address }) => address)) : reject(error),
    ),
  );
}

describe('addresses of this machine, its network and its cloud are refused', () => {
  it.each([
    'http://127.0.0.1',
    'http://127.1.2.3:8080/x',
    'http://0.0.0.0',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://172.31.255.255',
    'http://192.168.1.1',
    'http://169.254.169.254/latest/meta-data',
    'http://168.63.129.16',
    'http://100.100.100.200',
    'http://192.0.0.192',
    'http://198.18.0.1',
    'http://224.0.0.1',
    'http://240.0.0.1',
    'http://255.255.255.255',
    'http://[::1]',
    'http://[::]',
    'http://[fe80::1]',
    'http://[fec0::1]',
    'http://[fd00:ec2::254]',
    'http://[fc00::1]',
    'http://[ff02::1]',
    'http://[2001:db8::1]',
  ])('%s', (url) => expect(mayReach(url)).toBe(false));

  it.each([
    ['decimal', 'http://2130706433'],
    ['hexadecimal', 'http://0x7f000001'],
    ['octal', 'http://0177.0.0.1'],
    ['short', 'http://127.1'],
    ['mixed', 'http://0x7f.0.1'],
    ['full-width digits', 'http://１２７.0.0.1'],
    ['IPv4-mapped', 'http://[::ffff:127.0.0.1]'],
    ['IPv4-mapped in hexadecimal', 'http://[::ffff:7f00:1]'],
    ['IPv4-compatible', 'http://[::127.0.0.1]'],
    ['NAT64', 'http://[64:ff9b::7f00:1]'],
    ['6to4', 'http://[2002:7f00:1::]'],
    ['Teredo', 'http://[2001::1]'],
  ])('however they are written: %s', (_form, url) => expect(mayReach(url)).toBe(false));

  it('public ones are not', () => {
    for (const host of ['1.1.1.1', '8.8.8.8', '[2606:4700:4700::1111]', '[64:ff9b::101:101]', '172.32.0.1']) {
      expect([host, mayReach(`http://${host}`)]).toEqual([host, true]);
    }
  });
});

describe('a name', () => {
  it('gets only those of its addresses that may be reached', async () => {
    expect(await resolved('a.example', ['10.0.0.1', '1.1.1.1', '::1'])).toEqual(['1.1.1.1']);
  });

  it('is refused when there is none, with the words that help', async () => {
    const refused = resolved('metadata.example', ['169.254.169.254']);
    await expect(refused).rejects.toThrow(
      /may not reach metadata\.example \(169\.254\.169\.254\).*--http-allow metadata\.example/,
    );
    await expect(refused).rejects.toMatchObject({ isNonRetriable: true });
    await expect(resolved('strange.example', ['fe80::1%eth0'])).rejects.toThrow('may not reach');
  });

  it('gives one address to those who want one', async () => {
    const guard = new AddressGuard([], (_name, done) => done(null, [{ address: '1.1.1.1', family: 4 }]));
    const got = await new Promise((resolve) => guard.lookup('a', {}, (...answer) => resolve(answer)));
    expect(got).toEqual([null, '1.1.1.1', 4]);
  });

  it('that does not resolve fails as it does elsewhere', async () => {
    const guard = new AddressGuard([], (_name, done) =>
      done(Object.assign(new Error('nobody'), { code: 'ENOTFOUND' }), []),
    );
    const got = await new Promise((resolve) => guard.lookup('a', { all: true }, (error) => resolve(error)));
    expect(got).toMatchObject({ code: 'ENOTFOUND' });
  });
});

describe('what is allowed', () => {
  it('by address or range may be reached, and nothing else', () => {
    expect(mayReach('http://10.1.2.3', ['10.0.0.0/8'])).toBe(true);
    expect(mayReach('http://11.1.2.3:80', ['10.0.0.0/8'])).toBe(true);
    expect(mayReach('http://192.168.1.1', ['10.0.0.0/8'])).toBe(false);
    expect(mayReach('http://127.0.0.1', ['127.0.0.1'])).toBe(true);
    expect(mayReach('http://127.0.0.2', ['127.0.0.1'])).toBe(false);
    expect(mayReach('http://[::1]', ['::1'])).toBe(true);
    expect(mayReach('http://[::ffff:10.0.0.1]', ['10.0.0.0/8'])).toBe(true);
    expect(mayReach('http://[fd12::1]', ['fd00::/8'])).toBe(true);
    expect(mayReach('http://169.254.169.254', ['*'])).toBe(true);
  });

  it('by name may have any address', async () => {
    expect(await resolved('API.internal.', ['10.0.0.1'], ['api.Internal'])).toEqual(['10.0.0.1']);
    expect(await resolved('a.b.internal', ['10.0.0.1'], ['*.internal'])).toEqual(['10.0.0.1']);
    await expect(resolved('internal', ['10.0.0.1'], ['*.internal'])).rejects.toThrow('may not reach');
    await expect(resolved('evilinternal', ['10.0.0.1'], ['*.internal'])).rejects.toThrow('may not reach');
  });

  it.each(['10.0.0.0/33', 'http://a', 'a b', '', '2130706433', '*.', '10.1', '*.*.a'])(
    'is none of these: %j',
    (entry) => expect(() => new AddressGuard([entry])).toThrow(/cannot be allowed for callHttp/),
  );
});
