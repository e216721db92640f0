/** Functions that register themselves are tested like others: `takeRegistered` has them. */
import { expect, it } from 'vitest';
import { takeRegistered } from 'perdure/durable-functions';
import { createTestEnvironment, failFirst, mock } from 'perdure/testing';
import './index.js';

const { functions } = takeRegistered();
const input = { seats: ['12A', '12B'], amount: 90 };

it('a booking is paid, approved and done', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew('Booking', { input });
  await env.raiseEvent(id, 'Approval', true);
  expect(await env.outputOf(id)).toEqual({
    reserved: ['12A reserved', '12B reserved'],
    receipt: { paid: 90 },
    approved: true,
  });
});

it('a payment is tried again after a second; who does not answer for an hour has not approved', async () => {
  const pay = mock(
    'Pay',
    failFirst(1, () => ({ paid: 90 })),
  );
  const env = createTestEnvironment({ functions: [...functions, pay] });
  const id = await env.client.startNew('Booking', { input });
  await env.advance('1s');
  expect(env.activityCalls('Pay')).toHaveLength(2);
  await env.advance('1h');
  expect(await env.outputOf(id)).toMatchObject({ approved: false });
});
