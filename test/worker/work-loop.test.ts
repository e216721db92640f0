import { pino } from 'pino';
import { afterEach, describe, expect, it, vi, onTestFinished } from 'vitest';
import { WorkLoop, type WorkLoopOptions } from '../../src/worker/work-loop.ts';
import { gate, type Gate } from '../support/gate.ts';

type Result = Awaited<ReturnType<WorkLoopOptions['step']>>;

/** A loop whose steps give these results one after the other, then `'enough'`. */
function loopOf(...results: readonly (Result | Error)[]) {
  const log = { lines: [] as string[] };
  let steps = 0;
  const loop = new WorkLoop({
    step: async () => {
      const result = results[steps] ?? 'enough';
      steps += 1;
      if (result instanceof Error) throw result;
      return result;
    },
    log: pino({ level: 'info' }, { write: (line: string) => log.lines.push(line) }),
    what: 'testing',
  });
  return { loop, log, steps: () => steps };
}

/** A loop whose steps stand still until they are let go with a result. */
function heldLoop() {
  const held: { readonly gate: Gate; result: Result }[] = [];
  const loop = new WorkLoop({
    step: async () => {
      const step = { gate: gate(), result: 'enough' as Result };
      held.push(step);
      await step.gate.passed;
      return step.result;
    },
    log: pino({ level: 'silent' }),
    what: 'testing',
  });
  return {
    loop,
    begun: () => held.length,
    finish: async (n: number, result: Result) => {
      const step = held[n];
      if (step === undefined) throw new Error(`step ${n} has not begun`);
      step.result = result;
      step.gate.open();
      await settled();
    },
  };
}

/** Lets everything run that was due. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a work loop', () => {
  it('does nothing until it is woken', async () => {
    const { loop, steps } = loopOf('enough');
    await settled();
    expect(steps()).toBe(0);
    loop.wake();
    await settled();
    expect(steps()).toBe(1);
  });

  it('goes on while there is more', async () => {
    const { loop, steps } = loopOf('more', 'more', 'enough');
    loop.wake();
    await settled();
    expect(steps()).toBe(3);
  });

  it('takes one step at a time, and one more for all hints that came during a step', async () => {
    const { loop, begun, finish } = heldLoop();
    loop.wake();
    loop.wake();
    await settled();
    expect(begun()).toBe(1);
    loop.wake();
    loop.wake();
    await finish(0, 'enough');
    expect(begun()).toBe(2);
    await finish(1, 'enough');
    expect(begun()).toBe(2);
  });

  it('begins again when it is woken after it had enough', async () => {
    const { loop, steps } = loopOf();
    for (let round = 1; round <= 3; round += 1) {
      loop.wake();
      await settled();
      expect(steps()).toBe(round);
    }
  });
});

describe('a loop without room', () => {
  it('waits for room, and only for that', async () => {
    const { loop, steps } = loopOf('full', 'enough');
    loop.wake();
    await settled();
    expect(steps()).toBe(1);
    loop.resume();
    await settled();
    expect(steps()).toBe(2);
    loop.resume();
    await settled();
    expect(steps()).toBe(2);
  });

  it('looks again when it is woken', async () => {
    const { loop, steps } = loopOf('full', 'full', 'enough');
    loop.wake();
    await settled();
    loop.wake();
    await settled();
    expect(steps()).toBe(2);
  });

  it('does not miss room that came while a step was finding none', async () => {
    const { loop, begun, finish } = heldLoop();
    loop.wake();
    await settled();
    loop.resume();
    await finish(0, 'full');
    expect(begun()).toBe(2);
  });
});

describe('a step that fails', () => {
  it('is tried again, later each time, and told rarely', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    // Pauses are spread out between half and all of their length.
    vi.spyOn(Math, 'random').mockReturnValue(1);
    onTestFinished(() => void vi.restoreAllMocks());
    const away = new Error('away');
    const { loop, log, steps } = loopOf(...Array.from({ length: 45 }, () => away), 'enough');
    loop.wake();
    await settled();
    expect(steps()).toBe(1);
    await vi.advanceTimersByTimeAsync(99);
    expect(steps()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(steps()).toBe(2);
    await vi.advanceTimersByTimeAsync(199);
    expect(steps()).toBe(2);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(steps()).toBe(46);
    expect(log.lines).toHaveLength(3); // the 1st, the 20th, the 40th
    expect(log.lines[0]).toContain('testing failed, trying again');
  });

  it('begins the count anew after one that went well', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { loop, log, steps } = loopOf(new Error('a'), 'enough', new Error('b'), 'enough');
    loop.wake();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(steps()).toBe(2);
    loop.wake();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(steps()).toBe(4);
    expect(log.lines).toHaveLength(2);
  });
});

describe('stopping a loop', () => {
  it('waits for the step under way; there is no other', async () => {
    const { loop, begun, finish } = heldLoop();
    loop.wake();
    await settled();
    loop.wake();
    let stopped = false;
    const stop = loop.stop().then(() => (stopped = true));
    await settled();
    expect(stopped).toBe(false);
    await finish(0, 'more');
    await stop;
    loop.wake();
    loop.resume();
    await settled();
    expect(begun()).toBe(1);
  });

  it('that does nothing is over at once', async () => {
    const { loop, steps } = loopOf();
    await loop.stop();
    loop.wake();
    await settled();
    expect(steps()).toBe(0);
  });

  it('does not wait for the end of a pause between two tries', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { loop, steps } = loopOf(new Error('away'));
    loop.wake();
    await settled();
    await loop.stop(); // nobody advances the clock
    expect(steps()).toBe(1);
  });
});
