/**
 * What the recorded histories are histories of. This code stands still: an orchestration that was recorded is never
 * changed again, for it must decide the same for ever. What is new gets a new name, and a scenario.
 */
import { activity, entity, orchestration, type OrchestrationDefinition } from 'perdure';

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

const child = orchestration('Child', async (ctx, failures: number) => {
  return await ctx.callActivity(work, { id: 7, failures });
});

export const parent = orchestration('Parent', async (ctx) => {
  const retry = { firstRetryIntervalInMilliseconds: 1_000, maxNumberOfAttempts: 2 };
  const both = await Promise.all([
    ctx.callSubOrchestrator(child, 0),
    ctx.callSubOrchestrator(child, 0, { instanceId: 'named-child', version: '2' }),
  ]);
  try {
    await ctx.callSubOrchestrator(child, 1, { retry });
    return 'never';
  } catch (error) {
    return [both, error instanceof Error ? error.name : error];
  }
});

export const rewound = orchestration('Rewound', async (ctx) => {
  await ctx.createTimer('1s');
  return await ctx.callSubOrchestrator(child, 1);
});

export const eternal = orchestration('Eternal', async (ctx, round: number) => {
  const event = await ctx.waitForExternalEvent<string>('Tick');
  ctx.setCustomStatus({ round, event });
  if (round < 2) ctx.continueAsNew(round + 1);
  else await ctx.createTimer('1h');
});

export const counter = entity('Counter', {
  initialState: () => 0,
  operations: {
    add: (ctx, n: number) => (ctx.state += n),
    fail: () => {
      throw new RangeError('no');
    },
  },
});

export const locks = orchestration('Locks', async (ctx) => {
  const [a, b] = [counter.id('a'), counter.id('b')];
  ctx.signalEntity(a, 'add', 1);
  const lock = await ctx.lock([b, a]);
  const sums = [await ctx.callEntity(a, 'add', 2), await ctx.callEntity(b, 'add', 3)];
  lock.release();
  try {
    await ctx.callEntity(a, 'fail');
    return 'never';
  } catch (error) {
    return [sums, error instanceof Error ? error.name : error];
  }
});

/** Everything that the scenarios run. */
export const definitions: readonly OrchestrationDefinition<never, unknown>[] = [
  child,
  parent,
  rewound,
  eternal,
  locks,
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

export const entities = [counter];
