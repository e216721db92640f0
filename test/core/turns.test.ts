import { describe, expect, it } from 'vitest';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import {
  completed,
  expectSameReplay,
  failureOf,
  fired,
  LiveRun,
  raised,
  replayOf,
  resultOf,
  resumed,
  scheduled,
  started,
  startTime,
  suspended,
  terminated,
  turn,
  type Body,
} from './support.ts';

describe('a suspended instance', () => {
  const body: Body = async (ctx: OrchestrationContext) => {
    const seen: unknown[] = [await ctx.callActivity('A')];
    for (let i = 0; i < 3; i += 1) seen.push(await ctx.waitForExternalEvent('E'));
    return [...seen, ctx.currentUtcDateTime.getTime() - startTime];
  };

  it('does nothing, and takes everything in order when it is resumed', async () => {
    const run = new LiveRun(body);
    await run.start();
    await run.turn(suspended, completed(0, 'a'), raised('E', 1));
    expect((await run.turn(raised('E', 2), suspended)).actions).toEqual([]);
    const decision = await run.turn(raised('E', 3), resumed);
    // What was held back is seen at the time of the turn that resumes.
    expect(resultOf(decision)).toEqual(['a', 1, 2, 3, 3_000]);
    await expectSameReplay(run, body);
  });

  it('keeps what it asked for before, in the same turn', async () => {
    const two: Body = async (ctx: OrchestrationContext) => [await ctx.callActivity('A'), await ctx.callActivity('B')];
    const run = new LiveRun(two);
    await run.start();
    expect((await run.turn(completed(0, 1), suspended)).actions).toEqual([{ type: 'ScheduleTask', id: 1, name: 'B' }]);
    await run.turn(completed(1, 2));
    expect(resultOf(await run.turn(resumed))).toEqual([1, 2]);
    await expectSameReplay(run, two);
  });

  it('may be suspended before it starts', async () => {
    const run = new LiveRun(() => 'done');
    expect(await run.turn(suspended, started())).toEqual({ actions: [] });
    expect(resultOf(await run.turn(resumed))).toBe('done');
  });

  it('may have a generator as body', async () => {
    const generator: Body = function* (ctx: OrchestrationContext) {
      const a: unknown = yield ctx.callActivity('A');
      return a;
    };
    const run = new LiveRun(generator);
    await run.start();
    await run.turn(suspended, completed(0, 'a'));
    expect(resultOf(await run.turn(resumed))).toBe('a');
  });

  it('ignores a second resume, and one that comes out of nothing', async () => {
    const run = new LiveRun(body);
    await run.turn(started(), resumed);
    expect((await run.turn(resumed, resumed)).actions).toEqual([]);
  });
});

describe('a terminated instance', () => {
  it('stops there: nothing that its code asked for in this turn is done', async () => {
    let went = 0;
    const run = new LiveRun(async (ctx: OrchestrationContext) => {
      ctx.setCustomStatus('working');
      await ctx.callActivity('A');
      went += 1;
      await ctx.callActivity('B');
      went += 1;
    });
    await run.start();
    expect(await run.turn(completed(0), terminated, completed(1))).toEqual({ actions: [], customStatus: '"working"' });
    expect(await run.turn(completed(1))).toEqual({ actions: [], customStatus: '"working"' });
    expect(went).toBe(1);
  });

  it('may be suspended, or not even started', async () => {
    const run = new LiveRun(async (ctx: OrchestrationContext) => ctx.callActivity('A'));
    await run.start();
    await run.turn(suspended, completed(0));
    expect(await run.turn(terminated)).toEqual({ actions: [] });
    const other = new LiveRun(() => 1);
    expect(await other.turn(terminated, started())).toEqual({ actions: [] });
  });
});

describe('the end of a body', () => {
  it('does not wait for what is open, and comes after what was asked for', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      ctx.createTimer('1h');
      ctx.callActivity('A');
      return 'done';
    });
    expect((await run.start()).actions).toMatchObject([
      { type: 'CreateTimer', id: 0 },
      { type: 'ScheduleTask', id: 1 },
      { type: 'CompleteOrchestration', id: 2, result: '"done"' },
    ]);
    expect(await run.turn(completed(1), fired(0))).toEqual({ actions: [] });
  });

  it('is the end: later events of the turn are ignored, and stray code asks in vain', async () => {
    let stray = 0;
    const body: Body = async (ctx: OrchestrationContext) => {
      const helper = async (): Promise<void> => {
        for (let i = 0; i < 10; i += 1) await null;
        stray += 1;
        ctx.createTimer(1).cancel();
        await ctx.callActivity('Late');
        stray += 1;
      };
      await ctx.callActivity('A');
      void helper();
      return 'done';
    };
    const run = new LiveRun(body);
    await run.start();
    const decision = await run.turn(completed(0), completed(1), raised('E'));
    expect(decision.actions).toEqual([{ type: 'CompleteOrchestration', id: 1, status: 'Completed', result: '"done"' }]);
    expect(stray).toBe(1);
    await expectSameReplay(run, body);
  });

  it('by a throw keeps what was asked for before', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      ctx.callActivity('A');
      throw Object.assign(new RangeError('no'), { cause: 'because' });
    });
    const decision = await run.start();
    expect(decision.actions).toHaveLength(2);
    expect(failureOf(decision)).toMatchObject({
      errorType: 'RangeError',
      message: 'no',
      innerFailure: { message: 'because' },
    });
  });

  it('may be whatever is thrown', async () => {
    for (const thrown of [null, undefined, 'text', 7, { name: 'Odd', message: 'object' }]) {
      const decision = await new LiveRun(async () => {
        throw thrown;
      }).start();
      expect(failureOf(decision).errorType).toBe(typeof thrown === 'object' && thrown !== null ? 'Odd' : 'Error');
    }
  });

  it('may be a promise of another making', async () => {
    const thenable = { then: (resolve: (value: string) => void) => resolve('foreign') };
    expect(resultOf(await new LiveRun(() => thenable as never).start())).toBe('foreign');
  });
});

describe('a run', () => {
  it('ignores a second start', async () => {
    const run = new LiveRun(async (ctx: OrchestrationContext, input: string) => [input, await ctx.callActivity('A')]);
    await run.turn(started('one'), started('two'));
    expect(resultOf(await run.turn(started('three'), completed(0)))).toEqual(['one', null]);
  });

  it('takes one turn at a time', async () => {
    const run = replayOf(async (ctx: OrchestrationContext) => ctx.callActivity('A'));
    const first = run.advance({ history: [], newEvents: [turn(), started()] });
    await expect(run.advance({ history: [], newEvents: [turn()] })).rejects.toThrow('under way');
    expect((await first).actions).toHaveLength(1);
  });

  it('that is disposed of never goes on, not even to a finally', async () => {
    const seen: string[] = [];
    const bodies: Body[] = [
      function* (ctx: OrchestrationContext) {
        try {
          yield ctx.callActivity('A');
        } finally {
          seen.push('generator');
        }
      },
      async (ctx: OrchestrationContext) => {
        try {
          await ctx.callActivity('A');
        } finally {
          seen.push('async');
        }
      },
      async function* (ctx: OrchestrationContext) {
        try {
          yield ctx.callActivity('A');
        } finally {
          seen.push('async generator');
        }
      },
    ];
    for (const body of bodies) {
      const run = replayOf(body);
      await run.advance({ history: [], newEvents: [turn(), started()] });
      run.dispose();
      await expect(run.advance({ history: [], newEvents: [turn(), completed(0)] })).rejects.toThrow('after dispose');
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(seen).toEqual([]);
  });

  it('may be disposed of in the middle of a turn', async () => {
    const body: Body = async (ctx: OrchestrationContext) => [await ctx.callActivity('A'), await ctx.callActivity('B')];
    for (const where of ['history', 'new events'] as const) {
      const run = replayOf(body);
      const history: HistoryEvent[] = [turn(), started(), scheduled(0), turn(), completed(0), scheduled(1, 'Other')];
      const advancing = run.advance(
        where === 'history'
          ? { history, newEvents: [turn()] }
          : { history: [], newEvents: [turn(), started(), completed(0), completed(1)] },
      );
      run.dispose();
      expect(await advancing).toEqual({ actions: [] });
    }
  });

  it('has its own instance id, name, version, execution and parent', async () => {
    const run = replayOf(
      (ctx: OrchestrationContext) => [ctx.instanceId, ctx.name, ctx.version, ctx.executionId, ctx.parentInstanceId],
      { instanceId: 'mine' },
    );
    const parent = { key: '1', instanceId: 'p', executionId: 'pe', name: 'Parent', taskScheduledId: 4 };
    const newEvents = [turn(), started(undefined, { version: '7', parent })];
    expect(resultOf(await run.advance({ history: [], newEvents }))).toEqual(['mine', 'Test', '7', 'e1', 'p']);
    const orphan = new LiveRun((ctx: OrchestrationContext) => [
      ctx.version === undefined,
      ctx.parentInstanceId ?? 'none',
    ]);
    expect(resultOf(await orphan.start())).toEqual([true, 'none']);
  });

  it('lets other work of the thread go on while thousands of events are played', async () => {
    const count = 10_000;
    const bodies: Body[] = [
      async (ctx: OrchestrationContext) => {
        for (let i = 0; i < count; i += 1) await ctx.waitForExternalEvent('E');
        return 'done';
      },
      function* (ctx: OrchestrationContext) {
        for (let i = 0; i < count; i += 1) yield ctx.waitForExternalEvent('E');
        return 'done';
      },
    ];
    const events = Array.from({ length: count }, () => raised('E'));
    const turns = [
      { history: [turn(), started(), ...events.slice(1)], newEvents: [turn(), raised('E')] },
      { history: [], newEvents: [turn(), started(), ...events] },
      { history: [], newEvents: [turn(), started(), suspended, ...events, resumed] },
    ];
    for (const body of bodies) {
      for (const { history, newEvents } of turns) {
        let turnsOfTheLoop = 0;
        let immediate = setImmediate(function again() {
          turnsOfTheLoop += 1;
          immediate = setImmediate(again);
        });
        expect(resultOf(await replayOf(body).advance({ history, newEvents }))).toBe('done');
        clearImmediate(immediate);
        expect(turnsOfTheLoop).toBeGreaterThanOrEqual(2);
      }
    }
  });

  it('with a generator needs no microtask', () => {
    const run = replayOf(function* (ctx: OrchestrationContext) {
      const results: unknown[] = [];
      for (let i = 0; i < 3; i += 1) results.push(yield ctx.callActivity('A'));
      done = true;
      return results;
    });
    let done = false;
    const history = [0, 1, 2].flatMap((id) => [scheduled(id), turn(), completed(id)]);
    const advancing = run.advance({ history: [turn(), started(), ...history], newEvents: [] });
    expect(done).toBe(true);
    return advancing;
  });

  it('of many instances at once keeps each to its own order', async () => {
    const body: Body = async (ctx: OrchestrationContext, input: number) => {
      const seen: number[] = [];
      const one = async (n: number): Promise<void> => {
        await ctx.callActivity('A');
        for (let i = 0; i < n % 7; i += 1) await null;
        seen.push(n);
      };
      await Promise.all(Array.from({ length: 20 }, (_, n) => one(n + input)));
      return seen;
    };
    const order = Array.from({ length: 20 }, (_, i) => (i * 7) % 20);
    const results = await Promise.all(
      Array.from({ length: 50 }, async (_, input) => {
        const run = replayOf(body);
        await run.advance({ history: [], newEvents: [turn(), started(input)] });
        return resultOf(await run.advance({ history: [], newEvents: [turn(), ...order.map((id) => completed(id))] }));
      }),
    );
    expect(results).toEqual(results.map((_, input) => order.map((n) => n + input)));
  });
});
