import { expect, it } from 'vitest';
import { createTestEnvironment, failFirst, mock } from 'perdure/testing';
import * as sample from './index.ts';

const functions = Object.values(sample);
const { bookTrip } = sample;
const input = { traveller: 'Ann', city: 'Lisbon' } as const;

it('books everything', async () => {
  const env = createTestEnvironment({ functions });
  expect(await env.run(bookTrip, { input })).toEqual({
    booked: ['flight to Lisbon', 'hotel to Lisbon', 'car to Lisbon'],
  });
});

it('takes back what was booked when the car is missing, the last booking first', async () => {
  const env = createTestEnvironment({ functions });
  expect(await env.run(bookTrip, { input: { ...input, soldOut: 'car' } })).toMatchObject({ booked: [] });
  const names = env.activityCalls().map((call) => call.activity);
  expect(names).toEqual(['BookFlight', 'BookHotel', 'BookCar', 'CancelHotel', 'CancelFlight']);
});

it('takes back nothing that was not booked', async () => {
  const env = createTestEnvironment({ functions });
  await env.run(bookTrip, { input: { ...input, soldOut: 'flight' } });
  expect(env.activityCalls().map((call) => call.activity)).toEqual(['BookFlight']);
});

it('a cancellation that fails for days is tried until it works, also when workers die meanwhile', async () => {
  const env = createTestEnvironment({
    functions: [
      ...functions,
      mock(
        sample.cancelHotel,
        failFirst(50, () => undefined),
      ),
    ],
  });
  const id = await env.client.startNew(bookTrip, { input: { ...input, soldOut: 'car' } });
  await env.advance('1d');
  await env.crash({ downFor: '12h' });
  await env.advance('3d');
  expect(await env.outputOf(id)).toMatchObject({ booked: [] });
  expect(env.activityCalls(sample.cancelHotel)).toHaveLength(51);
});
