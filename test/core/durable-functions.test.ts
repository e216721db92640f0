import { describe, expect, it } from 'vitest';
import { deterministicGuidV3 } from '../../src/core/replay/deterministic.ts';
import { TaskFailedError } from '../../src/core/replay/task-failed-error.ts';
import { RetryOptions, type FailureDetails } from '../../src/model/durable-functions.ts';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import {
  completed,
  expectSameReplay,
  failed,
  failureOf,
  fired,
  LiveRun,
  play,
  raised,
  resultOf,
  startTime,
  timerCreated,
  type Body,
} from './support.ts';

type Context = OrchestrationContext;
// What a v3 author gets from a yield.
type Any = ReturnType<typeof JSON.parse>;

describe('ctx.df', () => {
  it('gives a generator of one argument its input and who it is', async () => {
    const body: Body = function* (context: Context): Generator<never, Any, Any> {
      const { instanceId, parentInstanceId, isReplaying, version, customStatus } = context.df;
      context.df.setCustomStatus({ step: 1 });
      return {
        input: context.df.getInput<{ a: number }>().a,
        same: context.df.currentUtcDateTime.getTime() === context.currentUtcDateTime.getTime(),
        before: customStatus === undefined,
        status: context.df.customStatus,
        instanceId,
        parent: parentInstanceId === undefined,
        isReplaying,
        version: version ?? 'none',
      };
    };
    const decision = await new LiveRun(body).start({ a: 7 });
    expect(resultOf(decision)).toEqual({
      input: 7,
      same: true,
      before: true,
      status: { step: 1 },
      instanceId: 'i1',
      parent: true,
      isReplaying: false,
      version: 'none',
    });
    expect(decision.customStatus).toBe('{"step":1}');
  });

  it('B25: callActivity gives the result to the yield', async () => {
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      const first: string = yield context.df.callActivity('Hello', 'Lisbon');
      const second: string = yield context.df.callActivity('Hello', first);
      return [first, second];
    };
    expect(resultOf(await play(body, completed(0, 'a'), completed(1, 'b')))).toEqual(['a', 'b']);
  });

  it('B30: a task that is yielded twice is scheduled once', async () => {
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      const task = context.df.callActivity('A');
      return [yield task, yield task];
    };
    const run = new LiveRun(body);
    expect((await run.start()).actions).toHaveLength(1);
    expect(resultOf(await run.turn(completed(0, 1)))).toEqual([1, 1]);
  });

  it('B31: a task that is never yielded is scheduled too', async () => {
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      context.df.callActivity('Forgotten');
      return yield context.df.callActivity('A');
    };
    expect((await new LiveRun(body).start()).actions).toMatchObject([{ name: 'Forgotten' }, { name: 'A' }]);
  });

  it('a failure has the message of v3, and details in both words', async () => {
    const caught: unknown[] = [];
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      try {
        yield context.df.callActivity('Pay', 1);
      } catch (error) {
        caught.push(error);
        throw error;
      }
    };
    const run = new LiveRun(body);
    await run.start();
    const inner = { errorType: 'TypeError', message: 'no card' };
    const end = await run.turn(failed(0, { errorType: 'CardError', message: 'declined', innerFailure: inner }));
    const [error] = caught;
    if (!(error instanceof TaskFailedError)) throw new Error('not a TaskFailedError');
    expect(error.message).toBe("Activity function 'Pay' failed: declined \n CardError: declined");
    expect(error).toMatchObject({ taskName: 'Pay', taskId: 0 });
    const details = error.failureDetails as FailureDetails;
    expect(details).toMatchObject({
      errorType: 'CardError',
      errorMessage: 'declined',
      message: 'declined',
      isNonRetriable: false,
      innerFailure: { errorType: 'TypeError', errorMessage: 'no card' },
    });
    expect(details.isCausedBy('TypeError')).toBe(true);
    expect(details.isCausedBy('CardError')).toBe(true);
    expect(details.isCausedBy('RangeError')).toBe(false);
    // What is stored of it is a plain failure.
    expect(failureOf(end).innerFailure).toEqual({ errorType: 'CardError', message: 'declined', innerFailure: inner });
  });

  describe('Task.all', () => {
    const all: Body = function* (context: Context): Generator<unknown, Any, Any> {
      const tasks = ['a', 'b', 'c'].map((name) => context.df.callActivity(name));
      return yield context.df.Task.all(tasks);
    };

    it('B43: gives results in the order of the tasks', async () => {
      expect(resultOf(await play(all, completed(2, 'C'), completed(0, 'A'), completed(1, 'B')))).toEqual([
        'A',
        'B',
        'C',
      ]);
    });

    it('B40: fails with the first failure while the others are open', async () => {
      const decision = await play(all, completed(2), failed(1, { message: 'first' }));
      expect(failureOf(decision)).toMatchObject({
        errorType: 'TaskFailedError',
        message: "Activity function 'b' failed: first \n Error: first",
      });
    });

    it('B42: of a task that has failed already fails at once', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const bad = context.df.callActivity('bad');
        const slow = context.df.callActivity('slow');
        try {
          yield bad;
        } catch {
          // It is looked at again below.
          context.df.setCustomStatus('failed once');
        }
        try {
          yield context.df.Task.all([slow, bad]);
        } catch (error) {
          return String(error);
        }
        return 'no error';
      };
      expect(resultOf(await play(body, failed(0, { message: 'x' })))).toContain("Activity function 'bad' failed: x");
    });

    it('completes at once when every task has', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const task = context.df.callActivity('a');
        yield task;
        return yield context.df.Task.all([task, task]);
      };
      expect(resultOf(await play(body, completed(0, 5)))).toEqual([5, 5]);
    });

    it.each([
      ['an empty list', () => [], /Task\.all\(tasks\): the list is empty/],
      ['no list', () => 'x', /Task\.all\(tasks\) received a non-valid input/],
      ['a value that is no task', () => [1], /Task\.all\(tasks\) received a non-valid input: element 0/],
    ])('B44: throws for %s', async (_, list, message) => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        return yield context.df.Task.all(list() as never);
      };
      expect(failureOf(await play(body)).message).toMatch(message);
    });
  });

  describe('Task.any', () => {
    it('B45: gives the task that ended first, to be compared with ===, and does not throw when it failed', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const a = context.df.callActivity('a');
        const b = context.df.callActivity('b');
        const winner: typeof a = yield context.df.Task.any([a, b]);
        return { isB: winner === b, isFaulted: winner.isFaulted, isCompleted: winner.isCompleted };
      };
      expect(resultOf(await play(body, failed(1)))).toEqual({ isB: true, isFaulted: true, isCompleted: true });
    });

    it('B46: a loser can be yielded after it, and is not scheduled again', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const a = context.df.callActivity('a');
        const b = context.df.callActivity('b');
        const winner: typeof a = yield context.df.Task.any([a, b]);
        return [winner.result, yield a];
      };
      expect(resultOf(await play(body, completed(1, 'B'), completed(0, 'A')))).toEqual(['B', 'A']);
    });

    it('B44: throws for an empty list and for no task', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const errors: string[] = [];
        for (const list of [[], undefined, [null]]) {
          try {
            context.df.Task.any(list as never);
          } catch (error) {
            errors.push(String(error));
          }
        }
        return errors;
      };
      expect(resultOf(await play(body))).toEqual([
        expect.stringContaining('Task.any(tasks): the list is empty'),
        expect.stringContaining('Task.any(tasks) received a non-valid input'),
        expect.stringContaining('element 0'),
      ]);
    });

    it('B47: nests with all, and a failure goes through to the outer one', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const { all, any } = context.df.Task;
        const [a, b, c] = ['a', 'b', 'c'].map((name) => context.df.callActivity(name));
        const winner: { result: unknown } = yield any([all([a!, b!]), c!]);
        const results = winner.result;
        try {
          yield all([c!, any([a!])]);
        } catch (error) {
          return { results, error: String(error) };
        }
        return 'no error';
      };
      const decision = await play(body, completed(1, 'B'), completed(0, 'A'), failed(2, { message: 'late' }));
      expect(resultOf(decision)).toEqual({ results: ['A', 'B'], error: expect.stringContaining("'c' failed: late") });
    });
  });

  describe('events', () => {
    it('B72: the first event goes to the newest waiter', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const older = context.df.waitForExternalEvent('Go');
        const newer = context.df.waitForExternalEvent('go');
        const first: typeof older = yield context.df.Task.any([older, newer]);
        return { newest: first === newer, value: first.result, other: yield older };
      };
      expect(resultOf(await play(body, raised('GO', 1), raised('Go', 2)))).toEqual({
        newest: true,
        value: 1,
        other: 2,
      });
    });

    it('B69: takes what came before in order', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        yield context.df.callActivity('a');
        return [yield context.df.waitForExternalEvent('E'), yield context.df.waitForExternalEvent('E')];
      };
      expect(resultOf(await play(body, raised('e', 1), raised('E', 2), completed(0)))).toEqual([1, 2]);
    });

    it('an abandoned wait of a loop of races does not steal the next event', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const seen: unknown[] = [];
        for (let round = 0; round < 3; round += 1) {
          const event = context.df.waitForExternalEvent('Tick');
          const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 1_000));
          const winner: typeof event = yield context.df.Task.any([event, timer]);
          seen.push(winner === event ? event.result : 'timeout');
          if (!timer.isCompleted) timer.cancel();
        }
        return seen;
      };
      expect(resultOf(await play(body, fired(0), raised('Tick', 'x'), raised('Tick', 'y')))).toEqual([
        'timeout',
        'x',
        'y',
      ]);
    });

    it('waiters of ctx.df come before those of ctx, which keep their order', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        const one = context.waitForExternalEvent('E');
        const two = context.df.waitForExternalEvent('E');
        const three = context.waitForExternalEvent('E');
        return yield context.df.Task.all([one, two, three]);
      };
      expect(resultOf(await play(body, raised('E', 1), raised('E', 2), raised('E', 3)))).toEqual([2, 1, 3]);
    });

    it('refuses a name that is none', async () => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        return yield context.df.waitForExternalEvent('');
      };
      expect(failureOf(await play(body))).toMatchObject({ errorType: 'TypeError' });
    });
  });

  describe('retries', () => {
    const calls = (options: unknown): Body =>
      function* (context: Context): Generator<unknown, Any, Any> {
        return yield context.df.callActivityWithRetry('A', options as RetryOptions, 'in');
      };

    it('follow the options', async () => {
      const options = new RetryOptions(1_000, 3);
      options.backoffCoefficient = 2;
      const run = new LiveRun(calls(options));
      expect((await run.start()).actions).toMatchObject([{ name: 'A', input: '"in"' }]);
      expect((await run.turn(failed(0))).actions).toEqual([
        { type: 'CreateTimer', id: 1, fireAt: startTime + 2_000, retryOf: 0 },
      ]);
      expect((await run.turn(fired(1))).actions).toMatchObject([{ id: 2, attempt: 2, firstId: 0 }]);
      expect((await run.turn(failed(2))).actions).toEqual([
        { type: 'CreateTimer', id: 3, fireAt: startTime + 5_000, retryOf: 0 },
      ]);
      await run.turn(fired(3));
      expect(failureOf(await run.turn(failed(4, { message: 'last' }))).message).toContain(
        "Activity function 'A' failed: last",
      );
      await expectSameReplay(run, calls(options));
    });

    it('may wait for days between tries', async () => {
      const run = new LiveRun(calls(new RetryOptions(2 * 86_400_000, 2)));
      await run.start();
      expect((await run.turn(failed(0))).actions).toEqual([
        { type: 'CreateTimer', id: 1, fireAt: startTime + 1_000 + 2 * 86_400_000, retryOf: 0 },
      ]);
    });

    it.each([undefined, null, 'often'])('B58: throw when the options are %j', async (options) => {
      expect(failureOf(await play(calls(options)))).toMatchObject({
        errorType: 'TypeError',
        message: expect.stringContaining('retryOptions are missing'),
      });
    });

    it('B58: RetryOptions refuses what cannot be', () => {
      expect(() => new RetryOptions(0, 1)).toThrow(RangeError);
      expect(() => new RetryOptions(-5, 1)).toThrow(RangeError);
      expect(() => new RetryOptions('5' as never, 1)).toThrow(TypeError);
      expect(() => new RetryOptions(5, undefined as never)).toThrow(TypeError);
      expect({ ...new RetryOptions(5, 2) }).toEqual({ firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 2 });
    });
  });

  it.each([undefined, 5_000, '1s', new Date(Number.NaN), '2026-01-01'])(
    'B65: createTimer(%s) is a TypeError: v3 takes a Date',
    async (when) => {
      const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
        yield context.df.createTimer(when as Date);
      };
      expect(failureOf(await play(body))).toMatchObject({ errorType: 'TypeError' });
    },
  );

  it('B63: cancelling a timer that has fired throws', async () => {
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      const timer = context.df.createTimer(context.df.currentUtcDateTime);
      yield timer;
      timer.cancel();
    };
    expect(failureOf(await play(body, fired(0))).message).toContain('has fired already');
  });

  it('B105: newGuid follows the recipe of v3: by seed, time and counter, and the same in every replay', async () => {
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      const { df } = context;
      const guids = [df.newGuid(df.instanceId), df.newGuid(df.instanceId), df.newGuid('other')];
      yield df.callActivity('a');
      return [...guids, df.newGuid(df.instanceId)];
    };
    const guids = resultOf(await play(body, completed(0)));
    const at = startTime;
    expect(guids).toEqual([
      deterministicGuidV3({ text: 'i1', now: at, counter: 0 }),
      deterministicGuidV3({ text: 'i1', now: at, counter: 1 }),
      deterministicGuidV3({ text: 'other', now: at, counter: 2 }),
      deterministicGuidV3({ text: 'i1', now: at + 1_000, counter: 3 }),
    ]);
    // What durable-functions 3.5.0 makes of it.
    expect(deterministicGuidV3({ text: 'abc', now: 1_767_225_600_000, counter: 0 })).toBe(
      'b6c1cbec-8b4c-57f0-95af-3b91be8a6077',
    );
  });

  it.each([
    ['a value of type number', 5, /yielded a value of type number/],
    ['undefined', undefined, /yielded undefined.*signalEntity, continueAsNew/],
  ])('B48: yielding %s is a violation of the programming constraints', async (_, value, message) => {
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      try {
        yield context.df.callActivity('a');
      } catch {
        yield value;
      }
    };
    const { errorType, message: text } = failureOf(await play(body, failed(0)));
    expect(errorType).toBe('TypeError');
    expect(text).toMatch(/^Programming constraint violation/);
    expect(text).toMatch(message);
  });

  it('context.log is a function too, and silent in a replay', async () => {
    const lines: unknown[] = [];
    const body: Body = function* (context: Context): Generator<unknown, Any, Any> {
      context.log('started', { a: 1 }, 2);
      yield context.df.callActivity('a');
      context.log.warn('ended', { b: 2 });
    };
    const run = new LiveRun(body, { log: (...line) => lines.push(line) });
    await run.start();
    await run.turn(completed(0));
    expect(lines).toEqual([
      ['info', 'started {"a":1} 2', undefined],
      ['warn', 'ended', { b: 2 }],
    ]);
    await expectSameReplay(run, body);
    expect(lines).toHaveLength(2);
  });

  it('works in an async function as well', async () => {
    const body: Body = async ({ df }: Context) => {
      const timer = df.createTimer(new Date(startTime + 60_000));
      const won = await df.Task.any([df.waitForExternalEvent('E'), timer]);
      timer.cancel();
      return [won === timer, await df.Task.all([df.callActivity('a'), df.callActivity('b')])];
    };
    const run = new LiveRun(body);
    expect((await run.start()).actions).toMatchObject([{ type: 'CreateTimer', id: 0 }]);
    await run.turn(raised('E'));
    await run.turn(completed(2, 2));
    expect(resultOf(await run.turn(completed(1, 1)))).toEqual([false, [1, 2]]);
    expect(run.history).toContainEqual(timerCreated(0, startTime + 60_000));
    await expectSameReplay(run, body);
  });
});
