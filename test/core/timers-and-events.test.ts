import { describe, expect, it } from 'vitest';
import type { OrchestrationContext, Task } from '../../src/model/functions.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import { completed, failureOf, fired, LiveRun, play, raised, resultOf, startTime, type Body } from './support.ts';

const firstTurn = startTime;

describe('createTimer', () => {
  it('fires at a time, or after a duration from the time of the turn', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      ctx.createTimer(new Date(firstTurn + 5));
      ctx.createTimer(10);
      ctx.createTimer('1h');
      ctx.createTimer(new Date(0));
      return ctx.waitForExternalEvent('E');
    });
    expect((await run.start()).actions).toEqual([
      { type: 'CreateTimer', id: 0, fireAt: firstTurn + 5 },
      { type: 'CreateTimer', id: 1, fireAt: firstTurn + 10 },
      { type: 'CreateTimer', id: 2, fireAt: firstTurn + 3_600_000 },
      { type: 'CreateTimer', id: 3, fireAt: 0 },
    ]);
  });

  it('completes without a value when it fires', async () => {
    const body: Body = async (ctx: OrchestrationContext) => [(await ctx.createTimer('1s')) === undefined];
    expect(resultOf(await play(body, fired(0)))).toEqual([true]);
  });

  it('refuses what is no time', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      const loose: { createTimer(when: unknown): unknown } = ctx;
      return [new Date(Number.NaN), undefined, {}, '3 moons', Number.POSITIVE_INFINITY, 8.64e15].map((when) => {
        try {
          return loose.createTimer(when);
        } catch (error) {
          return error instanceof TypeError;
        }
      });
    });
    expect(resultOf(await run.start())).toEqual([true, true, true, true, true, true]);
  });

  it('that is cancelled never completes, and tells the engine once', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const timer = ctx.createTimer('1h');
      await ctx.callActivity('A');
      timer.cancel();
      timer.cancel();
      await Promise.race([timer, ctx.callActivity('B')]);
      return [timer.isCanceled, timer.isCompleted];
    };
    const run = new LiveRun(body);
    await run.start();
    expect((await run.turn(completed(1))).actions).toEqual([
      { type: 'CancelTimer', timerId: 0 },
      { type: 'ScheduleTask', id: 2, name: 'B' },
    ]);
    // One that was on its way already.
    expect((await run.turn(fired(0))).actions).toEqual([]);
    const last = await run.turn(completed(2));
    expect(resultOf(last)).toEqual([true, false]);
    // The cancellation was committed: a replay does not ask for it again.
    expect(await run.replayedDecision(body, 3)).toEqual(last);
  });

  it('may be cancelled in the turn that creates it', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      ctx.createTimer(1).cancel();
    });
    expect((await run.start()).actions.map((action) => action.type)).toEqual([
      'CreateTimer',
      'CancelTimer',
      'CompleteOrchestration',
    ]);
  });

  it('that has fired cannot be cancelled', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const timer = ctx.createTimer('1s');
      await timer;
      timer.cancel();
    };
    expect(failureOf(await play(body, fired(0))).message).toContain('has fired already');
  });

  it('makes the classic time-out with any', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      const work = ctx.callActivity<string>('Slow');
      const timer = ctx.createTimer('1h');
      const winner: Task<unknown> = yield ctx.any([work, timer]);
      if (winner === timer) return 'late';
      timer.cancel();
      return work.result;
    };
    expect(resultOf(await play(body, fired(1)))).toBe('late');
    expect(resultOf(await play(body, completed(0, 'in time')))).toBe('in time');
  });
});

const wait =
  (...names: string[]): Body =>
  async (ctx: OrchestrationContext) => {
    const results: unknown[] = [];
    for (const name of names) results.push(await ctx.waitForExternalEvent(name));
    return results;
  };

describe('waitForExternalEvent', () => {
  it('takes an event that is raised later, whatever the case of its name', async () => {
    expect(resultOf(await play(wait('Approval'), raised('other', 0), raised('APPROVAL', 'yes')))).toEqual(['yes']);
  });

  it('takes events that came before, oldest first and each once', async () => {
    const body = wait('E', 'E', 'F', 'E');
    expect(resultOf(await play(body, raised('F', 9), raised('E', 1), raised('e', 1), raised('E', 2)))).toEqual([
      1, 1, 9, 2,
    ]);
  });

  it('takes events that came before the start', async () => {
    const run = new LiveRun(wait('E'));
    await run.turn(raised('E', 'early'));
    expect(resultOf(await run.start())).toEqual(['early']);
  });

  it('gets undefined from an event without payload', async () => {
    const body: Body = async (ctx: OrchestrationContext) => [(await ctx.waitForExternalEvent('E')) === undefined];
    expect(resultOf(await play(body, raised('E')))).toEqual([true]);
  });

  it('with several waiters: the oldest first, and one event for one waiter', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const [a, b] = [ctx.waitForExternalEvent('E'), ctx.waitForExternalEvent('E')];
      await a;
      return [a.result, b.isCompleted, await b];
    };
    expect(resultOf(await play(body, raised('E', 1), raised('E', 2)))).toEqual([1, false, 2]);
  });

  it('keeps its place when it lost a race', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const lost = ctx.waitForExternalEvent('E');
      await ctx.any([lost, ctx.callActivity('A')]);
      const second = ctx.waitForExternalEvent('E');
      return [await second, lost.result];
    };
    expect(resultOf(await play(body, completed(0), raised('E', 1), raised('E', 2)))).toEqual([2, 1]);
  });

  it('takes many kept events in order', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      yield ctx.callActivity('A');
      let sum = 0;
      for (let i = 0; i < 5_000; i += 1) {
        const value: number = yield ctx.waitForExternalEvent('E');
        if (value !== i) throw new Error(`got ${value} for ${i}`);
        sum += value;
      }
      return sum;
    };
    const run = new LiveRun(body);
    await run.start();
    const events: HistoryEvent[] = Array.from({ length: 5_000 }, (_, i) => raised('E', i));
    expect(resultOf(await run.turn(...events, completed(0)))).toBe((5_000 * 4_999) / 2);
  });

  it('refuses an empty name and a default value without a timeout', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      const loose: { waitForExternalEvent(...args: unknown[]): unknown } = ctx;
      return [[''], [undefined], ['E', { defaultValue: 1 }], ['E', { timeout: 'soon' }]].map((args) => {
        try {
          return loose.waitForExternalEvent(...args);
        } catch (error) {
          return error instanceof TypeError;
        }
      });
    });
    expect(resultOf(await run.start())).toEqual([true, true, true, true]);
  });

  it('with a payload that is not JSON fails', async () => {
    const decision = await play(wait('E'), { type: 'EventRaised', timestamp: 0, name: 'E', input: 'plain' });
    expect(failureOf(decision).message).toContain("The payload of the event 'E' is not JSON");
  });
});

describe('waitForExternalEvent with a timeout', () => {
  const withDefault =
    (defaultValue: unknown): Body =>
    async (ctx: OrchestrationContext) => {
      const value = await ctx.waitForExternalEvent('E', { timeout: '1h', defaultValue });
      return { value, missing: value === undefined };
    };

  it('creates the timer at once, and fails naming event and time', async () => {
    const body: Body = async (ctx: OrchestrationContext) => ctx.waitForExternalEvent('E', { timeout: '24h' });
    const run = new LiveRun(body);
    expect((await run.start()).actions).toEqual([{ type: 'CreateTimer', id: 0, fireAt: firstTurn + 86_400_000 }]);
    expect(failureOf(await run.turn(fired(0)))).toMatchObject({
      errorType: 'TimeoutError',
      message: "Timed out waiting for the event 'E': it was not raised until 2026-01-02T00:00:00.000Z.",
    });
  });

  it.each([[0], [null], ['x'], [undefined]])('goes on with the default value %j when one is given', async (value) => {
    const result = resultOf(await play(withDefault(value), fired(0)));
    expect(result).toEqual(value === undefined ? { missing: true } : { value, missing: false });
  });

  it('cancels the timer when the event wins, and ignores its firing', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const value = await ctx.waitForExternalEvent('E', { timeout: '1h', defaultValue: 'late' });
      await ctx.callActivity('A');
      return value;
    };
    const run = new LiveRun(body);
    await run.start();
    expect((await run.turn(raised('E', 'yes'))).actions).toEqual([
      { type: 'CancelTimer', timerId: 0 },
      { type: 'ScheduleTask', id: 1, name: 'A' },
    ]);
    await run.turn(fired(0));
    expect(resultOf(await run.turn(completed(1)))).toBe('yes');
    expect(resultOf(await run.replayedDecision(body, 3))).toBe('yes');
  });

  it('gives up its place in the queue when it times out', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const first = ctx.waitForExternalEvent('E', { timeout: '1h', defaultValue: 'late' });
      const second = ctx.waitForExternalEvent('E');
      const third = ctx.waitForExternalEvent('E', { timeout: '2h', defaultValue: 'later' });
      const fourth = ctx.waitForExternalEvent('E');
      return ctx.all([first, second, third, fourth]);
    };
    expect(resultOf(await play(body, fired(0), fired(1), raised('E', 1), raised('E', 2)))).toEqual([
      'late',
      1,
      'later',
      2,
    ]);
  });

  it('takes an event that is here already without creating a timer, in every replay', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      const value = await ctx.waitForExternalEvent('E', { timeout: '1h' });
      await ctx.callActivity('B');
      return value;
    };
    const run = new LiveRun(body);
    await run.start();
    await run.turn(raised('E', 'kept'));
    expect((await run.turn(completed(0))).actions).toEqual([{ type: 'ScheduleTask', id: 1, name: 'B' }]);
    expect(resultOf(await play(body, raised('E', 'kept'), completed(0), completed(1)))).toBe('kept');
  });
});
