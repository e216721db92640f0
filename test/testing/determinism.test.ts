/** The same test gives the same history, and faults change nothing that an orchestration can see. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activity, orchestration, type OrchestrationContext } from 'perdure';
import { assertReplays, createTestEnvironment, type Fault, type TestEnvironmentOptions } from 'perdure/testing';

const work = activity('Work', async (input: { id: number; fails: number }, ctx) => {
  await Promise.resolve();
  if (ctx.attempt <= input.fails) throw new Error(`no ${input.id}.${ctx.attempt}`);
  return input.id;
});

/** What an orchestration is made of. */
type Step =
  | { readonly do: 'call'; readonly id: number; readonly fails: number }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'listen'; readonly name: string; readonly timeoutMs: number }
  | { readonly do: 'race'; readonly ms: number; readonly id: number }
  | { readonly do: 'together'; readonly steps: readonly Step[] };

async function play(ctx: OrchestrationContext, step: Step): Promise<unknown> {
  switch (step.do) {
    case 'call':
      try {
        const retry = { firstRetryIntervalInMilliseconds: 700, maxNumberOfAttempts: 2 };
        return await ctx.callActivity(work, { id: step.id, fails: step.fails }, { retry });
      } catch (error) {
        return error instanceof Error ? error.message : error;
      }
    case 'sleep':
      await ctx.createTimer(step.ms);
      return ctx.currentUtcDateTime.getTime();
    case 'listen':
      return ctx.waitForExternalEvent(step.name, { timeout: step.timeoutMs, defaultValue: 'nothing' });
    case 'race': {
      const timer = ctx.createTimer(step.ms);
      const call = ctx.callActivity(work, { id: step.id, fails: 0 });
      const winner = await ctx.any<typeof timer | typeof call>([timer, call]);
      if (winner === call && !timer.isCompleted) timer.cancel();
      return winner === call ? 'call' : 'timer';
    }
    case 'together':
      return Promise.all(step.steps.map((inner) => play(ctx, inner)));
  }
}

const program = orchestration('Program', async (ctx, steps: readonly Step[]) => {
  const results: unknown[] = [];
  for (const step of steps) {
    results.push(await play(ctx, step));
    ctx.setCustomStatus(results.length);
  }
  return { results, id: ctx.newGuid() };
});

interface Story {
  readonly steps: readonly Step[];
  readonly events: readonly { readonly name: string; readonly afterMs: number }[];
}

async function tell(story: Story, options: Partial<TestEnvironmentOptions> = {}) {
  const env = createTestEnvironment({ functions: [program, work], ...options });
  const id = await env.client.startNew(program, { input: story.steps });
  for (const { name, afterMs } of story.events) {
    await env.advance(afterMs);
    const status = await env.client.getStatus(id);
    if (status?.runtimeStatus === 'Running') await env.raiseEvent(id, name, afterMs);
  }
  const instance = await env.client.waitForCompletion(id, { timeoutMs: 864_000_000 });
  return { env, instance, history: await env.history(id) };
}

const sleepMs = fc.constantFrom(1, 400, 700, 1_000, 60_000, 86_400_000);
const leaf: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('call' as const), id: fc.nat(99), fails: fc.nat(3) }),
  fc.record({ do: fc.constant('sleep' as const), ms: sleepMs }),
  fc.record({ do: fc.constant('listen' as const), name: fc.constantFrom('A', 'b'), timeoutMs: sleepMs }),
  fc.record({ do: fc.constant('race' as const), ms: sleepMs, id: fc.nat(99) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('together' as const), steps: fc.array(leaf, { maxLength: 4 }) }),
  },
);
const story: fc.Arbitrary<Story> = fc.record({
  steps: fc.array(step, { maxLength: 5 }),
  events: fc.array(fc.record({ name: fc.constantFrom('a', 'B'), afterMs: fc.nat(2_000) }), { maxLength: 4 }),
});

const busy: Story = {
  steps: [
    { do: 'together', steps: Array.from({ length: 5 }, (_, id) => ({ do: 'call', id, fails: id % 3 })) },
    { do: 'listen', name: 'A', timeoutMs: 60_000 },
    { do: 'race', ms: 1_000, id: 7 },
    { do: 'sleep', ms: 86_400_000 },
    { do: 'call', id: 8, fails: 9 },
  ],
  events: [{ name: 'a', afterMs: 1_500 }],
};

// Thousands of small runs: much for a machine that does other things too.
const timeout = 120_000;

describe('the same test', { timeout }, () => {
  it('run 200 times, also many at a time, gives the same history to the letter', async () => {
    const { history: expected } = await tell(busy);
    expect(expected.runtimeStatus).toBe('Completed');
    for (let round = 0; round < 100; round += 1) expect((await tell(busy)).history).toEqual(expected);
    const together = await Promise.all(Array.from({ length: 100 }, () => tell(busy)));
    for (const { history } of together) expect(history).toEqual(expected);
  });

  it('gives the same history whatever it is about', async () => {
    await fc.assert(
      fc.asyncProperty(story, async (given) => {
        expect((await tell(given)).history).toEqual((await tell(given)).history);
      }),
      { numRuns: 40, interruptAfterTimeLimit: 60_000 },
    );
  });
});

/** The worker that takes over dies before its start has come to an end. */
const diesWhileItStarts: [Story, (Fault | undefined)[], boolean] = [
  {
    steps: [
      {
        do: 'together',
        steps: [
          { do: 'call', id: 0, fails: 0 },
          { do: 'call', id: 47, fails: 0 },
          { do: 'call', id: 43, fails: 2 },
        ],
      },
      { do: 'race', ms: 700, id: 0 },
      { do: 'call', id: 93, fails: 3 },
      { do: 'sleep', ms: 700 },
      {
        do: 'together',
        steps: [
          { do: 'sleep', ms: 1 },
          { do: 'race', ms: 1, id: 70 },
          { do: 'call', id: 96, fails: 3 },
        ],
      },
    ],
    events: [
      { name: 'a', afterMs: 1_028 },
      { name: 'a', afterMs: 615 },
      { name: 'a', afterMs: 1_961 },
    ],
  },
  ['crash-after', 'duplicate', 'crash-before'],
  false,
];

describe('an orchestration under faults', { timeout }, () => {
  const fault = fc.constantFrom<(Fault | undefined)[]>(
    undefined,
    undefined,
    undefined,
    'crash-before',
    'crash-after',
    'duplicate',
  );

  it('ends as without them, each call completed once, and replays', async () => {
    await fc.assert(
      fc.asyncProperty(story, fc.array(fault, { maxLength: 40 }), fc.boolean(), async (given, plan, forget) => {
        const calm = await tell(given);
        let moment = 0;
        const faults = (): Fault | undefined => plan[moment++];
        const { instance, history, env } = await tell(given, { faults, forgetAfterEachTurn: forget });
        expect(instance).toMatchObject({ runtimeStatus: 'Completed' });
        expect(instance?.output).toBe(calm.instance?.output);
        expect(instance?.customStatus).toBe(calm.instance?.customStatus);
        expect(env.now).toEqual(calm.env.now);

        const scheduled = history.events.filter((event) => event.type === 'TaskScheduled');
        const ended = history.events.flatMap((event) => ('taskScheduledId' in event ? [event.taskScheduledId] : []));
        expect(new Set(ended).size).toBe(ended.length);
        const name = (event: (typeof scheduled)[number]) =>
          `${event.eventId} ${event.attempt ?? 1} ${event.input ?? ''}`;
        const expected = calm.history.events.filter((event) => event.type === 'TaskScheduled');
        expect(scheduled.map(name).toSorted()).toEqual(expected.map(name).toSorted());
        await assertReplays(history, program);
      }),
      { numRuns: 100, interruptAfterTimeLimit: 60_000, examples: [diesWhileItStarts] },
    );
  });
});
