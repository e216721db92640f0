import { expect, it } from 'vitest';
import { createTestEnvironment, failFirst, hang, mock } from 'perdure/testing';
import * as sample from './index.ts';

const functions = Object.values(sample);
const { openOffice, install } = sample;

it('each laptop is an instance of its own, and the office gets all of them', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(openOffice, { input: ['ann', 'bob'], instanceId: 'berlin' });
  expect(await env.outputOf(id)).toEqual({ laptops: ['LT-ANN', 'LT-BOB'] });
  expect(await env.outputOf('berlin-ann')).toBe('LT-ANN');
});

it('a laptop that cannot be set up is tried again from its first step', async () => {
  const env = createTestEnvironment({
    functions: [
      ...functions,
      mock(
        install,
        failFirst(1, () => undefined),
      ),
    ],
  });
  expect(await env.run(openOffice, { input: ['ann'], timeoutMs: 1_000 })).toEqual({ laptops: ['LT-ANN'] });
  expect(env.activityCalls(sample.takeFromStock)).toHaveLength(2);
});

it('terminated with everything below it, nothing goes on', async () => {
  const env = createTestEnvironment({ functions: [...functions, mock(install, hang())] });
  const id = await env.client.startNew(openOffice, { input: ['ann'], instanceId: 'berlin' });
  await env.client.terminate(id, 'no office after all', { recursive: true });
  expect((await env.client.getStatus('berlin-ann'))?.runtimeStatus).toBe('Terminated');
});
