import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until the answer is something, and returns it. An answer of `undefined`, `null` or `false` means
 * "not yet"; an error ends the wait.
 *
 * @param options.what names the condition in the error
 * @throws Error when the time is up (default 10 s)
 */
export async function waitFor<T>(
  condition: () => Promise<T> | T,
  options: { readonly timeoutMs?: number; readonly intervalMs?: number; readonly what?: string } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const { timeoutMs = 10_000, intervalMs = 10, what = 'the condition' } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await condition();
    if (isAnswer(answer)) return answer;
    if (performance.now() >= deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(intervalMs);
  }
}

function isAnswer<T>(answer: T): answer is Exclude<T, undefined | null | false> {
  return answer !== undefined && answer !== null && answer !== false;
}
