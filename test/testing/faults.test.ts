import { describe, expect, it } from 'vitest';
import { activity, orchestration } from 'perdure';
import { createTestEnvironment, mock, type FaultInjection, type FaultMoment } from 'perdure/testing';

const charge = activity('Charge', async (amount: number): Promise<string> => `paid ${amount}`);
const ship = activity('Ship', async (payment: string): Promise<string> => `shipped, ${payment}`);

const order = orchestration('Order', async (ctx, amount: number) => {
  const payment = await ctx.callActivity(charge, amount);
  await ctx.createTimer('1h');
  return ctx.callActivity(ship, payment);
});

const functions = [order, charge, ship];

/** What happened, without what a crash may change: how often there was a turn. */
async function playOrder(injections: readonly FaultInjection[]) {
  const env = createTestEnvironment({ functions });
  for (const injection of injections) env.injectFault(injection);
  const id = await env.client.startNew(order, { instanceId: 'o-1', input: 5 });
  await env.advance('1h');
  const output = await env.outputOf(id);
  const { events } = await env.history(id);
  return { env, output, events: events.filter((event) => event.type !== 'OrchestratorStarted') };
}

describe.each(['crash-before', 'crash-after', 'duplicate'] as const)('%s', (fault) => {
  it.each([0, 1, 2, 3])('at commit %i changes neither output nor history', async (skip) => {
    const expected = await playOrder([]);
    const { env, output, events } = await playOrder([{ at: 'commit', fault, skip }]);
    expect(output).toBe('shipped, paid 5');
    expect(events).toEqual(expected.events);
    expect(env.now).toEqual(expected.env.now);
  });
});

describe('a crash', () => {
  it('before an activity: it runs once, as the second delivery', async () => {
    const { env, output } = await playOrder([{ at: 'activity', fault: 'crash-before', activity: ship }]);
    expect(output).toBe('shipped, paid 5');
    expect(env.activityCalls(ship)).toMatchObject([{ attempt: 1, redelivery: 1, outcome: { kind: 'completed' } }]);
  });

  it('after an activity: it runs again, with the same task id', async () => {
    const ids: string[] = [];
    const env = createTestEnvironment({
      functions: [
        order,
        ship,
        mock(charge, (_, ctx) => {
          ids.push(ctx.taskId);
          return 'mock';
        }),
      ],
    });
    env.injectFault({ at: 'activity', fault: 'crash-after', activity: 'charge', instanceId: 'o-1', times: 2 });
    await env.client.startNew(order, { instanceId: 'o-2', input: 1 });
    expect(env.activityCalls(charge)).toHaveLength(1);
    await env.client.startNew(order, { instanceId: 'o-1', input: 1 });
    expect(env.activityCalls(charge).map(({ instanceId, redelivery }) => [instanceId, redelivery])).toEqual([
      ['o-2', 0],
      ['o-1', 0],
      ['o-1', 1],
      ['o-1', 2],
    ]);
    expect(new Set(ids.slice(1)).size).toBe(1);
  });

  it('while an activity runs leaves its end unheard', async () => {
    const stuck = mock(charge, (_, _ctx, call) => (call.index === 0 ? new Promise<string>(() => undefined) : 'second'));
    const env = createTestEnvironment({ functions: [order, ship, stuck], restTimeoutMs: 1_000 });
    await expect(env.client.startNew(order, { instanceId: 'o-1', input: 1 })).rejects.toThrow("activity 'Charge'");
    await env.crash();
    await env.advance('1h');
    expect(await env.outputOf('o-1')).toBe('shipped, second');
    expect(env.activityCalls(charge)).toMatchObject([
      { redelivery: 0, outcome: { kind: 'lost' } },
      { redelivery: 1, outcome: { kind: 'completed' } },
    ]);
  });

  it('between turns, for hours, makes timers late', async () => {
    const env = createTestEnvironment({ functions });
    const id = await env.client.startNew(order, { input: 5 });
    await env.crash({ downFor: '3h' });
    expect(await env.outputOf(id)).toBe('shipped, paid 5');
    expect(env.activityCalls(ship)).toMatchObject([{ startedAt: new Date('2026-01-01T03:00:00Z') }]);
  });

  it('B145: ten times and more in the same turn is given up', async () => {
    const env = createTestEnvironment({ functions });
    env.injectFault({ at: 'commit', fault: 'crash-before', times: 11 });
    const id = await env.client.startNew(order, { input: 5 });
    expect(await env.client.waitForCompletion(id)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'PoisonInstance' },
    });
  });
});

it('a plan is asked at every moment', async () => {
  const moments: FaultMoment[] = [];
  const env = createTestEnvironment({
    functions,
    faults: (moment) => {
      moments.push(moment);
      return moment.at === 'activity' && moment.redelivery === 0 ? 'crash-before' : undefined;
    },
  });
  await env.run(order, { instanceId: 'o-1', input: 5, timeoutMs: 3_600_000 });
  expect(moments.filter((moment) => moment.at === 'activity')).toEqual(
    [0, 1].flatMap((index) =>
      [0, 1].map((redelivery) => ({
        at: 'activity',
        activity: ['Charge', 'Ship'][index],
        instanceId: 'o-1',
        attempt: 1,
        redelivery,
      })),
    ),
  );
  expect(moments).toContainEqual({ at: 'commit', instanceIds: ['o-1'] });
});
