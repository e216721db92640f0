import { expect, it } from 'vitest';
import { createTestEnvironment, mock } from 'perdure/testing';
import * as sample from './index.ts';

const functions = Object.values(sample);

it('a photo goes through every step, each with what the one before gave', async () => {
  const env = createTestEnvironment({ functions });
  expect(await env.run(sample.publishPhoto, { input: 'cat.jpg' })).toBe('https://photos.example/cat-800-signed.jpg');
  expect(env.activityCalls().map((call) => call.input)).toEqual([
    { photo: 'cat.jpg', width: 800 },
    'cat-800.jpg',
    'cat-800-signed.jpg',
  ]);
});

it('a worker that dies between two steps does not repeat the first', async () => {
  const env = createTestEnvironment({ functions });
  env.injectFault({ at: 'activity', activity: sample.addWatermark, fault: 'crash-before' });
  await env.run(sample.publishPhoto, { input: 'cat.jpg' });
  expect(env.activityCalls(sample.resize)).toHaveLength(1);
  expect(env.activityCalls(sample.publish)).toHaveLength(1);
});

it('a step that fails ends the chain', async () => {
  const broken = mock(sample.addWatermark, () => {
    throw new Error('no ink');
  });
  const env = createTestEnvironment({ functions: [...functions, broken] });
  await expect(env.run(sample.publishPhoto, { input: 'cat.jpg' })).rejects.toThrow(/no ink/);
  expect(env.activityCalls(sample.publish)).toEqual([]);
});
