/**
 * Fan-out, fan-in: many activities at the same time, then one answer out of all of theirs. Here the words of a text are
 * counted, each sentence by an activity of its own, on as many machines as there are workers.
 */
import { activity, orchestration } from 'perdure';

export const countWords = orchestration('CountWords', async (ctx, text: string) => {
  // How many there are is known only now.
  const sentences = await ctx.callActivity(split, text);

  // Out: all calls are scheduled before anything is awaited. In: the counts, in the order of the sentences.
  const counts = await Promise.all(sentences.map((sentence) => ctx.callActivity(countSentence, sentence)));

  return {
    sentences: counts.length,
    words: counts.reduce((sum, count) => sum + count, 0),
    longest: Math.max(0, ...counts),
  };
});

export const split = activity('Split', async (text: string) => {
  const sentences = text.split('.').map((sentence) => sentence.trim());
  return sentences.filter((sentence) => sentence !== '');
});

// Ten at a time in each worker, however many there are to do; the others wait in the queue.
export const countSentence = activity('CountSentence', { maxConcurrentPerWorker: 10 }, async (sentence: string) => {
  return sentence.split(/\s+/).length;
});
