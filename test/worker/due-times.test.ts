import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { DueTimes } from '../../src/worker/due-times.ts';

function setUp(maxWaitMs = 10_000) {
  const clock = new VirtualClock(0);
  const looks: number[] = [];
  const times = new DueTimes({ own: clock, now: () => clock.now(), maxWaitMs, onDue: () => looks.push(clock.now()) });
  const passTo = (end: number): void => {
    for (let at = clock.now() + 1; at <= end; at += 1) clock.moveTo(at);
  };
  return { times, looks, passTo };
}

describe('what becomes due', () => {
  it('is looked for each time, in whatever order the times were told', () => {
    const { times, looks, passTo } = setUp();
    for (const at of [500, 100, 300, 100]) times.add(at);
    passTo(1_000);
    expect(looks).toEqual([101, 301, 501]);
  });

  it('within a few milliseconds shares a look', () => {
    const { times, looks, passTo } = setUp();
    for (let at = 100; at < 130; at += 1) times.add(at);
    passTo(1_000);
    expect(looks).toEqual([101, 122, 143]);
  });

  it('already is looked for at once', () => {
    const { times, looks, passTo } = setUp();
    passTo(100);
    times.add(50);
    passTo(102);
    expect(looks).toEqual([101]);
  });

  it('far away is waited for in steps, without a look', () => {
    const { times, looks, passTo } = setUp(100);
    times.add(1_000);
    passTo(2_000);
    expect(looks).toEqual([1_000]);
  });

  it('soonest is kept when there is too much', () => {
    const { times, looks, passTo } = setUp();
    for (let at = 30_000; at > 0; at -= 1) times.add(at);
    passTo(31_000);
    expect(looks[0]).toBe(2);
    expect(looks.at(-1)).toBeLessThan(10_000 + 22);
  });

  it('after the end is nobody’s business', () => {
    const { times, looks, passTo } = setUp();
    times.add(100);
    times.stop();
    times.add(200);
    passTo(1_000);
    expect(looks).toEqual([]);
  });
});
