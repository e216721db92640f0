/**
 * What the recorded histories are histories of. This code stands still: an orchestration that was recorded is never
 * changed again, for it must decide the same for ever. What is new gets a new name, and a scenario.
 */
import { activity, orchestration, type OrchestrationDefinition } from 'perdure';

const work = activity('Work', async (input: { readonly id: number; readonly failures?: number }, ctx) => {
  if (ctx.attempt <= (input.failures ?? 0)) throw new RangeError(`no ${input.id}, attempt ${ctx.attempt}`);
  return input.id;
});

export const timers = orchestration('Timers', async (ctx) => {
  const long = ctx.createTimer('30d');
  await Promise.all([ctx.createTimer(1_500), ctx.createTimer('2h'), ctx.createTimer(new Date(0))]);
  long.cancel();
  await ctx.createTimer('PT24H');
  return ctx.currentUtcDateTime;
});

export const events = orchestration('Events', async (ctx) => {
  const first = await ctx.waitForExternalEvent<string>('Go');
  await ctx.createTimer('1m');
  const kept = await ctx.waitForExternalEvent<string>('Go');
  const [a, b] = await Promise.all([
    ctx.waitForExternalEvent('Left', { timeout: '1h' }),
    ctx.waitForExternalEvent('Right', { timeout: '1h', defaultValue: 'none' }),
  ]);
  return [first, kept, a, b];
});

export const retries = orchestration('Retries', async (ctx) => {
  const retry = { firstRetryIntervalInMilliseconds: 1_000, backoffCoefficient: 3, maxNumberOfAttempts: 3 };
  const good = await ctx.callActivity(work, { id: 1, failures: 2 }, { retry });
  try {
    await ctx.callActivity(work, { id: 2, failures: 9 }, { retry });
    return 'never';
  } catch (error) {
    return [good, error instanceof Error ? error.name : error];
  }
});

export const fanOut = orchestration('FanOut', async (ctx, count: number) => {
  const ids = Array.from({ length: count }, (_, id) => id);
  const results = await ctx.all(ids.map((id) => ctx.callActivity(work, { id })));
  const timer = ctx.createTimer('1h');
  const call = ctx.callActivity(work, { id: count });
  const winner = await ctx.any<typeof timer | typeof call>([timer, call]);
  if (winner === call) timer.cancel();
  ctx.setCustomStatus({ results, guid: ctx.newGuid() });
  await ctx.createTimer(1);
  return results.length;
});

export const generator = orchestration('Generator', function* (ctx): Generator<unknown, unknown, never> {
  const one: number = yield ctx.callActivity(work, { id: 1 });
  yield ctx.createTimer('5s');
  const two = yield* ctx.callActivity(work, { id: 2 });
  return one + two;
});

export const failing = orchestration('Failing', async (ctx) => {
  await ctx.callActivity(work, { id: 1 });
  await ctx.callActivity(work, { id: 2, failures: 1 });
});

export const sender = orchestration('Sender', async (ctx, to: string) => {
  await ctx.createTimer('1s');
  ctx.sendEvent(to, 'Go', { from: ctx.instanceId });
  await ctx.createTimer('1s');
});

export const caller = orchestration('Caller', async (ctx) => {
  const response = await ctx.callHttp({ method: 'POST', url: 'http://api.example.com/jobs', body: { id: 1 } });
  return [response.statusCode, response.content];
});

/** Everything that the scenarios run. */
export const definitions: readonly OrchestrationDefinition<never, unknown>[] = [
  timers,
  events,
  retries,
  fanOut,
  generator,
  failing,
  sender,
  caller,
];

export const activities = [work];
