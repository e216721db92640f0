import { describe, expect, it } from 'vitest';
import { checkRetryPolicy, retryDelay } from '../../src/core/replay/retry.ts';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import type { RetryContext, RetryHandler, RetryPolicy } from '../../src/model/call-options.ts';
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
  type Body,
} from './support.ts';

const policy: RetryPolicy = { firstRetryIntervalInMilliseconds: 1_000, maxNumberOfAttempts: 3 };

const calls =
  (retry: RetryPolicy | RetryHandler): Body =>
  async (ctx: OrchestrationContext) =>
    ctx.callActivity('A', 'in', { retry, version: '2' });

describe('a call with a retry policy', () => {
  it('tries again under a new id after a durable timer, and says which attempt it is', async () => {
    const run = new LiveRun(calls({ ...policy, backoffCoefficient: 2 }));
    expect((await run.start()).actions).toEqual([
      { type: 'ScheduleTask', id: 0, name: 'A', input: '"in"', version: '2' },
    ]);
    expect((await run.turn(failed(0))).actions).toEqual([
      { type: 'CreateTimer', id: 1, fireAt: startTime + 1_000 + 1_000, retryOf: 0 },
    ]);
    expect((await run.turn(fired(1))).actions).toEqual([
      { type: 'ScheduleTask', id: 2, name: 'A', input: '"in"', version: '2', attempt: 2, firstId: 0 },
    ]);
    expect((await run.turn(failed(2))).actions).toEqual([
      { type: 'CreateTimer', id: 3, fireAt: startTime + 3_000 + 2_000, retryOf: 0 },
    ]);
    expect((await run.turn(fired(3))).actions).toEqual([
      { type: 'ScheduleTask', id: 4, name: 'A', input: '"in"', version: '2', attempt: 3, firstId: 0 },
    ]);
    expect(resultOf(await run.turn(completed(4, 'at last')))).toBe('at last');
  });

  it('ends with the last failure, without a timer after it', async () => {
    const body = calls({ ...policy, maxNumberOfAttempts: 2 });
    const decision = await play(body, failed(0, { message: 'one' }), fired(1), failed(2, { message: 'two' }));
    expect(decision.actions).toHaveLength(1);
    expect(failureOf(decision)).toMatchObject({
      message: "Activity 'A' (#2) failed: two",
      innerFailure: { message: 'two' },
    });
  });

  it('tries once when one attempt is allowed', async () => {
    expect(failureOf(await play(calls({ ...policy, maxNumberOfAttempts: 1 }), failed(0))).message).toContain('#0');
  });

  it('stops at a failure that is marked non-retriable', async () => {
    const decision = await play(calls(policy), failed(0, { errorType: 'ActivityNotRegistered', isNonRetriable: true }));
    expect(failureOf(decision).innerFailure).toMatchObject({ errorType: 'ActivityNotRegistered' });
  });

  it('asks handleFailure with the failure', async () => {
    const seen: string[] = [];
    const body = calls({
      ...policy,
      handleFailure: (failure) => {
        seen.push(failure.message);
        return failure.message !== 'fatal';
      },
    });
    const run = new LiveRun(body);
    await run.start();
    await run.turn(failed(0, { message: 'fleeting' }));
    await run.turn(fired(1));
    expect(failureOf(await run.turn(failed(2, { message: 'fatal' }))).message).toContain('fatal');
    expect(seen).toEqual(['fleeting', 'fatal']);
  });

  it('stops by the time of the turns', async () => {
    const body = calls({ ...policy, maxNumberOfAttempts: 99, retryTimeoutInMilliseconds: 4_000 });
    // Turns are a second apart: failures at 1 s, 3 s; the next delay would end at 4 s, just in time.
    const run = new LiveRun(body);
    await run.start();
    await run.turn(failed(0));
    await run.turn(fired(1));
    await run.turn(failed(2));
    await run.turn(fired(3));
    expect(failureOf(await run.turn(failed(4))).message).toContain('#4');
  });

  it('is awaited by all and any like any other', async () => {
    const body: Body = async (ctx: OrchestrationContext) =>
      ctx.all([ctx.callActivity('A', 1, { retry: policy }), ctx.callActivity('B')]);
    expect(resultOf(await play(body, failed(0), completed(1, 'b'), fired(2), completed(3, 'a')))).toEqual(['a', 'b']);
  });
});

describe('the delay before the next attempt', () => {
  const failure = { errorType: 'Error', message: 'boom' };
  const delay = (more: Partial<RetryPolicy>, attempt = 1, now = 0): number | undefined =>
    retryDelay({ ...policy, maxNumberOfAttempts: 10, ...more }, { attempt, failure, firstAt: 0, now });

  it('grows by the coefficient from the first interval on', () => {
    expect([1, 2, 3, 4].map((attempt) => delay({ backoffCoefficient: 3 }, attempt))).toEqual([
      1_000, 3_000, 9_000, 27_000,
    ]);
    expect(delay({}, 5)).toBe(1_000);
    expect(delay({ backoffCoefficient: 1.1 }, 3)).toBe(1_210);
  });

  it('is capped: by an hour, by what is given, or not at all', () => {
    expect(delay({ backoffCoefficient: 1_000 }, 9)).toBe(3_600_000);
    expect(delay({ backoffCoefficient: 2, maxRetryIntervalInMilliseconds: 1_500 }, 3)).toBe(1_500);
    expect(delay({ backoffCoefficient: 10, maxRetryIntervalInMilliseconds: -1 }, 6)).toBe(100_000_000);
  });

  it('ends when the time is up, or would be', () => {
    expect(delay({ retryTimeoutInMilliseconds: 5_000 }, 1, 4_000)).toBe(1_000);
    expect(delay({ retryTimeoutInMilliseconds: 5_000 }, 1, 4_001)).toBeUndefined();
    expect(delay({ retryTimeoutInMilliseconds: 5_000 }, 1, 5_000)).toBeUndefined();
    expect(delay({ retryTimeoutInMilliseconds: -1 }, 1, 1e12)).toBe(1_000);
  });

  it('ends when handleFailure throws', () => {
    const handleFailure = (): boolean => {
      throw new Error('bug');
    };
    expect(delay({ handleFailure })).toBeUndefined();
  });

  it('that has no end is a timer at the end of time', async () => {
    const endless = { ...policy, maxNumberOfAttempts: Number.POSITIVE_INFINITY, backoffCoefficient: 1e300 };
    const run = new LiveRun(calls({ ...endless, maxRetryIntervalInMilliseconds: -1 }));
    await run.start();
    await run.turn(failed(0));
    await run.turn(fired(1));
    expect((await run.turn(failed(2))).actions).toEqual([{ type: 'CreateTimer', id: 3, fireAt: 8.64e15, retryOf: 0 }]);
  });
});

describe('a retry policy is checked at the call', () => {
  it.each<[string, object, string]>([
    ['no first interval', { maxNumberOfAttempts: 1 }, 'TypeError'],
    ['an interval of text', { ...policy, firstRetryIntervalInMilliseconds: '5' }, 'TypeError'],
    ['an interval that is no number', { ...policy, firstRetryIntervalInMilliseconds: Number.NaN }, 'TypeError'],
    ['an interval of 0', { ...policy, firstRetryIntervalInMilliseconds: 0 }, 'RangeError'],
    ['no attempts', { ...policy, maxNumberOfAttempts: 0 }, 'RangeError'],
    ['a coefficient below 1', { ...policy, backoffCoefficient: 0.5 }, 'RangeError'],
    ['a longest interval of 0', { ...policy, maxRetryIntervalInMilliseconds: 0 }, 'RangeError'],
    ['a time-out of -2', { ...policy, retryTimeoutInMilliseconds: -2 }, 'RangeError'],
    ['a handler that is no function', { ...policy, handleFailure: true }, 'TypeError'],
  ])('%s', async (_what, bad, errorType) => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const loose: { callActivity(name: string, input: unknown, options: unknown): unknown } = ctx;
      return loose.callActivity('A', undefined, { retry: bad });
    };
    const decision = await new LiveRun(body).start();
    expect(decision.actions).toHaveLength(1);
    expect(failureOf(decision)).toMatchObject({ errorType, message: expect.stringContaining('retry.') });
  });

  it('null', () => {
    const loose: (policy: never) => unknown = checkRetryPolicy;
    expect(() => loose(null as never)).toThrow(TypeError);
  });

  it('-1 means no limit', () => {
    const unlimited = { ...policy, maxRetryIntervalInMilliseconds: -1, retryTimeoutInMilliseconds: -1 };
    expect(checkRetryPolicy(unlimited)).toBe(unlimited);
  });
});

describe('B55: a retry handler', () => {
  it.each([
    ['true', true],
    ['0', 0],
    ['a promise of true', Promise.resolve(true)],
  ])('%s: the next try is made at once', async (_, answer) => {
    const run = new LiveRun(calls(() => answer));
    await run.start();
    expect((await run.turn(failed(0))).actions).toEqual([
      { type: 'ScheduleTask', id: 1, name: 'A', input: '"in"', version: '2', attempt: 2, firstId: 0 },
    ]);
    expect(resultOf(await run.turn(completed(1, 'ok')))).toBe('ok');
    await expectSameReplay(
      run,
      calls(() => answer),
    );
  });

  it.each([
    ['a number', 250],
    ['a promise of a number', Promise.resolve(250)],
  ])('%s: the next try is made after so many milliseconds', async (_, answer) => {
    const run = new LiveRun(calls(() => answer));
    await run.start();
    expect((await run.turn(failed(0))).actions).toEqual([
      { type: 'CreateTimer', id: 1, fireAt: startTime + 1_000 + 250, retryOf: 0 },
    ]);
    expect((await run.turn(fired(1))).actions).toMatchObject([{ type: 'ScheduleTask', id: 2, attempt: 2, firstId: 0 }]);
  });

  it.each([
    ['false', () => false],
    ['undefined', () => undefined],
    ['null', () => null],
    ['a promise of false', async () => false],
    [
      'throwing',
      () => {
        throw new Error('cannot tell');
      },
    ],
    ['rejecting', () => Promise.reject(new Error('cannot tell'))],
    ['nonsense', () => 'often' as never],
    ['a negative number', () => -1],
    ['not a number', () => Number.NaN],
  ])('%s: there is no other try, and the call fails as it did', async (_, handler) => {
    expect(failureOf(await play(calls(handler), failed(0, { message: 'why' })))).toMatchObject({
      errorType: 'TaskFailedError',
      innerFailure: { message: 'why' },
    });
  });

  it('is told which try failed, why, and for how long it has been tried', async () => {
    const asked: Omit<RetryContext, 'orchestrationContext'>[] = [];
    const run = new LiveRun(
      calls(({ orchestrationContext, ...rest }) => {
        asked.push(rest);
        return orchestrationContext.instanceId === 'i1';
      }),
    );
    await run.start();
    await run.turn(failed(0, { message: 'one' }));
    await run.turn(failed(1, { message: 'two' }));
    expect(asked).toEqual([
      {
        lastAttemptNumber: 1,
        lastFailure: { errorType: 'Error', message: 'one' },
        totalRetryTimeInMilliseconds: 1_000,
      },
      {
        lastAttemptNumber: 2,
        lastFailure: { errorType: 'Error', message: 'two' },
        totalRetryTimeInMilliseconds: 2_000,
      },
    ]);
  });

  it('is not asked about a failure that must not be tried again', async () => {
    const body = calls(() => true);
    expect(failureOf(await play(body, failed(0, { isNonRetriable: true })))).toMatchObject({
      innerFailure: { isNonRetriable: true },
    });
  });

  it('may wait for tasks of the context', async () => {
    const body = calls(async ({ orchestrationContext: ctx }) => (await ctx.waitForExternalEvent('Again')) === true);
    const run = new LiveRun(body);
    await run.start();
    expect((await run.turn(failed(0))).actions).toEqual([]);
    expect((await run.turn(raised('Again', true))).actions).toMatchObject([
      { type: 'ScheduleTask', id: 1, attempt: 2 },
    ]);
    await run.turn(failed(1));
    expect(failureOf(await run.turn(raised('Again', false)))).toMatchObject({ errorType: 'TaskFailedError' });
    await expectSameReplay(run, body);
  });

  it('that waits for something else fails the instance', async () => {
    const body = calls(() => new Promise(() => undefined));
    expect(failureOf(await play(body, failed(0)))).toMatchObject({ errorType: 'NonDurableAwaitError' });
  });

  it('says so in the log when it throws', async () => {
    const lines: unknown[] = [];
    const body = calls(() => {
      throw new Error('cannot tell');
    });
    const run = new LiveRun(body, { log: (level, message) => lines.push([level, message]) });
    await run.start();
    await run.turn(failed(0));
    expect(lines).toEqual([['warn', "The retry handler of activity 'A' failed; the call is not tried again."]]);
  });
});
