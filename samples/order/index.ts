/**
 * An order of a fashion shop: pay, show the item in four colors, wait up to a day for the customer's choice, then fulfil
 * or cancel. Kill the process at any point and start it again: the order goes on where it was.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { activity, http, orchestration, type OrchestrationContext } from 'perdure';
import {
  colors,
  readOrder,
  type Color,
  type ColorVersion,
  type Order,
  type OrderResult,
  type Payment,
} from './types.ts';

// The orchestrator decides what happens next and does nothing itself: after every step it may be replayed from its
// history, so it must come to the same decisions each time. Whatever touches the world is an activity, further below.
export const orderOrchestrator = orchestration('OrderOrchestrator', async (ctx, order: Order): Promise<OrderResult> => {
  let payment: Payment | undefined;
  let problem: string | undefined;
  try {
    // The custom status is for people who look at the order while it runs.
    ctx.setCustomStatus({ step: 'taking the payment' });
    payment = await ctx.callActivity(postThePayment, order, {
      retry: { firstRetryIntervalInMilliseconds: 5_000, maxNumberOfAttempts: 3 },
    });

    ctx.setCustomStatus({ step: 'generating colors' });
    const versions = await generateColors(ctx, order);

    ctx.setCustomStatus({ step: 'sending the notification' });
    await ctx.callActivity(sendNotification, { order, versions });

    // Waiting costs nothing but a row in the database, be it for a second or for a month.
    ctx.setCustomStatus({ step: 'waiting for approval', versions });
    const answer = await ctx.waitForExternalEvent<string>('Approval', {
      timeout: order.approvalTimeout ?? '24h',
      defaultValue: null,
    });

    if (answer === 'approved') {
      ctx.setCustomStatus({ step: "doing the customer's choice" });
      await ctx.callActivity(doUserChoice, order);
    } else {
      problem = answer === null ? 'no answer in time' : `the answer was ${JSON.stringify(answer)}`;
    }
  } catch (error) {
    // An activity has failed for good: if it had retries, they are used up.
    problem = error instanceof Error ? error.message : String(error);
    ctx.log.error('the order failed', { order: order.id, problem });
  }

  if (problem !== undefined) {
    // Whatever went wrong, what was done before is undone, and nothing else.
    ctx.setCustomStatus({ step: 'cancelling', reason: problem });
    await ctx.callActivity(cancelOrder, { order, reason: problem });
    if (payment) await ctx.callActivity(refundThePayment, payment);
  }
  const result: OrderResult =
    problem === undefined
      ? { order: order.id, outcome: 'fulfilled' }
      : { order: order.id, outcome: 'cancelled', reason: problem };
  await ctx.callActivity(closeOrderProcess, result);
  ctx.setCustomStatus({ step: 'closed', outcome: result.outcome });
  return result;
});

/** Starts one activity for each color, all at once, and waits for all of them. */
function generateColors(ctx: OrchestrationContext, order: Order): Promise<ColorVersion[]> {
  return Promise.all(colors.map((color) => ctx.callActivity(generateColor, { order, color })));
}

// Activities do the work. They run at least once: after a crash a step may run again, with the same ctx.taskId.

export const postThePayment = activity('PostThePayment', async (order: Order, ctx): Promise<Payment> => {
  // A stand-in for a bank with bad days; ctx.attempt counts the tries of this call.
  if (ctx.attempt <= (order.failPayments ?? 0)) {
    ctx.log.warn('the bank refuses', { order: order.id, attempt: ctx.attempt });
    throw new Error(`The bank refused the payment (attempt ${ctx.attempt}).`);
  }
  // The task's id as the payment's id: a real bank, asked twice, would take the money once.
  return { paymentId: ctx.taskId, amount: order.amount };
});

export const generateColor = activity(
  'GenerateColor',
  async ({ order, color }: { order: Order; color: Color }, ctx) => {
    await pause(200, undefined, { signal: ctx.signal }); // a real one renders here
    return { color, picture: `${encodeURIComponent(order.item)}-${color}.png` };
  },
);

export const sendNotification = activity(
  'SendNotification',
  async ({ order, versions }: { order: Order; versions: readonly ColorVersion[] }, ctx) => {
    ctx.log.info(`to ${order.customer}: do you like your ${order.item}?`, {
      pictures: versions.map((version) => version.picture),
      confirm: `/api/orders/${ctx.instanceId}/confirm?result=approved`,
    });
  },
);

export const doUserChoice = activity('DoUserChoice', async (order: Order, ctx) => {
  ctx.log.info('making the item', { order: order.id, item: order.item });
});

export const cancelOrder = activity('CancelOrder', async (input: { order: Order; reason: string }, ctx) => {
  ctx.log.info('order cancelled', { order: input.order.id, reason: input.reason });
});

export const refundThePayment = activity('RefundThePayment', async (payment: Payment, ctx) => {
  ctx.log.info('payment refunded', { ...payment });
});

export const closeOrderProcess = activity('CloseOrderProcess', async (result: OrderResult, ctx) => {
  ctx.log.info('order closed', { ...result });
});

// HTTP triggers are served below /api. They get the standard Request and answer with the standard Response.

/** `POST /api/orders`: starts an order and answers with the links to follow and to steer it. */
export const httpStart = http('HttpStart', { methods: ['POST'], route: 'orders' }, async (request, client) => {
  const order = readOrder(await request.json());
  if (typeof order === 'string') return Response.json({ error: order }, { status: 400 });
  const instanceId = await client.startNew(orderOrchestrator, { input: order });
  return client.createCheckStatusResponse(request, instanceId);
});

/** `GET or POST /api/orders/{instanceId}/confirm?result=approved`: the link in the customer's mail. */
export const confirmUserChoice = http(
  'ConfirmUserChoice',
  { methods: ['GET', 'POST'], route: 'orders/{instanceId}/confirm' },
  async (request, client) => {
    const { instanceId = '' } = request.params;
    const result = request.query.get('result');
    if (result !== 'approved' && result !== 'rejected') {
      return Response.json({ error: 'Say ?result=approved or ?result=rejected.' }, { status: 400 });
    }
    // An unknown order answers 404 and one that has ended 410: the service does that for errors of the client.
    await client.raiseEvent(instanceId, 'Approval', result);
    return new Response(`Thank you. Your order is ${result}.\n`);
  },
);
