import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DatabaseClock } from '../../src/worker/database-clock.ts';

describe("the database's time between two statements", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('goes on from what was last seen', () => {
    const clock = new DatabaseClock();
    clock.observe(1_000_000);
    expect(clock.now()).toBe(1_000_000);
    vi.advanceTimersByTime(250);
    expect(clock.now()).toBe(1_000_250);
    clock.observe(1_000_260);
    vi.advanceTimersByTime(10);
    expect(clock.now()).toBe(1_000_270);
  });

  it('follows the database when it goes back', () => {
    const clock = new DatabaseClock();
    clock.observe(1_000_000);
    vi.advanceTimersByTime(1_000);
    clock.observe(999_000);
    expect(clock.now()).toBe(999_000);
  });

  it("does not mind jumps of this machine's clock", () => {
    const clock = new DatabaseClock();
    clock.observe(1_000_000);
    vi.setSystemTime(Date.now() + 3_600_000);
    expect(clock.now()).toBe(1_000_000);
  });
});
