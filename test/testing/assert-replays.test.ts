import { describe, expect, it } from 'vitest';
import { activity, orchestration, type OrchestrationDefinition } from 'perdure';
import { assertReplays, createTestEnvironment, mock } from 'perdure/testing';

const charge = activity('Charge', async (amount: number): Promise<string> => `paid ${amount}`);
const ship = activity('Ship', async () => undefined);
const broken = mock('Broken', () => {
  throw new RangeError('too much');
});

const order = orchestration('Order', async (ctx, amount: number) => {
  const payment = await ctx.callActivity(charge, amount);
  const answer = await ctx.waitForExternalEvent<string>('Approval', { timeout: '24h', defaultValue: 'none' });
  if (answer === 'break') await ctx.callActivity('Broken');
  await ctx.callActivity(ship);
  return `${payment}, ${answer}`;
});

/** Code that was changed after the history was made. */
const changed = (body: Parameters<typeof orchestration<number, unknown>>[1]) => orchestration('Order', body);

async function recorded(answer: 'waiting' | 'yes' | 'break' | 'terminated' | 'late') {
  const env = createTestEnvironment({ functions: [order, charge, ship, broken] });
  const id = await env.client.startNew(order, { instanceId: 'o-1', input: 5 });
  if (answer === 'terminated') await env.client.terminate(id, '"no"');
  else if (answer === 'late') await env.advance('2d');
  else if (answer !== 'waiting') await env.raiseEvent(id, 'Approval', answer);
  return { env, history: await env.history(id), instance: await env.client.getStatus(id, { showHistory: true }) };
}

describe('assertReplays', () => {
  it.each(['waiting', 'yes', 'break', 'terminated', 'late'] as const)(
    'passes for a history that is %s',
    async (end) => {
      const { history, instance } = await recorded(end);
      await assertReplays(history, order);
      await assertReplays(JSON.stringify(history), order);
      if (instance === undefined) throw new Error('not found');
      await assertReplays(instance, order);
      const { type, status } = Object(history.events.at(-1));
      expect([history.runtimeStatus, type === 'ExecutionCompleted' ? status : 'Running']).toEqual(
        Array(2).fill(
          { waiting: 'Running', yes: 'Completed', break: 'Failed', terminated: 'Terminated', late: 'Completed' }[end],
        ),
      );
    },
  );

  it.each<[string, 'waiting' | 'yes' | 'break', OrchestrationDefinition<number, unknown>, string]>([
    [
      'another activity',
      'waiting',
      changed(async (ctx, amount) => {
        await ctx.callActivity('Chrage', amount);
      }),
      "a previous execution scheduled activity 'Charge' (#0), but the code now schedules activity 'Chrage' (#0)",
    ],
    [
      'a timer more',
      'waiting',
      changed(async (ctx, amount) => {
        await ctx.createTimer('1h');
        await ctx.callActivity(charge, amount);
      }),
      "a previous execution scheduled activity 'Charge' (#0), but the code now creates timer #0",
    ],
    [
      'an end too early',
      'waiting',
      changed((ctx, amount) => ctx.callActivity(charge, amount)),
      'but the code now completes',
    ],
    [
      'another end',
      'yes',
      changed(async (ctx, amount) => {
        await ctx.callActivity(charge, amount);
        await ctx.waitForExternalEvent('Approval', { timeout: '24h', defaultValue: 'none' });
        await ctx.callActivity(ship);
        throw new Error('changed my mind');
      }),
      'a previous execution completed here, but the code now fails with Error: changed my mind',
    ],
    [
      'a failure that is none any more',
      'break',
      changed(async (ctx, amount) => {
        await ctx.callActivity(charge, amount);
        await ctx.waitForExternalEvent('Approval', { timeout: '24h', defaultValue: 'none' });
        try {
          await ctx.callActivity('Broken');
        } catch {
          return 'all is well';
        }
        return undefined;
      }),
      'a previous execution failed here with TaskFailedError: ',
    ],
    [
      'waiting for something that never comes',
      'waiting',
      changed(async (ctx, amount) => {
        await ctx.callActivity(charge, amount);
        ctx.createTimer('24h').cancel();
        await new Promise(() => undefined);
      }),
      "'Order' does not replay the history of 'o-1'.",
    ],
  ])('finds %s', async (_, end, code, difference) => {
    const { history } = await recorded(end);
    await expect(assertReplays(history, code)).rejects.toMatchObject({
      name: 'ReplayDifferenceError',
      instanceId: 'o-1',
      message: expect.stringContaining(difference),
    });
  });

  it('names the line of the code', async () => {
    const { history } = await recorded('waiting');
    const code = changed(async (ctx) => {
      await ctx.callActivity('Other');
    });
    await expect(assertReplays(history, code)).rejects.toThrow(/assert-replays\.test\.ts:\d+:\d+/);
  });

  it('refuses what is no history, and one of another orchestration', async () => {
    const { history } = await recorded('yes');
    const { events: _, ...rest } = history;
    for (const [given, why] of [
      ['{', 'it is no JSON'],
      ['null', 'it is no object'],
      ['{}', 'its format is undefined'],
      [JSON.stringify({ ...history, format: 'perdure-history/9' }), 'its format is "perdure-history/9"'],
      [JSON.stringify(rest), 'its events are not a list of events'],
      [JSON.stringify({ ...history, events: [] }), 'it has no ExecutionStarted event'],
      [JSON.stringify({ ...history, instanceId: 7 }), 'it has no instanceId'],
    ] as const) {
      await expect(assertReplays(given, order)).rejects.toThrow(why);
    }
    await expect(
      assertReplays(
        history,
        orchestration('Other', () => 1),
      ),
    ).rejects.toThrow("The history is one of 'Order', not of 'Other'.");
  });
});
