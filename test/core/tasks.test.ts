import { describe, expect, it } from 'vitest';
import { TaskFailedError } from '../../src/core/replay/task-failed-error.ts';
import type { OrchestrationContext, Task } from '../../src/model/functions.ts';
import { completed, failed, failureOf, fired, LiveRun, play, raised, resultOf, type Body } from './support.ts';

async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('did not throw');
}

describe('a task', () => {
  it('runs even when nobody awaits it', async () => {
    const decision = await new LiveRun((ctx) => {
      ctx.callActivity('A');
      return 'done';
    }).start();
    expect(decision.actions.map((action) => action.type)).toEqual(['ScheduleTask', 'CompleteOrchestration']);
  });

  it('that fails and that nobody awaits is no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const run = new LiveRun(async (ctx: OrchestrationContext) => {
      ctx.callActivity('Forgotten');
      await ctx.callActivity('Awaited');
    });
    await run.start();
    await run.turn(failed(0));
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
    expect(resultOf(await run.turn(completed(1)))).toBeUndefined();
  });

  it('tells how it stands', async () => {
    const seen: unknown[] = [];
    const note = (task: Task<unknown>): unknown => seen.push([task.isCompleted, task.isFaulted, task.result]);
    const body: Body = function* (ctx: OrchestrationContext) {
      const a = ctx.callActivity('A');
      const b = ctx.callActivity('B');
      note(a);
      yield a;
      note(a);
      try {
        yield b;
      } catch {
        note(b);
      }
    };
    const run = new LiveRun(body);
    await run.start();
    await run.turn(completed(0, 7));
    await run.turn(failed(1));
    expect(seen).toEqual([
      [false, false, undefined],
      [true, false, 7],
      [true, true, undefined],
    ]);
  });

  it('may be awaited again after it has completed', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const a = ctx.callActivity<number>('A');
      return [await a, await a];
    };
    expect(resultOf(await play(body, completed(0, 1)))).toEqual([1, 1]);
  });

  it('that has failed throws at every wait', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      const a = ctx.callActivity('A');
      const messages: unknown[] = [];
      for (let i = 0; i < 2; i += 1) {
        try {
          yield a;
        } catch (error) {
          messages.push(error instanceof TaskFailedError && [error.taskName, error.taskId, error.failureDetails]);
        }
      }
      return messages;
    };
    const details = ['A', 0, { errorType: 'Error', message: 'boom' }];
    expect(resultOf(await play(body, failed(0)))).toEqual([details, details]);
  });

  it('takes falsy results as they are', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const results = await ctx.all([ctx.callActivity('A'), ctx.callActivity('A'), ctx.callActivity('A')] as const);
      const none = await ctx.callActivity('A');
      return [...results, none === undefined];
    };
    const decision = await play(body, completed(0, 0), completed(1, ''), completed(2, false), completed(3));
    expect(resultOf(decision)).toEqual([0, '', false, true]);
  });

  it('that is stored by mistake says that an await was forgotten', async () => {
    const body: Body = async (ctx: OrchestrationContext) => ({ a: ctx.callActivity('A') });
    expect(failureOf(await new LiveRun(body).start()).message).toMatch(/result of orchestration 'Test'.*await/);
  });

  it('that a body returns is waited for, whatever the kind', async () => {
    const bodies: Body[] = [
      (ctx) => ctx.callActivity('A'),
      async (ctx) => ctx.callActivity('A'),
      function* (ctx: OrchestrationContext) {
        return ctx.callActivity('A');
      },
      async function* (ctx: OrchestrationContext) {
        return ctx.callActivity('A');
      },
      (ctx) => ctx.any([ctx.callActivity('A')]),
      async (ctx) => ctx.any([ctx.callActivity('A')]),
    ];
    for (const body of bodies) {
      expect(resultOf(await play(body, completed(0, 5)))).toBe(5);
      expect(failureOf(await play(body, failed(0))).errorType).toBe('TaskFailedError');
    }
  });

  it('that is complete already may be returned by a plain function', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      const a = ctx.callActivity('A');
      yield a;
      return a;
    };
    expect(resultOf(await play(body, completed(0, 5)))).toBe(5);
  });

  it('works with then, also in a generator', async () => {
    const seen: unknown[] = [];
    const body: Body = function* (ctx: OrchestrationContext) {
      const a = ctx.callActivity('A');
      a.then((value) => seen.push(value));
      yield a;
      yield ctx.callActivity('B');
    };
    const run = new LiveRun(body);
    await run.start();
    await run.turn(completed(0, 'x'));
    expect(seen).toEqual(['x']);
  });

  it('cannot be driven by hand', () => {
    const body: Body = (ctx) => {
      const [first] = ctx.callActivity('A');
      return first === undefined;
    };
    return expect(new LiveRun(body).start().then(resultOf)).resolves.toBe(false);
  });

  it('is not stepped through by Promise.all instead of being awaited', async () => {
    const body: Body = async (ctx: OrchestrationContext) => Promise.all(ctx.callActivity('A'));
    expect(failureOf(await new LiveRun(body).start()).message).toContain('resumed before it completed');
  });

  it('with a result that is not JSON fails', async () => {
    const run = new LiveRun(async (ctx: OrchestrationContext) => ctx.callActivity('A'));
    await run.start();
    const decision = await run.turn({ type: 'TaskCompleted', timestamp: 0, taskScheduledId: 0, result: '{' });
    expect(failureOf(decision)).toMatchObject({
      errorType: 'SyntaxError',
      message: expect.stringContaining("The result of activity 'A' (#0) is not JSON"),
    });
  });
});

describe('a completion', () => {
  it('of something that nobody asked for is ignored, also a second time', async () => {
    const run = new LiveRun(async (ctx: OrchestrationContext) => [
      await ctx.callActivity('A'),
      await ctx.callActivity('B'),
    ]);
    await run.start();
    await run.turn(completed(7), failed(8), fired(9), completed(0, 1), completed(0, 2), failed(0));
    expect(resultOf(await run.turn(completed(1, 3)))).toEqual([1, 3]);
  });

  it('of several tasks in one turn is seen one by one, in order', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const order: string[] = [];
      const one = async (name: string): Promise<void> => {
        await ctx.callActivity(name);
        await null;
        await null;
        order.push(name);
      };
      await Promise.all([one('A'), one('B'), one('C')]);
      return order;
    };
    const run = new LiveRun(body);
    await run.start();
    const decision = await run.turn(completed(2), completed(0), completed(1));
    expect(resultOf(decision)).toEqual(['C', 'A', 'B']);
    expect(await run.replayedDecision(body, 1)).toEqual(decision);
  });
});

describe('Promise.all and Promise.race', () => {
  it('are JavaScript’s own: all fails with the first failure', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      try {
        return await Promise.all([ctx.callActivity('A'), ctx.callActivity('B')]);
      } catch (error) {
        return String(error);
      }
    };
    expect(resultOf(await play(body, failed(1)))).toBe("TaskFailedError: Activity 'B' (#1) failed: boom");
    expect(resultOf(await play(body, completed(1, 'b'), completed(0, 'a')))).toEqual(['a', 'b']);
  });

  it('race goes to the event that comes first in history', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const first = await Promise.race([ctx.callActivity('A'), ctx.waitForExternalEvent('E')]);
      const later = await Promise.any([ctx.callActivity('B'), ctx.callActivity('C')]);
      return [first, later, await Promise.allSettled([ctx.callActivity('D')])];
    };
    const run = new LiveRun(body);
    await run.start();
    await run.turn(raised('E', 'event'), completed(0, 'a'));
    await run.turn(failed(1), completed(2, 'c'));
    expect(resultOf(await run.turn(completed(3, 'd')))).toEqual(['event', 'c', [{ status: 'fulfilled', value: 'd' }]]);
  });
});

describe('ctx.all', () => {
  const all: Body = async (ctx: OrchestrationContext) =>
    ctx.all([ctx.callActivity('A'), ctx.callActivity('B'), ctx.callActivity('C')]);

  it('gives the results in the order of the tasks', async () => {
    expect(resultOf(await play(all, completed(2, 'c'), completed(0, 'a'), completed(1, 'b')))).toEqual(['a', 'b', 'c']);
  });

  it('waits for every task, then throws one AggregateError that counts and names', async () => {
    const run = new LiveRun(all);
    await run.start();
    expect((await run.turn(failed(0, { message: 'x' }))).actions).toEqual([]);
    expect((await run.turn(completed(1))).actions).toEqual([]);
    expect(failureOf(await run.turn(failed(2, { message: 'y' })))).toMatchObject({
      errorType: 'AggregateError',
      message: "2 of 3 tasks failed: Activity 'A' (#0) failed: x; Activity 'C' (#2) failed: y",
      innerFailure: { errorType: 'TaskFailedError', innerFailure: { message: 'x' } },
    });
  });

  it('names errors that are no Error too', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const policy = { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: 1 };
      return ctx.all([ctx.callActivity('A', undefined, { retry: policy })]);
    };
    expect(failureOf(await play(body, failed(0))).message).toContain('1 of 1 tasks failed');
  });

  it('of nothing is an empty list at once', async () => {
    expect(resultOf(await new LiveRun(async (ctx) => ctx.all([])).start())).toEqual([]);
  });

  it('counts tasks that have completed already', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      const a = ctx.callActivity<string>('A');
      yield a;
      const twice: string[] = yield ctx.all([a, a]);
      return twice;
    };
    expect(resultOf(await play(body, completed(0, 'a')))).toEqual(['a', 'a']);
  });

  it('nests', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const [a, b, c] = [ctx.callActivity('A'), ctx.callActivity('B'), ctx.callActivity('C')];
      try {
        return await ctx.all([ctx.all([a, b]), c]);
      } catch (error) {
        return error instanceof AggregateError && error.errors.length;
      }
    };
    expect(resultOf(await play(body, completed(2, 3), completed(1, 2), completed(0, 1)))).toEqual([[1, 2], 3]);
    expect(resultOf(await play(body, failed(0), failed(1), failed(2)))).toBe(2);
  });

  it('refuses what is not a list of tasks and says which element', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const loose: { all(tasks: unknown): unknown; any(tasks: unknown): unknown } = ctx;
      const errors = [];
      for (const tasks of [undefined, [ctx.callActivity('A'), Promise.resolve()], [3], [null], [Object.create(null)]]) {
        errors.push(String(await errorOf(() => loose.all(tasks))));
      }
      errors.push(String(await errorOf(() => loose.any([]))), String(await errorOf(() => loose.any(['x']))));
      return errors;
    };
    expect(resultOf(await new LiveRun(body).start())).toEqual([
      'TypeError: all(tasks) received a non-valid input: the argument must be an array of tasks.',
      'TypeError: all(tasks) received a non-valid input: element 1 is not a task of this orchestration but an object of type Promise.',
      'TypeError: all(tasks) received a non-valid input: element 0 is not a task of this orchestration but a value of type number.',
      'TypeError: all(tasks) received a non-valid input: element 0 is not a task of this orchestration but null.',
      'TypeError: all(tasks) received a non-valid input: element 0 is not a task of this orchestration but an object of type Object.',
      'Error: any(tasks): the list is empty, so nothing could ever complete.',
      'TypeError: any(tasks) received a non-valid input: element 0 is not a task of this orchestration but a value of type string.',
    ]);
  });
});

const racers: Readonly<Record<string, Body>> = {
  'async function': async (ctx: OrchestrationContext) => {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    const winner = await ctx.any([a, b]);
    return [winner === a, winner === b, winner.isFaulted, winner.result];
  },
  generator: function* (ctx: OrchestrationContext) {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    const winner: Task<unknown> = yield ctx.any([a, b]);
    return [winner === a, winner === b, winner.isFaulted, winner.result];
  },
  'generator with yield*': function* (ctx: OrchestrationContext) {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    const winner = yield* ctx.any([a, b]);
    return [winner === a, winner === b, winner.isFaulted, winner.result];
  },
  'async generator': async function* (ctx: OrchestrationContext) {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    const winner: Task<unknown> = yield ctx.any([a, b]);
    return [winner === a, winner === b, winner.isFaulted, winner.result];
  },
  'async generator with yield*': async function* (ctx: OrchestrationContext) {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    const winner = yield* ctx.any([a, b]);
    return [winner === a, winner === b, winner.isFaulted, winner.result];
  },
  'async function with await in an async generator': async function* (ctx: OrchestrationContext) {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    const winner = await ctx.any([a, b]);
    return [winner === a, winner === b, winner.isFaulted, winner.result];
  },
  'then with a user’s function': (ctx: OrchestrationContext) => {
    const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
    return ctx.any([a, b]).then(async (winner) => {
      const same = [winner === a, winner === b, winner.isFaulted, winner.result];
      // Here the winner is awaitable.
      await Promise.resolve(winner === a ? a : b).catch(() => undefined);
      return same;
    });
  },
};

describe.each(Object.entries(racers))('ctx.any in %s', (_kind, body) => {
  it('completes with the task that comes first in history, not with its result', async () => {
    expect(resultOf(await play(body, completed(1, 'b')))).toEqual([false, true, false, 'b']);
    const run = new LiveRun(body);
    await run.start();
    expect(resultOf(await run.turn(completed(1, 'b'), completed(0, 'a')))).toEqual([false, true, false, 'b']);
  });

  it('does not throw when the winner failed', async () => {
    expect(resultOf(await play(body, failed(0)))).toEqual([true, false, true, null]);
  });
});

describe('ctx.any', () => {
  it('leaves the losers running: they may be awaited later', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const [a, b] = [ctx.callActivity('A'), ctx.callActivity('B')];
      await ctx.any([a, b]);
      return [await a, await b];
    };
    expect(resultOf(await play(body, completed(1, 'b'), completed(0, 'a')))).toEqual(['a', 'b']);
  });

  it('takes a task that has completed already, the first of the list', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const [a, b, c] = [ctx.callActivity('A'), ctx.callActivity('B'), ctx.callActivity('C')];
      await ctx.all([a, b]);
      return (await ctx.any([c, b, a])) === b;
    };
    expect(resultOf(await play(body, completed(0), completed(1)))).toBe(true);
  });

  it('nests: the winner of winners is a task', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const [a, b, c] = [ctx.callActivity('A'), ctx.callActivity('B'), ctx.callActivity('C')];
      const inner = ctx.any([a, b]);
      const outer = await ctx.any([inner, c, a]);
      const [again] = await Promise.all([inner]);
      return [outer === inner, inner.result === b, again === b, await b];
    };
    expect(resultOf(await play(body, completed(1, 'b')))).toEqual([true, true, true, 'b']);
  });

  it('may race one long wait against many short ones', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      const stop = ctx.waitForExternalEvent('Stop');
      for (let rounds = 0; ; rounds += 1) {
        const timer = ctx.createTimer(1_000);
        const winner: Task<unknown> = yield ctx.any([stop, timer]);
        if (winner === stop) {
          timer.cancel();
          return rounds;
        }
      }
    };
    expect(resultOf(await play(body, fired(0), fired(1), fired(2), raised('Stop')))).toBe(3);
  });
});

describe('a yield of a non-task', () => {
  const yields = (value: () => unknown): Body[] => [
    function* () {
      yield value() as never;
    },
    function* (ctx: OrchestrationContext) {
      try {
        yield ctx.callActivity('A');
      } catch {
        yield value() as never;
      }
    },
    async function* (ctx: OrchestrationContext) {
      try {
        yield ctx.callActivity('A');
      } catch {
        yield value() as never;
      }
    },
  ];

  it.each([
    ['a value of type number', () => 42],
    ['undefined', () => undefined],
    ['an object of type Array', () => []],
  ])('fails the instance with an error that names %s', async (what, value) => {
    for (const body of yields(value)) {
      const run = new LiveRun(body);
      let decision = await run.start();
      if (decision.actions.at(-1)?.type !== 'CompleteOrchestration') decision = await run.turn(failed(0));
      expect(failureOf(decision)).toMatchObject({ errorType: 'TypeError' });
      expect(failureOf(decision).message).toContain(`the orchestrator yielded ${what}, a non-Task`);
    }
  });

  it('explains a promise', async () => {
    const body: Body = function* () {
      yield Promise.resolve(1) as never;
    };
    expect(failureOf(await new LiveRun(body).start()).message).toMatch(/object of type Promise.*Only async functions/);
  });

  it('names a task of another orchestration', async () => {
    let kept: Task<unknown> | undefined;
    await new LiveRun((ctx) => {
      kept = ctx.callActivity('A');
    }).start();
    const body: Body = function* () {
      if (kept) yield kept;
    };
    expect(failureOf(await new LiveRun(body).start()).message).toContain('a task of another orchestration');
  });
});
