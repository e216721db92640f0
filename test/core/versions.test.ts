import { describe, expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { compareVersions, matchesWorker, VersionedDefinitions } from '../../src/model/versions.ts';

describe('versions', () => {
  it.each([
    ['', '', 0],
    [null, '', 0],
    [undefined, '0', -1],
    ['1.9', '1.10', -1],
    ['1.0', '1', 0],
    ['2', '1.9.9', 1],
    ['1.0', 'a', -1],
    ['Beta', 'alpha', 1],
    ['beta', 'BETA', 0],
    ['1.0-rc', '1.0-rc', 0],
  ])('%j compared with %j gives %i', (a, b, expected) => {
    expect(compareVersions(a, b)).toBe(expected);
    expect(compareVersions(b, a)).toBe(expected === 0 ? 0 : -expected);
  });

  it.each([
    ['None', [true, true, true, true]],
    ['Strict', [false, false, true, false]],
    ['CurrentOrOlder', [true, true, true, false]],
  ] as const)('B194: a worker of version 1.0 with strategy %s', (matchStrategy, expected) => {
    const versions = ['', '0.9', '1.0', '1.1'];
    expect(versions.map((of) => matchesWorker({ version: '1.0', matchStrategy }, of))).toEqual(expected);
  });

  it('code without a version serves what has no code of its own', () => {
    const known = new VersionedDefinitions<{ name: string; version?: string }>();
    const [any, two] = [{ name: 'A' }, { name: 'a', version: '2.0' }];
    expect([known.add(any), known.add(two), known.add(two)]).toEqual([undefined, undefined, undefined]);
    expect(known.find('A', null)).toBe(any);
    expect(known.find('A', '1')).toBe(any);
    expect(known.find('A', '2')).toBe(two);
    expect(known.isSelective).toBe(false);
    expect(known.names).toEqual(['A']);
    expect(known.add({ name: 'A', version: '2' })).toBe(two);
  });

  it('with versions only, other versions have no code', () => {
    const known = new VersionedDefinitions<{ name: string; version?: string }>();
    known.add({ name: 'A', version: '1' });
    expect(known.find('A', '2')).toBeUndefined();
    expect(known.find('A', null)).toBeUndefined();
    expect(known.isSelective).toBe(true);
  });

  it.each(['v'.repeat(101), 'a\nb', 7])('a definition is refused the version %j', (version) => {
    const options = { version: version as string };
    expect(() => orchestration('A', options, () => 1)).toThrow(TypeError);
    expect(() => activity('A', options, () => 1)).toThrow(TypeError);
  });
});
