import { expect, it } from 'vitest';
import { createTestEnvironment, hang, mock } from 'perdure/testing';
import * as sample from './index.ts';

const functions = Object.values(sample);
const { sendInvoice, sendMail } = sample;

it('is tried again, each time after a longer pause', async () => {
  const env = createTestEnvironment({ functions });
  const input = { to: 'ann@example.com', failures: 2 };
  expect(await env.run(sendInvoice, { input, timeoutMs: 10_000 })).toBe('mailed');
  const [first, second, third] = env.activityCalls(sendMail).map((call) => call.startedAt.getTime());
  expect([second, third]).toEqual([(first ?? 0) + 500, (first ?? 0) + 1_500]);
});

it('an address that is none is not tried again, but posted', async () => {
  const env = createTestEnvironment({ functions });
  expect(await env.run(sendInvoice, { input: { to: 'Ann, Main Street 1' } })).toBe('posted');
  expect(env.activityCalls(sendMail)).toHaveLength(1);
  expect(env.activityCalls(sample.printAndPost)).toHaveLength(1);
});

it('fails after the third try, with what the last one said', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(sendInvoice, { input: { to: 'ann@example.com', failures: 3 } });
  await env.advance('10s');
  const { runtimeStatus, failure } = (await env.client.getStatus(id)) ?? {};
  expect(runtimeStatus).toBe('Failed');
  expect(failure?.message).toContain('the mail server is busy (try 3)');
});

it('a mail server that never answers costs three times 30 seconds', async () => {
  const env = createTestEnvironment({ functions: [...functions, mock(sendMail, hang())] });
  const id = await env.client.startNew(sendInvoice, { input: { to: 'ann@example.com' } });
  await env.advance('91s');
  expect((await env.client.getStatus(id))?.runtimeStatus).toBe('Running');
  await env.advance('1s');
  expect((await env.client.getStatus(id))?.failure?.message).toContain('30');
});
