import { expect, it } from 'vitest';
import { activity, orchestration, type ActivityContext } from '../../src/model/functions.ts';
import type { RetryPolicy } from '../../src/model/call-options.ts';
import { TaskFailedError } from '../../src/core/replay/task-failed-error.ts';
import { NonRetriableError } from '../../src/model/failure.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { inBothModes, type TestHub, type TestHubs } from '../support/task-hubs.ts';

type Attempt = Pick<ActivityContext, 'attempt' | 'taskId' | 'redelivery'>;

/** Calls an activity that fails until an attempt, and remembers its attempts. */
async function openFlaky(
  open: TestHubs['open'],
  { succeedsAt, retry }: { readonly succeedsAt: number; readonly retry: RetryPolicy },
): Promise<{ readonly hub: TestHub; readonly attempts: readonly Attempt[] }> {
  const attempts: Attempt[] = [];
  const flaky = activity('Flaky', (_input: unknown, { attempt, taskId, redelivery }) => {
    attempts.push({ attempt, taskId, redelivery });
    if (attempt < succeedsAt) throw new Error(`attempt ${attempt}`);
    return attempt;
  });
  const calls = orchestration('Calls', (ctx) => ctx.callActivity(flaky, null, { retry }));
  return { hub: await open({ functions: [calls, flaky] }), attempts };
}

const never = Number.POSITIVE_INFINITY;
const quick = { firstRetryIntervalInMilliseconds: 5 };

/** The waits between attempts, as history has them. */
async function waits(hub: TestHub, instanceId: string): Promise<readonly number[]> {
  return eventsOf(await historyOf(hub, instanceId), 'TimerCreated').map((timer) => timer.fireAt - timer.timestamp);
}

inBothModes('retries', ({ open }) => {
  it.each([1, 2, 10])('B49: maxNumberOfAttempts %i runs a failing activity exactly so often, then fails', async (n) => {
    const { hub, attempts } = await openFlaky(open, {
      succeedsAt: never,
      retry: { ...quick, maxNumberOfAttempts: n },
    });
    const ended = await hub.run('Calls');
    expect(ended).toMatchObject({ runtimeStatus: 'Failed', failure: { innerFailure: { message: `attempt ${n}` } } });
    expect(attempts.map(({ attempt }) => attempt)).toEqual(Array.from({ length: n }, (_, i) => i + 1));
    expect(new Set(attempts.map(({ taskId }) => taskId)).size).toBe(1);
    expect(attempts.every(({ redelivery }) => redelivery === 0)).toBe(true);
  });

  it('B50: succeeds on a later attempt', async () => {
    const { hub, attempts } = await openFlaky(open, { succeedsAt: 3, retry: { ...quick, maxNumberOfAttempts: 5 } });
    expect((await hub.run('Calls')).output).toBe(3);
    expect(attempts).toHaveLength(3);
  });

  it.each([
    { title: 'B51: grow by the coefficient', retry: { backoffCoefficient: 2 }, expected: [20, 40, 80] },
    { title: 'B51: are all the same without one', retry: {}, expected: [20, 20, 20] },
    {
      title: 'B52: are capped by the longest interval',
      retry: { backoffCoefficient: 3, maxRetryIntervalInMilliseconds: 50 },
      expected: [20, 50, 50],
    },
    {
      title: 'B52: are not capped when the longest interval is -1',
      retry: { backoffCoefficient: 3, maxRetryIntervalInMilliseconds: -1 },
      expected: [20, 60, 180],
    },
  ])('delays $title', async ({ retry, expected }) => {
    const { hub } = await openFlaky(open, {
      succeedsAt: never,
      retry: { firstRetryIntervalInMilliseconds: 20, maxNumberOfAttempts: 4, ...retry },
    });
    const ended = await hub.run('Calls');
    expect(await waits(hub, ended.instanceId)).toEqual(expected);
    // B57
    const total = expected.reduce((sum, ms) => sum + ms, 0);
    expect(ended.lastUpdatedAt.getTime() - ended.createdAt.getTime()).toBeGreaterThanOrEqual(total);
  });

  it('B53: the retry timeout stops before the attempts are used up', async () => {
    const { hub, attempts } = await openFlaky(open, {
      succeedsAt: never,
      retry: {
        firstRetryIntervalInMilliseconds: 100,
        backoffCoefficient: 10,
        maxNumberOfAttempts: 100,
        retryTimeoutInMilliseconds: 900,
      },
    });
    expect((await hub.run('Calls')).runtimeStatus).toBe('Failed');
    expect(attempts).toHaveLength(2);
  });

  it.each([
    ['says no', () => false],
    [
      'throws',
      () => {
        throw new Error('cannot tell');
      },
    ],
  ])('B54: one attempt when handleFailure %s', async (_, handleFailure) => {
    const { hub, attempts } = await openFlaky(open, {
      succeedsAt: 2,
      retry: { ...quick, maxNumberOfAttempts: 5, handleFailure },
    });
    expect(await hub.run('Calls')).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { innerFailure: { message: 'attempt 1' } },
    });
    expect(attempts).toHaveLength(1);
  });

  it('B54: handleFailure sees the failure of each attempt', async () => {
    const { hub, attempts } = await openFlaky(open, {
      succeedsAt: never,
      retry: { ...quick, maxNumberOfAttempts: 9, handleFailure: (failure) => failure.message !== 'attempt 3' },
    });
    await hub.run('Calls');
    expect(attempts).toHaveLength(3);
  });

  it.each([
    ['RangeError', { firstRetryIntervalInMilliseconds: 0, maxNumberOfAttempts: 2 }],
    ['RangeError', { firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 0 }],
    ['RangeError', { firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 2, backoffCoefficient: 0.5 }],
    ['TypeError', { firstRetryIntervalInMilliseconds: Number.NaN, maxNumberOfAttempts: 2 }],
  ])('B58: a policy that cannot be is a %s at the call: %j', async (errorType, retry) => {
    const { hub, attempts } = await openFlaky(open, { succeedsAt: never, retry });
    expect(await hub.run('Calls')).toMatchObject({ runtimeStatus: 'Failed', failure: { errorType } });
    expect(attempts).toEqual([]);
  });

  it('B55: a handler decides: a delay, at once, no more', async () => {
    const answers = [5, true, Promise.resolve(3), false];
    const runs: number[] = [];
    const flaky = activity('Flaky', (_input: unknown, { attempt }) => {
      runs.push(attempt);
      throw new Error(`attempt ${attempt}`);
    });
    const calls = orchestration('Calls', (ctx) =>
      ctx.callActivity(flaky, null, { retry: ({ lastAttemptNumber }) => answers[lastAttemptNumber - 1] }),
    );
    const hub = await open({ functions: [calls, flaky] });
    const ended = await hub.run(calls);
    expect(ended).toMatchObject({ runtimeStatus: 'Failed', failure: { innerFailure: { message: 'attempt 4' } } });
    expect(runs).toEqual([1, 2, 3, 4]);
    expect(await waits(hub, ended.instanceId)).toEqual([5, 3]);
  });

  it.each([
    ['a NonRetriableError', () => new NonRetriableError('final')],
    ['any error that is marked so', () => Object.assign(new Error('final'), { isNonRetriable: true })],
  ])('%s is not tried again', async (_, make) => {
    let runs = 0;
    const flaky = activity('Flaky', () => {
      runs += 1;
      throw make();
    });
    const calls = orchestration('Calls', (ctx) =>
      ctx.callActivity(flaky, null, { retry: { ...quick, maxNumberOfAttempts: 5 } }),
    );
    const hub = await open({ functions: [calls, flaky] });
    expect(await hub.run(calls)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { innerFailure: { message: 'final', isNonRetriable: true } },
    });
    expect(runs).toBe(1);
  });

  it('B37: causes and custom properties reach the orchestrator and the status', async () => {
    const seen: unknown[] = [];
    const pay = activity('Pay', () => {
      const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      throw Object.assign(new Error('no bank', { cause }), { properties: { bank: { id: 7 } }, status: 503 });
    });
    const calls = orchestration('Calls', async (ctx) => {
      try {
        await ctx.callActivity(pay);
      } catch (error) {
        if (!ctx.isReplaying) seen.push(error instanceof TaskFailedError && error.failureDetails);
        throw error;
      }
    });
    const hub = await open({ functions: [calls, pay] });
    const details = {
      errorType: 'Error',
      message: 'no bank',
      properties: { bank: { id: 7 }, status: 503 },
      innerFailure: { message: 'refused', properties: { code: 'ECONNREFUSED' } },
    };
    expect((await hub.run(calls)).failure).toMatchObject({ innerFailure: details });
    expect(seen).toMatchObject([details]);
  });
});
