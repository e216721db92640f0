import { expect, it } from 'vitest';
import { Strays } from '../../src/worker/strays.ts';

it('finds what was unknown in every look for long enough', () => {
  const strays = new Strays(1_000);
  expect(strays.find(['a', 'b'], 0)).toEqual([]);
  expect(strays.find(['a', 'b', 'c'], 999)).toEqual([]);
  expect(strays.find(['a', 'b', 'c'], 1_000)).toEqual(['a', 'b']);
  expect(strays.find(['a', 'c'], 1_999)).toEqual(['a', 'c']);
});

it('begins anew with what was known in between', () => {
  const strays = new Strays(1_000);
  strays.find(['a'], 0);
  strays.find([], 500);
  expect(strays.find(['a'], 1_100)).toEqual([]);
  expect(strays.find(['a'], 2_100)).toEqual(['a']);
});
