import { expect, it } from 'vitest';
import { createTestEnvironment, inTurn, mock } from 'perdure/testing';
import * as sample from './index.ts';

const functions = Object.values(sample);
const text = 'Call me Ishmael. Some years ago I went to sea. There I met a whale.';

it('counts each sentence by itself and adds up', async () => {
  const env = createTestEnvironment({ functions });
  expect(await env.run(sample.countWords, { input: text })).toEqual({ sentences: 3, words: 15, longest: 7 });
  expect(env.activityCalls(sample.countSentence)).toHaveLength(3);
});

it('a text without words is no trouble', async () => {
  const env = createTestEnvironment({ functions });
  expect(await env.run(sample.countWords, { input: ' . . ' })).toEqual({ sentences: 0, words: 0, longest: 0 });
});

it('a sentence that cannot be counted fails it all, while the others are counted', async () => {
  const broken = mock(sample.countSentence, inTurn(1, new Error('illegible'), 3));
  const env = createTestEnvironment({ functions: [...functions, broken] });
  await expect(env.run(sample.countWords, { input: text })).rejects.toThrow(/illegible/);
  expect(env.activityCalls(sample.countSentence)).toHaveLength(3);
});
