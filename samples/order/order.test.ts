/** A unit test of the sample, as users write theirs: in memory, without waiting. */
import { describe, expect, it } from 'vitest';
import { assertReplays, createTestEnvironment, failFirst, mock } from 'perdure/testing';
import * as order from './index.ts';
import type { Order } from './types.ts';

const shirt: Order = { id: 'A-1001', customer: 'Ann', item: 'T-shirt', amount: 30 };

/** Everything that the module exports, but no picture takes its time. */
const functions = [
  ...Object.values(order),
  mock(order.generateColor, ({ order: { item }, color }) => ({ color, picture: `${item}-${color}.png` })),
];

describe('an order', () => {
  it('is fulfilled when the customer says yes', async () => {
    const env = createTestEnvironment({ functions });
    const id = await env.client.startNew(order.orderOrchestrator, { input: shirt });
    await env.advance('23h');
    await env.raiseEvent(id, 'Approval', 'approved');
    expect(await env.outputOf(id)).toEqual({ order: 'A-1001', outcome: 'fulfilled' });
    expect(env.activityCalls(order.generateColor).map((call) => call.input.color)).toEqual([
      'white',
      'black',
      'pink',
      'green',
    ]);
    expect(env.activityCalls(order.doUserChoice)).toHaveLength(1);
  });

  it('is cancelled and paid back when nobody answers for a day', async () => {
    const env = createTestEnvironment({ functions });
    const id = await env.client.startNew(order.orderOrchestrator, { input: shirt });
    await env.advance('24h');
    expect(await env.outputOf(id)).toEqual({ order: 'A-1001', outcome: 'cancelled', reason: 'no answer in time' });
    expect(env.activityCalls(order.refundThePayment)).toMatchObject([{ input: { amount: 30 } }]);
  });

  it('tries the payment again after five seconds, and gives up after the third time', async () => {
    const broke = mock(
      order.postThePayment,
      failFirst(3, () => ({ paymentId: 'never', amount: 0 })),
    );
    const env = createTestEnvironment({ functions: [...functions, broke] });
    const id = await env.client.startNew(order.orderOrchestrator, { input: shirt });
    await env.advance('10s');
    expect(await env.outputOf(id)).toMatchObject({ outcome: 'cancelled' });
    const [first, second, third] = env.activityCalls(order.postThePayment).map((call) => call.startedAt.getTime());
    expect([second, third]).toEqual([(first ?? 0) + 5_000, (first ?? 0) + 10_000]);
    expect(env.activityCalls(order.refundThePayment)).toEqual([]);
  });

  it('takes the money with the same payment id when the worker dies after the payment', async () => {
    const env = createTestEnvironment({ functions });
    env.injectFault({ at: 'activity', activity: order.postThePayment, fault: 'crash-after' });
    await env.client.startNew(order.orderOrchestrator, { input: shirt });
    const payments = env.activityCalls(order.postThePayment);
    expect(payments.map((call) => call.redelivery)).toEqual([0, 1]);
    expect(payments[1]?.outcome).toEqual(payments[0]?.outcome);
  });

  it('that runs while this code is deployed goes on', async () => {
    const env = createTestEnvironment({ functions });
    const id = await env.client.startNew(order.orderOrchestrator, { input: shirt });
    // In real life: client.getHistory(id) of an order in production, kept as a file beside the test.
    await assertReplays(await env.history(id), order.orderOrchestrator);
  });
});
