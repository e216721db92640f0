import { expect, it } from 'vitest';
import { createTestEnvironment } from 'perdure/testing';
import { rating } from './index.ts';

it('every vote is counted, for each product by itself', async () => {
  const env = createTestEnvironment({ functions: [rating] });
  await Promise.all([5, 4, 3].map((stars) => env.client.signalEntity(rating.id('tea'), 'vote', stars)));
  await env.client.signalEntity(rating.id('coffee'), 'vote', 1);
  expect(await env.client.readEntityState(rating.id('tea'))).toEqual({
    entityExists: true,
    entityState: { votes: 3, stars: 12 },
  });
});

it('a vote that is none changes nothing', async () => {
  const env = createTestEnvironment({ functions: [rating] });
  await env.client.signalEntity(rating.id('tea'), 'vote', 5);
  await env.client.signalEntity(rating.id('tea'), 'vote', 99);
  expect((await env.client.readEntityState(rating.id('tea'))).entityState).toEqual({ votes: 1, stars: 5 });
});
