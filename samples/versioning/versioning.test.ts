import { expect, it } from 'vitest';
import { assertReplays, createTestEnvironment } from 'perdure/testing';
import * as sample from './index.ts';

const functions = Object.values(sample);
const { delivery1, delivery2 } = sample;

it('each instance runs with the code of its version', async () => {
  const env = createTestEnvironment({ functions });
  const [old, young] = [
    await env.client.startNew(delivery1, { input: 'books' }),
    await env.client.startNew(delivery2, { input: 'books' }),
  ];
  for (const id of [old, young]) await env.raiseEvent(id, 'PickedUp');
  expect(await env.outputOf(old)).toBe('delivered: books');
  expect(await env.outputOf(young)).toBe('delivered: books of 5 kg');
});

it('a start by name gets the newest', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew('Delivery', { input: 'books' });
  expect((await env.client.getStatus(id))?.version).toBe('2.0');
});

it('what waits in the old code would not survive the new one: that is why there are two', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(delivery1, { input: 'books' });
  await env.raiseEvent(id, 'PickedUp');
  const history = await env.history(id);
  await assertReplays(history, delivery1);
  await expect(assertReplays(history, delivery2)).rejects.toThrow(/Weigh/);
});
