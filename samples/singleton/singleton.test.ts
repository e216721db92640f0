import { expect, it } from 'vitest';
import { createTestEnvironment } from 'perdure/testing';
import { reportStock, syncStock } from './index.ts';

const functions = [syncStock, reportStock];
const once = { instanceId: 'sync-berlin', input: '1h' } as const;

it('of many starts one runs', async () => {
  const env = createTestEnvironment({ functions });
  const starts = Array.from({ length: 20 }, () =>
    env.unsettledClient.startNew(syncStock, { ...once, onExisting: 'return' }),
  );
  expect(new Set(await Promise.all(starts))).toEqual(new Set(['sync-berlin']));
  await env.advance('1h');
  expect(await env.outputOf('sync-berlin')).toBe('sync-berlin is done');
  expect(env.activityCalls(reportStock)).toHaveLength(1);
});

it('a start that says nothing about it is refused while it runs, and replaces it when it has ended', async () => {
  const env = createTestEnvironment({ functions });
  await env.client.startNew(syncStock, once);
  await expect(env.client.startNew(syncStock, once)).rejects.toMatchObject({ code: 'InstanceAlreadyExists' });
  await env.advance('1h');
  await env.client.startNew(syncStock, once);
  await env.advance('1h');
  expect(env.activityCalls(reportStock)).toHaveLength(2);
});
