import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { historyOf, typesOf } from '../support/history.ts';

const echo = activity('Echo', (input: unknown) => input);
const relay = orchestration('Relay', async (ctx, input: unknown) => {
  const result = await ctx.callActivity(echo, input);
  // A second turn, so that the result has been stored and read again in both modes.
  await ctx.callActivity(echo);
  return result;
});

inBothModes('activities', ({ open }) => {
  it('B25: a result comes back, and history has one TaskScheduled and one TaskCompleted', async () => {
    const hub = await open({
      functions: [orchestration('One', (ctx) => ctx.callActivity('Echo', { a: [1] })), echo],
    });
    const ended = await hub.run('One');
    expect(ended.output).toEqual({ a: [1] });
    expect(typesOf(await historyOf(hub, ended.instanceId))).toEqual([
      'OrchestratorStarted',
      'ExecutionStarted',
      'TaskScheduled',
      'OrchestratorStarted',
      'TaskCompleted',
      'ExecutionCompleted',
    ]);
  });

  it('B26: a chain of ten runs in order, each exactly once', async () => {
    const seen: number[] = [];
    const step = activity('Step', (n: number) => {
      seen.push(n);
      return n + 1;
    });
    const chain = orchestration('Chain', async (ctx) => {
      let n = 0;
      for (let i = 0; i < 10; i += 1) n = await ctx.callActivity(step, n);
      return n;
    });
    const hub = await open({ functions: [chain, step] });
    expect((await hub.run(chain)).output).toBe(10);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('B27: a fan-out runs at the same time and returns results in the order of the calls', async () => {
    const width = 50;
    const all = gate();
    let arrived = 0;
    // Nobody leaves before everybody has come: this ends only if all run at once.
    const meet = activity('Meet', async (n: number) => {
      arrived += 1;
      if (arrived === width) all.open();
      await all.passed;
      return n * n;
    });
    const fanOut = orchestration('FanOut', (ctx) =>
      Promise.all(Array.from({ length: width }, (_, n) => ctx.callActivity(meet, n))),
    );
    const hub = await open({ functions: [fanOut, meet] });
    expect((await hub.run(fanOut)).output).toEqual(Array.from({ length: width }, (_, n) => n * n));
  });

  it.each([
    { width: 10_000, slots: 1_000 },
    { width: 300, slots: 2 },
  ])('B27: a fan-out of $width runs through $slots slots, each once and in order', async ({ width, slots }) => {
    let runs = 0;
    const counted = activity('Counted', (n: number) => {
      runs += 1;
      return n;
    });
    const numbers = Array.from({ length: width }, (_, n) => n);
    const fanOut = orchestration('FanOut', (ctx) => Promise.all(numbers.map((n) => ctx.callActivity(counted, n))));
    const hub = await open({ functions: [fanOut, counted], maxActivities: slots });
    expect((await hub.run(fanOut)).output).toEqual(numbers);
    expect(runs).toBe(width);
  });

  it('more actions in one turn than are allowed fail the instance, and none of them is done', async () => {
    let runs = 0;
    const counted = activity('Counted', () => void (runs += 1));
    const greedy = orchestration('Greedy', async (ctx) => {
      for (let n = 0; n <= 100_000; n += 1) void ctx.callActivity(counted);
      await ctx.waitForExternalEvent('Go');
    });
    const hub = await open({ functions: [greedy, counted] });
    expect(await hub.run(greedy)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'ActionLimitExceeded', message: expect.stringContaining('100001') },
    });
    await hub.stop();
    expect(runs).toBe(0);
  });

  it.each([0, '', false, null, [], {}, [null], 'null', '0', -0.5, 1e21])(
    'B28: %j goes through input, activity and output unchanged',
    async (value) => {
      const hub = await open({ functions: [relay, echo] });
      const ended = await hub.run(relay, { input: value });
      expect(ended.input).toBe(JSON.stringify(value));
      expect(ended.output).toEqual(value);
    },
  );

  it('B29: what was not given is undefined, as input and as result', async () => {
    const seen: unknown[] = [];
    const look = activity<unknown>('Look', (input: unknown) => void seen.push(input));
    const nothing = orchestration('Nothing', async (ctx, input: unknown) => {
      seen.push(input);
      const result: unknown = await ctx.callActivity(look);
      return { result: typeof result };
    });
    const hub = await open({ functions: [nothing, look, orchestration('Silent', () => undefined)] });
    const ended = await hub.run(nothing);
    expect(ended.input).toBeNull();
    expect(ended.output).toEqual({ result: 'undefined' });
    expect(new Set(seen)).toEqual(new Set([undefined]));
    expect((await hub.run('Silent')).output).toBeUndefined();
  });

  it('B31: an activity that nobody awaits runs all the same', async () => {
    const ran = gate();
    const forgotten = activity('Forgotten', () => ran.open());
    const careless = orchestration('Careless', async (ctx) => {
      void ctx.callActivity(forgotten);
      await ctx.waitForExternalEvent('Go');
    });
    const hub = await open({ functions: [careless, forgotten] });
    const id = await hub.client.startNew(careless);
    await ran.passed;
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).runtimeStatus).toBe('Completed');
  });

  it('B32: hundreds of kilobytes survive in input, activity, event and output', async () => {
    const large = { text: 'x'.repeat(300_000), list: Array.from({ length: 20_000 }, (_, n) => n) };
    const carry = orchestration('Carry', async (ctx, input: unknown) => [
      await ctx.callActivity(echo, input),
      await ctx.waitForExternalEvent('Go'),
    ]);
    const hub = await open({ functions: [carry, echo] });
    const id = await hub.client.startNew(carry, { input: large });
    await hub.client.raiseEvent(id, 'Go', large);
    expect((await hub.finish(id)).output).toEqual([large, large]);
  });

  it.each([
    ['letters of many scripts', 'Grüße, 你好, 🛒👩‍👩‍👧, \u202eright to left'],
    ['U+0000 and control characters', 'a\u0000b\u0001\u001f\u007f'],
    ['line separators', '\u2028\u2029\r\n'],
    ['half a character', 'a\ud83d b'],
    ['quotes and backslashes', '"\\"\'$1 \\u0000 %s'],
  ])('B33: %s survive', async (_, text) => {
    const hub = await open({ functions: [relay, echo] });
    expect((await hub.run(relay, { input: { [text]: text } })).output).toEqual({ [text]: text });
  });

  it('F37 B34: an activity longer than the lease runs once, where it was scheduled and from the queue', async () => {
    const taskHub = freshName();
    const runs: string[] = [];
    const long = (name: string) =>
      activity(name, async () => {
        runs.push(name);
        await new Promise((resolve) => setTimeout(resolve, 1_500));
      });
    const both = orchestration('Both', (ctx) => Promise.all([ctx.callActivity('Here'), ctx.callActivity('There')]));
    const short = { taskHub, leaseMs: 500, pollMs: 100 };
    const hub = await open({ ...short, functions: [both, long('Here')] });
    await open({ ...short, functions: [long('There')] });
    const ended = await hub.run(both);
    expect(ended.runtimeStatus).toBe('Completed');
    expect(runs.sort()).toEqual(['Here', 'There']);
  });

  it.each([
    { caught: false, status: 'Failed' },
    { caught: true, status: 'Completed' },
  ])('B35: an activity that throws: caught $caught, so the instance ends $status', async ({ caught, status }) => {
    const breaks = activity('Breaks', () => {
      throw new Error('broken');
    });
    const tries = orchestration('Tries', async (ctx) => {
      try {
        return await ctx.callActivity(breaks);
      } catch (error) {
        if (!caught) throw error;
        return ctx.callActivity(echo, 'plan B');
      }
    });
    const hub = await open({ functions: [tries, breaks, echo] });
    const ended = await hub.run(tries);
    expect(ended.runtimeStatus).toBe(status);
    expect(ended.output).toBe(caught ? 'plan B' : undefined);
  });

  it('F23 B36: a failure has type, message and stack, and keeps its causes', async () => {
    const breaks = activity('Breaks', () => {
      throw new TypeError('outer', { cause: new RangeError('inner', { cause: 'innermost' }) });
    });
    const tries = orchestration('Tries', (ctx) => ctx.callActivity(breaks));
    const hub = await open({ functions: [tries, breaks] });
    const { failure } = await hub.run(tries);
    expect(failure).toMatchObject({
      errorType: 'TaskFailedError',
      message: expect.stringMatching(/Breaks.*#0.*outer/),
      innerFailure: {
        errorType: 'TypeError',
        message: 'outer',
        stackTrace: expect.stringContaining('TypeError: outer'),
        innerFailure: { errorType: 'RangeError', message: 'inner', innerFailure: { message: 'innermost' } },
      },
    });
  });

  it('B36: the orchestrator sees the failure of the activity in what it catches', async () => {
    class OutOfStock extends Error {
      override readonly name = 'OutOfStock';
    }
    const breaks = activity('Breaks', () => {
      throw new OutOfStock('no pink left');
    });
    const tries = orchestration('Tries', async (ctx) => {
      try {
        return await ctx.callActivity(breaks);
      } catch (error) {
        return error instanceof Error && 'failureDetails' in error ? [error.name, error.failureDetails] : 'no failure';
      }
    });
    const hub = await open({ functions: [tries, breaks] });
    expect((await hub.run(tries)).output).toEqual([
      'TaskFailedError',
      expect.objectContaining({ errorType: 'OutOfStock', message: 'no pink left' }),
    ]);
  });

  it('B38: an activity that nobody registers fails after the grace time and is not tried again', async () => {
    const calls = orchestration('Calls', (ctx) =>
      ctx.callActivity('Nobody', 1, { retry: { firstRetryIntervalInMilliseconds: 10, maxNumberOfAttempts: 5 } }),
    );
    const hub = await open({ functions: [calls], unregisteredActivityGraceMs: 200 });
    const ended = await hub.run(calls);
    expect(ended).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { innerFailure: { errorType: 'ActivityNotRegistered', message: expect.stringContaining("'Nobody'") } },
    });
    const history = await historyOf(hub, ended.instanceId);
    expect(history.filter((event) => event.type === 'TaskScheduled')).toHaveLength(1);
  });

  it('B38: an activity that another worker registers in time runs there', async () => {
    const taskHub = freshName();
    const calls = orchestration('Calls', (ctx) => ctx.callActivity('Elsewhere', 20));
    const hub = await open({ taskHub, functions: [calls] });
    const id = await hub.client.startNew(calls);
    await hub.reach(id, 'Running');
    await open({ taskHub, functions: [activity('Elsewhere', (n: number) => n + 1)] });
    expect((await hub.finish(id)).output).toBe(21);
  });

  it('names of activities are compared without case', async () => {
    const hub = await open({ functions: [orchestration('Calls', (ctx) => ctx.callActivity('eCHO', 1)), echo] });
    expect((await hub.run('cALLS')).output).toBe(1);
  });

  it.each(['here', 'in another worker'])('B39: tags of orchestration and call are merged, %s', async (where) => {
    const taskHub = freshName();
    const look = activity('Look', (_input: unknown, { tags }) => tags);
    const calls = orchestration('Calls', async (ctx) => [
      await ctx.callActivity('Look', 1, { tags: { own: '1', both: 'call' } }),
      await ctx.callActivity('Look'),
    ]);
    const hub = await open({ taskHub, functions: where === 'here' ? [calls, look] : [calls] });
    if (where !== 'here') await open({ taskHub, functions: [look] });
    const tags = { team: 'a', both: 'orchestration' };
    expect((await hub.run(calls, { tags })).output).toEqual([{ team: 'a', both: 'call', own: '1' }, tags]);
    expect((await hub.run(calls)).output).toEqual([{ own: '1', both: 'call' }, {}]);
  });

  it('B39: tags that cannot be are a TypeError at the call', async () => {
    const calls = orchestration('Calls', (ctx) => ctx.callActivity('Look', 1, { tags: { n: 5 } as never }));
    const hub = await open({ functions: [calls] });
    expect(await hub.run(calls)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'TypeError', message: expect.stringContaining("'Look'") },
    });
  });
});
