import { describe, expect, it } from 'vitest';
import { activity, orchestration, type ActivityContext } from '../../src/model/functions.ts';
import type { ActivityLimits } from '../../src/model/activity-limits.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

/** Runs until its signal aborts, and says why it did. */
function untilAborted(name: string, reasons: unknown[]) {
  return activity(name, (_input: unknown, { signal }: ActivityContext) => {
    return new Promise<string>((resolve) => {
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason instanceof Error && signal.reason.name);
        resolve('too late');
      });
    });
  });
}

/** Calls an activity with a time-out, says how it failed, and waits for an event. */
const impatient = (timeout: number | string) =>
  orchestration('Impatient', async (ctx) => {
    try {
      return await ctx.callActivity('Slow', 1, { timeout });
    } catch (error) {
      ctx.setCustomStatus(error instanceof Error && 'failureDetails' in error && error.failureDetails);
      return ctx.waitForExternalEvent('Go');
    }
  });

const timeoutFailure = {
  errorType: 'TimeoutError',
  message: expect.stringMatching(/Activity 'Slow' timed out: it had not ended \d+ ms/),
};

inBothModes('the time-out of an activity', ({ open, database }) => {
  const rowsOf = async (table: 'messages' | 'activity_tasks', instanceId: string) =>
    execute(database, `select 1 from ${table} q join instances i on i.key = q.instance_key where i.instance_id = $1`, [
      instanceId,
    ]);

  it('fails the call, and aborts the run where it was scheduled; its late result changes nothing', async () => {
    const reasons: unknown[] = [];
    const hub = await open({ functions: [impatient('100ms'), untilAborted('Slow', reasons)] });
    const id = await hub.client.startNew('Impatient');
    await waitFor(() => reasons.length > 0);
    const status = await waitFor(async () => (await hub.client.getStatus(id))?.customStatus);
    expect(JSON.parse(status)).toMatchObject(timeoutFailure);
    await hub.client.raiseEvent(id, 'Go', 'on');
    expect((await hub.finish(id)).output).toBe('on');
    expect(reasons).toEqual(['TimeoutError']);
    const history = await historyOf(hub, id);
    expect(eventsOf(history, 'TaskFailed')).toMatchObject([{ taskScheduledId: 0, timedOut: true }]);
    expect(eventsOf(history, 'TaskCompleted')).toEqual([]);
  });

  it('aborts a run that another worker has claimed', async () => {
    const taskHub = freshName();
    const reasons: unknown[] = [];
    const hub = await open({ taskHub, functions: [impatient('3s')] });
    await open({ taskHub, functions: [untilAborted('Slow', reasons)] });
    const id = await hub.client.startNew('Impatient');
    const status = await waitFor(async () => (await hub.client.getStatus(id))?.customStatus);
    expect(JSON.parse(status)).toMatchObject(timeoutFailure);
    await waitFor(() => reasons.length > 0);
    expect(await rowsOf('activity_tasks', id)).toEqual([]);
    await hub.client.raiseEvent(id, 'Go', 'on');
    expect((await hub.finish(id)).output).toBe('on');
  });

  it('takes the call from the queue when no worker has begun it', async () => {
    const hub = await open({ functions: [impatient(100)] });
    const id = await hub.client.startNew('Impatient');
    const status = await waitFor(async () => (await hub.client.getStatus(id))?.customStatus);
    expect(JSON.parse(status)).toMatchObject(timeoutFailure);
    expect(await rowsOf('activity_tasks', id)).toEqual([]);
  });

  it('is no matter for a call that ends in time, and nothing of it is left', async () => {
    const waits = orchestration('Waits', async (ctx) => {
      const result: unknown = await ctx.callActivity('Quick', 1, { timeout: '1h' });
      ctx.setCustomStatus(result);
      return ctx.waitForExternalEvent('Go');
    });
    const hub = await open({ functions: [waits, activity('Quick', (n: number) => n + 1)] });
    const id = await hub.client.startNew(waits);
    expect(await waitFor(async () => (await hub.client.getStatus(id))?.customStatus)).toBe('2');
    expect(await rowsOf('messages', id)).toEqual([]);
  });

  it('counts as a failed try for a retry policy', async () => {
    const attempts: number[] = [];
    const slowAtFirst = activity('SlowAtFirst', async (_input: unknown, { attempt, signal }: ActivityContext) => {
      attempts.push(attempt);
      if (attempt < 3) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return `attempt ${attempt}`;
    });
    const tries = orchestration('Tries', (ctx) =>
      ctx.callActivity(slowAtFirst, null, {
        timeout: 100,
        retry: { firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 5 },
      }),
    );
    const hub = await open({ functions: [tries, slowAtFirst] });
    expect((await hub.run(tries)).output).toBe('attempt 3');
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('of a call that still waits for a slot means that it never begins', async () => {
    const ran: string[] = [];
    const release = gate();
    const holds = activity('Holds', () => release.passed);
    const slow = activity('Slow', () => void ran.push('slow'));
    const both = orchestration('Both', async (ctx) => {
      const held = ctx.callActivity(holds);
      const waiting = ctx.callActivity(slow, undefined, { timeout: 100 });
      const outcome = await waiting.then(
        () => 'ran',
        (error: unknown) => String(error),
      );
      ctx.setCustomStatus('timed out');
      await held;
      return outcome;
    });
    const hub = await open({ functions: [both, holds, slow], maxActivities: 1 });
    const id = await hub.client.startNew(both);
    await waitFor(async () => (await hub.client.getStatus(id))?.customStatus);
    release.open();
    expect((await hub.finish(id)).output).toMatch(/Activity 'Slow' timed out/);
    await hub.stop();
    expect(ran).toEqual([]);
  });

  it.each([
    ['RangeError', 0],
    ['TypeError', 'soon'],
    ['TypeError', -1],
  ])('that cannot be is a %s at the call: %j', async (errorType, timeout) => {
    const hub = await open({ functions: [orchestration('Odd', (ctx) => ctx.callActivity('A', 1, { timeout }))] });
    expect(await hub.run('Odd')).toMatchObject({ runtimeStatus: 'Failed', failure: { errorType } });
  });
});

inBothModes('the signal of an activity', ({ open, database }) => {
  it.each(['locally', 'from the queue'])(
    'that throws when the process stops has not failed: it runs again (%s)',
    async (how) => {
      const taskHub = freshName();
      const runs: number[] = [];
      const obedient = activity(
        'Obedient',
        how === 'locally' ? {} : { maxConcurrentPerHub: 1 },
        async (_input: unknown, { signal, redelivery }: ActivityContext) => {
          runs.push(redelivery);
          if (runs.length > 1) return 'done';
          return new Promise<string>((_, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason as Error)),
          );
        },
      );
      const body = orchestration('Body', (ctx) => ctx.callActivity(obedient, 1));
      const first = await open({ functions: [body, obedient], taskHub, stopGraceMs: 50 });
      const id = await first.client.startNew(body);
      await waitFor(() => runs.length === 1);
      await first.stop();
      const second = await open({ functions: [body, obedient], taskHub });
      expect((await second.finish(id)).output).toBe('done');
      expect(runs).toHaveLength(2);
    },
  );

  it.each(['here', 'in another worker'])('F46 aborts when its orchestration is terminated, %s', async (where) => {
    const taskHub = freshName();
    const reasons: unknown[] = [];
    const slow = untilAborted('Slow', reasons);
    const began = gate();
    const marked = activity('Slow', (input: unknown, context: ActivityContext) => {
      began.open();
      return slow.run(input, context);
    });
    const calls = orchestration('Calls', (ctx) => ctx.callActivity('Slow'));
    const hub = await open({ taskHub, functions: where === 'here' ? [calls, marked] : [calls] });
    if (where !== 'here') await open({ taskHub, functions: [marked] });
    const id = await hub.client.startNew(calls);
    await began.passed;
    await hub.client.terminate(id, 'enough');
    await waitFor(() => reasons.length > 0);
    expect(reasons).toEqual(['AbortError']);
    expect((await hub.finish(id)).runtimeStatus).toBe('Terminated');
    // Its result is dropped, and so is its row.
    expect(eventsOf(await historyOf(hub, id), 'TaskCompleted')).toEqual([]);
    expect(eventsOf(await historyOf(hub, id), 'TaskFailed')).toEqual([]);
    await waitFor(async () => (await execute(database, 'select from activity_tasks')).length === 0, {
      what: 'the row of the activity to be gone',
    });
  });

  it('F70 aborts when the hub stops', async () => {
    const reasons: unknown[] = [];
    const began = gate();
    const slow = untilAborted('Slow', reasons);
    const marked = activity('Slow', (input: unknown, context: ActivityContext) => {
      began.open();
      return slow.run(input, context);
    });
    const hub = await open({
      functions: [orchestration('Calls', (ctx) => ctx.callActivity('Slow')), marked],
      stopGraceMs: 50,
    });
    await hub.client.startNew('Calls');
    await began.passed;
    await hub.stop();
    expect(reasons).toEqual(['AbortError']);
  });
});

/** An activity that knows how many of it run at the same time. */
function measured(name: string, limits: ActivityLimits) {
  let running = 0;
  const seen = { most: 0, runs: 0 };
  const definition = activity(name, limits, async (n: number) => {
    running += 1;
    seen.runs += 1;
    seen.most = Math.max(seen.most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    return n;
  });
  return { definition, seen };
}

const numbers = Array.from({ length: 24 }, (_, n) => n);

inBothModes('limits of an activity', ({ open }) => {
  const fanOut = (...names: readonly string[]) =>
    orchestration('FanOut', (ctx) =>
      Promise.all(names.flatMap((name) => numbers.map((n) => ctx.callActivity(name, n)))),
    );

  it('maxConcurrentPerWorker: no more run here at the same time, and others are not held up', async () => {
    const few = measured('Few', { maxConcurrentPerWorker: 2 });
    const many = measured('Many', {});
    const hub = await open({ functions: [fanOut('Few', 'Many'), few.definition, many.definition] });
    expect((await hub.run('FanOut')).output).toEqual([...numbers, ...numbers]);
    expect(few.seen).toEqual({ most: 2, runs: numbers.length });
    expect(many.seen.most).toBeGreaterThan(2);
  });

  it('maxConcurrentPerHub: no more run at the same time in all workers together', async () => {
    const taskHub = freshName();
    const scarce = measured('Scarce', { maxConcurrentPerHub: 3 });
    const hub = await open({ taskHub, functions: [fanOut('scarce'), scarce.definition] });
    await open({ taskHub, functions: [scarce.definition] });
    await open({ taskHub, functions: [scarce.definition] });
    expect((await hub.run('FanOut')).output).toEqual(numbers);
    expect(scarce.seen).toEqual({ most: 3, runs: numbers.length });
  });

  it('both limits hold together, also for one at a time', async () => {
    const single = measured('Single', { maxConcurrentPerHub: 4, maxConcurrentPerWorker: 1 });
    const hub = await open({ functions: [fanOut('Single'), single.definition] });
    expect((await hub.run('FanOut')).output).toEqual(numbers);
    expect(single.seen).toEqual({ most: 1, runs: numbers.length });
  });
});

describe('limits that cannot be', () => {
  it.each([0, -1, 1.5, Number.NaN, '3'])('%j is a TypeError where the activity is defined', (limit) => {
    for (const key of ['maxConcurrentPerWorker', 'maxConcurrentPerHub']) {
      expect(() => activity('A', { [key]: limit }, () => 1)).toThrow(
        new RegExp(`activity\\('A', …\\): ${key} must be`),
      );
    }
  });
});
