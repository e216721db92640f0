import { expect, it } from 'vitest';
import { activity, orchestration, type OrchestrationContext, type Task } from '../../src/model/functions.ts';
import { inBothModes } from '../support/task-hubs.ts';

const echo = activity('Echo', (input: unknown) => input);
const breaks = activity('Breaks', (message: string) => {
  throw new Error(message);
});
const later = activity('Later', async ({ ms, value }: { ms: number; value: unknown }) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return value;
});

/** What a task came to, in words. */
function told(task: Omit<Task<unknown>, 'then'>): string {
  return task.isFaulted ? 'failed' : task.isCompleted ? 'completed' : 'open';
}

async function messageOf(failing: PromiseLike<unknown>): Promise<readonly [string, string]> {
  try {
    await failing;
  } catch (error) {
    if (error instanceof Error) return [error.name, error.message];
  }
  throw new Error('it did not fail');
}

inBothModes('all and any', ({ open }) => {
  it('B41: all waits for every task, then fails once with every message; caught, the instance goes on', async () => {
    const body = orchestration('Body', async (ctx) => {
      const slow = ctx.callActivity(later, { ms: 100, value: 'slow' });
      const failed = await messageOf(ctx.all([ctx.callActivity(breaks, 'one'), slow, ctx.callActivity(breaks, 'two')]));
      return [...failed, told(slow)];
    });
    const hub = await open({ functions: [body, breaks, later] });
    expect((await hub.run(body)).output).toEqual([
      'AggregateError',
      expect.stringMatching(/2 of 3.*one.*two/),
      'completed',
    ]);
  });

  it('B41: not caught, the instance fails with the AggregateError', async () => {
    const body = orchestration('Body', (ctx) => ctx.all([ctx.callActivity(breaks, 'one'), ctx.callActivity(echo, 1)]));
    const hub = await open({ functions: [body, breaks, echo] });
    expect(await hub.run(body)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'AggregateError', message: expect.stringMatching(/1 of 2.*one/) },
    });
  });

  it('Promise.all is that of JavaScript: it fails with the first failure, the others go on', async () => {
    const body = orchestration('Body', async (ctx) => {
      const slow = ctx.callActivity(later, { ms: 100, value: 'slow' });
      const [name] = await messageOf(Promise.all([slow, ctx.callActivity(breaks, 'one')]));
      return [name, told(slow), await slow];
    });
    const hub = await open({ functions: [body, breaks, later] });
    expect((await hub.run(body)).output).toEqual(['TaskFailedError', 'open', 'slow']);
  });

  it('B42: all of a task that has failed already fails', async () => {
    const body = orchestration('Body', async (ctx) => {
      const failed = ctx.callActivity(breaks, 'early');
      await messageOf(failed);
      return messageOf(ctx.all([failed, ctx.callActivity(echo, 1)]));
    });
    const hub = await open({ functions: [body, breaks, echo] });
    expect((await hub.run(body)).output).toEqual(['AggregateError', expect.stringContaining('early')]);
  });

  it.each([
    ['ctx.all', (ctx: OrchestrationContext, tasks: readonly Task<unknown>[]) => ctx.all(tasks)],
    ['Promise.all', (_: OrchestrationContext, tasks: readonly Task<unknown>[]) => Promise.all(tasks)],
  ])('B43: %s gives results in the order of the tasks, however they end', async (_, all) => {
    const body = orchestration('Body', async (ctx) => {
      const times = [120, 0, 60, 30, 90];
      return await all(
        ctx,
        times.map((ms) => ctx.callActivity(later, { ms, value: ms })),
      );
    });
    const hub = await open({ functions: [body, later] });
    expect((await hub.run(body)).output).toEqual([120, 0, 60, 30, 90]);
  });

  it('B44: all of nothing is an empty list, any of nothing throws', async () => {
    const body = orchestration('Body', async (ctx) => {
      const nothing = await ctx.all([]);
      try {
        await ctx.any([]);
        return 'any did not throw';
      } catch {
        return nothing;
      }
    });
    const hub = await open({ functions: [body] });
    expect((await hub.run(body)).output).toEqual([]);
  });

  it('B45: any gives the task that ended first, and does not throw when it failed', async () => {
    const body = orchestration('Body', async (ctx) => {
      const tasks = [
        ctx.callActivity(later, { ms: 10_000, value: 'never' }),
        ctx.callActivity(breaks, 'first'),
        ctx.waitForExternalEvent('Go'),
      ];
      const winner = await ctx.any(tasks);
      await ctx.callActivity(echo, 1); // played again in a replay, the race must have the same winner
      return [tasks.findIndex((task) => Object.is(task, winner)), told(winner)];
    });
    const hub = await open({ functions: [body, later, breaks, echo], stopGraceMs: 0 });
    expect((await hub.run(body)).output).toEqual([1, 'failed']);
  });

  it('B46: a loser of any can still be awaited, and ran once', async () => {
    let runs = 0;
    const counted = activity('Counted', async (ms: number) => {
      runs += 1;
      await new Promise((resolve) => setTimeout(resolve, ms));
      return ms;
    });
    const body = orchestration('Body', async (ctx) => {
      const [fast, slow] = [ctx.callActivity(counted, 1), ctx.callActivity(counted, 100)];
      const winner = await ctx.any([fast, slow]);
      return [Object.is(winner, fast), await slow];
    });
    const hub = await open({ functions: [body, counted] });
    expect((await hub.run(body)).output).toEqual([true, 100]);
    expect(runs).toBe(2);
  });

  it('B47: all and any nest, and a failure reaches the outer all', async () => {
    const body = orchestration('Body', async (ctx) => {
      const nested = await ctx.all([
        ctx.callActivity(echo, 'a'),
        ctx.all([ctx.callActivity(echo, 'b'), ctx.callActivity(echo, 'c')]),
      ]);
      const [name, message] = await messageOf(
        ctx.all([ctx.callActivity(echo, 'd'), ctx.all([ctx.callActivity(breaks, 'deep')])]),
      );
      return [nested, name, message];
    });
    const hub = await open({ functions: [body, echo, breaks] });
    expect((await hub.run(body)).output).toEqual([
      ['a', ['b', 'c']],
      'AggregateError',
      expect.stringContaining('deep'),
    ]);
  });

  it.each([
    ['a number', 5],
    ['nothing', undefined],
    ['a promise', Promise.resolve(1)],
  ])('B48: a generator that yields %s fails, saying that it is no task', async (_, value) => {
    const body = orchestration('Body', function* (ctx): Generator<Task<unknown>> {
      yield ctx.callActivity(echo, 1);
      // @ts-expect-error the compiler says so too
      yield value;
    });
    const hub = await open({ functions: [body, echo] });
    expect(await hub.run(body)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { message: expect.stringMatching(/task/i) },
    });
  });

  it.each([
    orchestration('AsyncFunction', async (ctx, n: number) => {
      const one = await ctx.callActivity(echo, n);
      return [one, await ctx.callActivity(echo, 2)];
    }),
    orchestration('Generator', function* (ctx, n: number) {
      const one = yield* ctx.callActivity(echo, n);
      const two: unknown = yield ctx.callActivity(echo, 2);
      return [one, two];
    }),
    orchestration('AsyncGenerator', async function* (ctx, n: number) {
      const one: unknown = yield ctx.callActivity(echo, n);
      return [one, await ctx.callActivity(echo, 2)];
    }),
  ])('every kind of body does the same: $name', async (body) => {
    const hub = await open({ functions: [body, echo] });
    expect((await hub.run(body, { input: 1 })).output).toEqual([1, 2]);
  });
});
