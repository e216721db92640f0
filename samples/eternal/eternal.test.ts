import { expect, it } from 'vitest';
import { createTestEnvironment } from 'perdure/testing';
import { cleanup, removeOldFiles } from './index.ts';

const functions = [cleanup, removeOldFiles];

it('works every hour for a month, and its history stays small', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(cleanup, { input: {} });
  await env.advance('30d');
  expect(env.activityCalls(removeOldFiles)).toHaveLength(30 * 24 + 1);
  expect((await env.history(id)).events.length).toBeLessThan(15);
  await env.client.terminate(id);
});

it('stops when it is told to, also while it sleeps', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(cleanup, { input: { every: '1d' } });
  await env.advance('60h');
  expect(await env.client.getStatus(id)).toMatchObject({
    input: '{"every":"1d","rounds":2}',
    customStatus: '{"rounds":3,"removed":3}',
  });
  await env.raiseEvent(id, 'Stop', 'Ann');
  expect(await env.outputOf(id)).toEqual({ stoppedBy: 'Ann' });
  expect(env.activityCalls(removeOldFiles)).toHaveLength(3);
});
