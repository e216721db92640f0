import { describe, expect, it } from 'vitest';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import { completed, failureOf, LiveRun, play, replayOf, resultOf, started, turn, type Body } from './support.ts';

describe('sendEvent', () => {
  it('B78: asks for one message each time it is called, numbered with all else that the code asks for', async () => {
    const run = new LiveRun((ctx: OrchestrationContext) => {
      ctx.sendEvent('other', 'Paid', { amount: 0 });
      ctx.callActivity('A');
      ctx.sendEvent('other', 'Paid');
      return ctx.waitForExternalEvent('E');
    });
    expect((await run.start()).actions).toEqual([
      { type: 'SendEvent', id: 0, instanceId: 'other', name: 'Paid', input: '{"amount":0}' },
      { type: 'ScheduleTask', id: 1, name: 'A' },
      { type: 'SendEvent', id: 2, instanceId: 'other', name: 'Paid' },
    ]);
  });

  it('is replayed without being sent again', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      ctx.sendEvent('other', 'Begun');
      const result = await ctx.callActivity('A');
      ctx.sendEvent('other', 'Ended', result);
      return result;
    };
    const decision = await play(body, completed(1, 7));
    expect(resultOf(decision)).toBe(7);
    expect(decision.actions).toHaveLength(2);
  });

  it.each([
    ['another name', 'other', 'Shipped'],
    ['another target', 'else', 'Paid'],
  ])('fails the orchestration when the code now sends %s', async (_, instanceId, name) => {
    const run = replayOf((ctx: OrchestrationContext) => {
      ctx.sendEvent(instanceId, name);
      return ctx.waitForExternalEvent('E');
    });
    const history = [
      turn(),
      started(),
      { type: 'EventSent', timestamp: 0, eventId: 0, instanceId: 'other', name: 'PAID' } as const,
    ];
    const decision = await run.advance({ history, newEvents: [turn()] });
    expect(failureOf(decision)).toMatchObject({
      errorType: 'NonDeterminismError',
      message: expect.stringMatching(/sent event 'PAID' to 'other' \(#0\).*now sends event/s) as string,
    });
  });

  it('refuses what nobody can get, where it is called', async () => {
    const loose = (ctx: OrchestrationContext): { sendEvent(...given: unknown[]): void } => ctx;
    const bad = [
      ['', 'E'],
      [7, 'E'],
      ['@counter@a', 'E'],
      ['a/b', 'E'],
      ['other', ''],
      ['other', 'a\u0000'],
      ['other'],
    ];
    const run = new LiveRun((ctx: OrchestrationContext) =>
      [...bad, ['other', 'E', () => 1]].map((given) => {
        try {
          return loose(ctx).sendEvent(...given);
        } catch (error) {
          return error instanceof TypeError && error.message.length > 20;
        }
      }),
    );
    expect(resultOf(await run.start())).toEqual(Array.from({ length: bad.length + 1 }, () => true));
  });
});
