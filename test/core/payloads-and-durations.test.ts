import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/model/duration.ts';
import { Fifo } from '../../src/core/replay/fifo.ts';
import { fromPayload, toPayload } from '../../src/core/replay/payload.ts';
import { failureOf, LiveRun, resultOf, started, type Body } from './support.ts';

const cyclic: Record<string, unknown> = {};
cyclic['self'] = cyclic;
const throwing = {
  toJSON(): never {
    throw new Error('no JSON today');
  },
};

describe('a value that is stored', () => {
  it.each([
    [null, 'null'],
    ['', '""'],
    [0, '0'],
    [false, 'false'],
    [{ a: [undefined, Number.NaN] }, '{"a":[null,null]}'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ])('becomes JSON text: %j', (value, text) => {
    expect(toPayload(value, 'it')).toBe(text);
  });

  it('that is undefined is nothing', () => {
    expect(toPayload(undefined, 'it')).toBeUndefined();
    expect(fromPayload(undefined, 'it')).toBeUndefined();
  });

  it.each<[string, unknown, RegExp]>([
    ['a BigInt', 1n, /BigInt/],
    ['a nested BigInt', { n: [1n] }, /BigInt/],
    ['a cycle', cyclic, /circular structure to JSON\.$/],
    ['a function', () => 1, /type function/],
    ['a symbol', Symbol('s'), /type symbol/],
    ['NaN', Number.NaN, /JSON has no NaN/],
    ['Infinity', Number.NEGATIVE_INFINITY, /JSON has no -Infinity/],
    ['a toJSON that throws', throwing, /no JSON today/],
    ['a toJSON that throws no Error', { toJSON: thrower }, /: plain\.$/],
    ['a toJSON that gives nothing', { toJSON: () => undefined }, /type object/],
  ])('is refused with a clear message: %s', async (_what, value, message) => {
    expect(() => toPayload(value, 'the value')).toThrow(message);
    expect(() => toPayload(value, 'the value')).toThrow(/^The value cannot be stored as JSON: /);
    const body: Body = async () => value;
    const failure = failureOf(await new LiveRun(body).start());
    expect(failure.errorType).toBe('TypeError');
    expect(failure.message).toMatch(/^The result of orchestration 'Test' cannot be stored as JSON: /);
  });

  it('comes back as it was', () => {
    expect(fromPayload('{"a":1}', 'it')).toEqual({ a: 1 });
    expect(() => fromPayload('{', 'The input')).toThrow(/^The input is not JSON: /);
  });
});

/** Throws a text. */
function thrower(): unknown {
  return (function* () {})().throw('plain');
}

describe('the input of an orchestration', () => {
  const echo: Body = (_ctx, input: unknown) => [input === undefined, input];

  it('is the parsed JSON, and undefined when none was given', async () => {
    expect(resultOf(await new LiveRun(echo).start({ a: 1 }))).toEqual([false, { a: 1 }]);
    expect(resultOf(await new LiveRun(echo).start(null))).toEqual([false, null]);
    expect(resultOf(await new LiveRun(echo).start())).toEqual([true, null]);
  });

  it('that is not JSON fails the instance', async () => {
    expect(failureOf(await new LiveRun(echo).turn(started(undefined, { input: 'plain text' })))).toMatchObject({
      errorType: 'SyntaxError',
      message: expect.stringContaining("The input of orchestration 'Test' is not JSON"),
    });
  });
});

describe('a duration', () => {
  it.each([
    [0, 0],
    [1_500, 1_500],
    [0.2, 1],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.1s', 1_100],
    ['15m', 900_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['PT24H', 86_400_000],
    ['P1DT2H', 93_600_000],
    ['PT0.5S', 500],
    ['PT1H30M15S', 5_415_000],
    ['P2W', 1_209_600_000],
    ['P365D', 31_536_000_000],
  ])('%j is %d ms', (duration, ms) => {
    expect(parseDuration(duration)).toBe(ms);
  });

  it.each<[unknown, RegExp]>([
    [-1, /0 or more; this one is -1/],
    [Number.NaN, /finite/],
    [Number.POSITIVE_INFINITY, /finite/],
    ['', /is not a duration/],
    ['5', /is not a duration\. Write/],
    ['-5s', /is not a duration/],
    ['5 parsecs', /is not a duration/],
    ['P', /is not a duration/],
    ['PT', /is not a duration/],
    ['P1DT', /is not a duration/],
    ['P1M', /is not a duration/],
    ['P1Y', /is not a duration/],
    [null, /this is null/],
    [{}, /this is of type object/],
  ])('%j is none', (duration, message) => {
    const loose: (duration: never) => number = parseDuration;
    expect(() => loose(duration as never)).toThrow(TypeError);
    expect(() => loose(duration as never)).toThrow(message);
  });
});

describe('a queue', () => {
  it('gives what came first, and forgets what was removed', () => {
    const queue = new Fifo<number>();
    expect(queue.shift()).toBeUndefined();
    for (let i = 0; i < 10; i += 1) queue.push(i);
    expect([queue.shift(), queue.shift(), queue.size]).toEqual([0, 1, 8]);
    queue.remove(5);
    queue.remove(0);
    queue.remove(99);
    const rest: (number | undefined)[] = [];
    while (queue.size > 0) rest.push(queue.shift());
    expect(rest).toEqual([2, 3, 4, 6, 7, 8, 9]);
  });
});
