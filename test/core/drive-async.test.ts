import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TaskFailedError } from '../../src/core/replay/task-failed-error.ts';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import { completed, raised, replayOf, resultOf, started, turn, type Body } from './support.ts';

/** Between two waits the code needs a thousand microtasks: a driver that is too early would settle the next event. */
const slow: Body = async (ctx: OrchestrationContext) => {
  const seen: unknown[] = [];
  const deep = async (): Promise<void> => {
    for (let i = 0; i < 1_000; i += 1) await null;
  };
  await deep();
  for (let i = 0; i < 3; i += 1) {
    const event = ctx.waitForExternalEvent('E');
    const late = ctx.waitForExternalEvent('F');
    await ctx.any([event, late]);
    await deep();
    // Had the next event been settled meanwhile, it would be seen here.
    seen.push([event.isCompleted, late.isCompleted]);
    await ctx.all([event, late]);
    await deep();
  }
  return seen;
};

const callers: Readonly<Record<string, (call: () => void) => void>> = {
  'plain code': (call) => call(),
  'a microtask': (call) => queueMicrotask(call),
  'a nextTick callback': (call) => process.nextTick(call),
  'a setImmediate callback': (call) => void setImmediate(call),
  'a timer': (call) => void setTimeout(call, 1),
};

describe('microtasks run out before the next event is settled', () => {
  it.each(Object.entries(callers))('when a turn is opened by %s', async (_name, from) => {
    const events = [raised('E'), raised('F'), raised('F'), raised('E'), raised('E'), raised('F')];
    const decision = new Promise<Awaited<ReturnType<ReturnType<typeof replayOf>['advance']>>>((resolve, reject) => {
      from(() => {
        replayOf(slow)
          .advance({ history: [], newEvents: [turn(), started(), ...events] })
          .then(resolve, reject);
      });
    });
    expect(resultOf(await decision)).toEqual([
      [true, false],
      [false, true],
      [true, false],
    ]);
  });

  it('without a turn of the event loop: nothing from outside comes in between', async () => {
    let outside = 0;
    const pending = immediate().then(() => (outside += 1));
    await replayOf(slow).advance({ history: [], newEvents: [turn(), started(), raised('E'), raised('F')] });
    expect(outside).toBe(0);
    await pending;
  });
});

describe('TaskFailedError', () => {
  it('is recognised from another copy of the package too', async () => {
    let caught: unknown;
    const run = replayOf(async (ctx: OrchestrationContext) => {
      await Promise.resolve(ctx.callActivity('A')).catch((error: unknown) => (caught = error));
    });
    await run.advance({ history: [], newEvents: [turn(), started()] });
    const failure = { errorType: 'Error', message: 'x' };
    const event = { type: 'TaskFailed', timestamp: 0, taskScheduledId: 0, failure } as const;
    await run.advance({ history: [], newEvents: [turn(), event, completed(9)] });
    expect(caught).toBeInstanceOf(TaskFailedError);
    expect(caught).toBeInstanceOf(Error);
    const copy = { [Symbol.for('perdure.TaskFailedError')]: true };
    expect([
      copy instanceof TaskFailedError,
      Object(1) instanceof TaskFailedError,
      Error('x') instanceof TaskFailedError,
    ]).toEqual([true, false, false]);
    expect(caught instanceof Error && caught.stack).toBe("TaskFailedError: Activity 'A' (#0) failed: x");
  });
});
