import { describe, expect, it } from 'vitest';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import { completed, expectSameReplay, failed, failureOf, LiveRun, resultOf, type Body } from './support.ts';

const bodies: Readonly<Record<string, Body>> = {
  'async function': async (ctx: OrchestrationContext, input: string) => {
    const a = await ctx.callActivity<number>('A', input);
    const b = await ctx.callActivity<number>('B', a);
    return a + b;
  },
  'generator with yield': function* (ctx: OrchestrationContext, input: string) {
    const a: number = yield ctx.callActivity<number>('A', input);
    const b: number = yield ctx.callActivity<number>('B', a);
    return a + b;
  },
  'generator with yield*': function* (ctx: OrchestrationContext, input: string) {
    const a = yield* ctx.callActivity<number>('A', input);
    const b = yield* ctx.callActivity<number>('B', a);
    return a + b;
  },
  'async generator with yield': async function* (ctx: OrchestrationContext, input: string) {
    const a: number = yield ctx.callActivity<number>('A', input);
    const b: number = yield ctx.callActivity<number>('B', a);
    return a + b;
  },
  'async generator with yield*': async function* (ctx: OrchestrationContext, input: string) {
    const a = yield* ctx.callActivity<number>('A', input);
    const b = yield* ctx.callActivity<number>('B', a);
    return a + b;
  },
};

describe.each(Object.entries(bodies))('a body that is an %s', (_kind, body) => {
  it('schedules at the call, goes on with each result and completes with its value', async () => {
    const run = new LiveRun(body);
    expect(await run.start('in')).toEqual({
      actions: [{ type: 'ScheduleTask', id: 0, name: 'A', input: '"in"' }],
    });
    expect(await run.turn(completed(0, 2))).toEqual({
      actions: [{ type: 'ScheduleTask', id: 1, name: 'B', input: '2' }],
    });
    expect(await run.turn(completed(1, 40))).toEqual({
      actions: [{ type: 'CompleteOrchestration', id: 2, status: 'Completed', result: '42' }],
    });
  });

  it('decides the same when it is replayed', async () => {
    const run = new LiveRun(body);
    await run.start('in');
    await run.turn(completed(0, 2));
    await run.turn(completed(1, 40));
    await expectSameReplay(run, body);
  });

  it('gets a failure thrown at the wait', async () => {
    const run = new LiveRun(body);
    await run.start('in');
    expect(failureOf(await run.turn(failed(0, { message: 'no' })))).toMatchObject({
      errorType: 'TaskFailedError',
      message: "Activity 'A' (#0) failed: no",
      innerFailure: { errorType: 'Error', message: 'no' },
    });
  });
});

describe('a plain function', () => {
  it('completes with what it returns', async () => {
    expect(resultOf(await new LiveRun(() => ({ done: true })).start())).toEqual({ done: true });
  });
});
