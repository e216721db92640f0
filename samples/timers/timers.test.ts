import { expect, it } from 'vitest';
import { createTestEnvironment } from 'perdure/testing';
import { mail, trial } from './index.ts';

const functions = [trial, mail];
const input = { customer: 'Ann' };

it('reminds after 25 days and ends after 30, to the second', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(trial, { input });
  await env.advance('30d');
  expect(await env.outputOf(id)).toEqual({ customer: 'Ann', plan: 'none' });
  expect(env.activityCalls(mail).map((call) => call.startedAt.toISOString())).toEqual([
    '2026-01-26T00:00:00.000Z',
    '2026-01-31T00:00:00.000Z',
  ]);
});

it.each([
  ['before the reminder', '3d', 0],
  ['after it', '27d', 1],
])('who subscribes %s gets no mail after that', async (_, when, mails) => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(trial, { input });
  await env.advance(when);
  await env.raiseEvent(id, 'Subscribed', 'yearly');
  await env.advance('60d');
  expect(await env.outputOf(id)).toEqual({ customer: 'Ann', plan: 'yearly' });
  expect(env.activityCalls(mail)).toHaveLength(mails);
});

it('a service that is down when a timer is due rings it when it is back', async () => {
  const env = createTestEnvironment({ functions });
  await env.client.startNew(trial, { input });
  await env.advance('24d');
  await env.crash({ downFor: '3d' });
  expect(env.activityCalls(mail).map((call) => call.startedAt.toISOString())).toEqual(['2026-01-28T00:00:00.000Z']);
});
