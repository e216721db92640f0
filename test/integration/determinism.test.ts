import { expect, it } from 'vitest';
import {
  activity,
  orchestration,
  type OrchestrationContext,
  type OrchestrationDefinition,
} from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes, type Ended, type TestHub, type TestHubs } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const echo = activity('Echo', (input: unknown) => input);
const other = activity('Other', (input: unknown) => input);

type Body = (ctx: OrchestrationContext) => PromiseLike<unknown>;
type AnyOrchestration = OrchestrationDefinition<unknown, unknown>;

/** Runs one body until it waits for Go, then goes on with another under the same name, as after a deployment. */
async function changeCode(
  open: TestHubs['open'],
  { before, after, reached }: { readonly before: Body; readonly after: Body; readonly reached: number },
): Promise<{ readonly hub: TestHub; readonly ended: Ended }> {
  const taskHub = freshName();
  const define = (body: Body): AnyOrchestration =>
    orchestration('Changed', async (ctx): Promise<unknown> => {
      const result = await body(ctx);
      return [result, await ctx.waitForExternalEvent('Go')];
    });
  const old = await open({ taskHub, functions: [define(before), echo, other] });
  const id = await old.client.startNew('Changed');
  await waitFor(async () => eventsOf(await historyOf(old, id), 'OrchestratorStarted').length >= reached);
  await old.stop();
  const hub = await open({ taskHub, functions: [define(after), echo, other] });
  await hub.client.raiseEvent(id, 'Go', 'went on');
  return { hub, ended: await hub.finish(id) };
}

inBothModes('F25 changed code', ({ open }) => {
  it.each<{ readonly title: string; readonly before: Body; readonly after: Body; readonly says: readonly string[] }>([
    {
      title: 'B138: another activity',
      before: (ctx) => ctx.callActivity(echo),
      after: (ctx) => ctx.callActivity(other),
      says: ["'Echo'", "'Other'"],
    },
    {
      title: 'B139: a timer instead of an activity',
      before: (ctx) => ctx.callActivity(echo),
      after: (ctx) => ctx.createTimer(1),
      says: ["'Echo'", 'timer'],
    },
    {
      title: 'B139: an activity instead of a timer',
      before: (ctx) => ctx.createTimer(1),
      after: (ctx) => ctx.callActivity(echo),
      says: ['timer', "'Echo'"],
    },
    {
      title: 'B140: nothing any more',
      before: (ctx) => ctx.callActivity(echo),
      after: async () => undefined,
      says: ["'Echo'"],
    },
    {
      title: 'an activity that was not there',
      before: async (ctx) => ctx.callActivity(echo),
      after: async (ctx) => [await ctx.callActivity(echo), await ctx.callActivity(other)],
      says: ["'Other'"],
    },
  ])('$title is a NonDeterminismError that names both sides', async ({ before, after, says }) => {
    const { ended } = await changeCode(open, { before, after, reached: 2 });
    expect(ended).toMatchObject({ runtimeStatus: 'Failed', failure: { errorType: 'NonDeterminismError' } });
    for (const text of says) expect(ended.failure?.message).toContain(text);
    expect(ended.failure?.message).toMatch(/event \d+ of the history|end of the history/);
  });

  it.each<{ readonly title: string; readonly before: Body; readonly after: Body }>([
    {
      title: 'another input',
      before: async (ctx) => ctx.callActivity(echo, 'old'),
      after: async (ctx) => ctx.callActivity(echo, 'new'),
    },
    {
      title: 'another time',
      before: async (ctx) => {
        await ctx.createTimer(1);
        return 'old';
      },
      after: async (ctx) => {
        await ctx.createTimer('1h');
        return 'old';
      },
    },
    {
      title: 'another case',
      before: async (ctx) => ctx.callActivity('Echo', 'old'),
      after: async (ctx) => ctx.callActivity('ECHO', 'old'),
    },
    {
      title: 'another custom status and other logs',
      before: async (ctx) => ctx.callActivity(echo, 'old'),
      after: async (ctx) => {
        ctx.setCustomStatus('new');
        ctx.log.info('new');
        return ctx.callActivity(echo, 'old');
      },
    },
  ])('B141: $title is no error; what was recorded counts', async ({ before, after }) => {
    const { ended } = await changeCode(open, { before, after, reached: 2 });
    expect(ended.output).toEqual(['old', 'went on']);
  });

  it('F25 a failed replay does nothing of what the new code asked for', async () => {
    let runs = 0;
    const taskHub = freshName();
    const counted = activity('Counted', () => void (runs += 1));
    const old = await open({
      taskHub,
      functions: [orchestration('Changed', async (ctx) => ctx.waitForExternalEvent('Go'))],
    });
    const id = await old.client.startNew('Changed');
    await old.reach(id, 'Running');
    await old.stop();
    const body = orchestration('Changed', async (ctx) => {
      await ctx.callActivity(counted);
      await ctx.waitForExternalEvent('Go');
    });
    const hub = await open({ taskHub, functions: [body, counted] });
    await hub.client.raiseEvent(id, 'Go');
    expect(await hub.finish(id)).toMatchObject({ failure: { errorType: 'NonDeterminismError' } });
    await hub.stop();
    expect(runs).toBe(0);
  });
});

inBothModes('failures', ({ open, database }) => {
  class OutOfStock extends RangeError {
    override readonly name = 'OutOfStock';
  }
  it.each<readonly [string, () => unknown, object]>([
    [
      'an error',
      () => new TypeError('no'),
      { errorType: 'TypeError', message: 'no', stackTrace: expect.stringContaining('no') },
    ],
    ['an error of its own', () => new OutOfStock('no pink'), { errorType: 'OutOfStock', message: 'no pink' }],
    ['a text', () => 'no', { errorType: 'Error', message: 'no' }],
    ['nothing', () => undefined, { errorType: 'Error' }],
    ['null', () => null, { errorType: 'Error', message: 'null' }],
    ['an object', () => ({ code: 7 }), { message: '{"code":7}' }],
    ['U+0000', () => new Error('a\u0000b'), { message: 'a\ufffdb' }],
    ['a text without end', () => new Error('x'.repeat(1_000_000)), { message: expect.stringMatching(/^x{8191}…$/) }],
    [
      'an error with a cause',
      () => new Error('outer', { cause: new Error('inner') }),
      { innerFailure: { message: 'inner' } },
    ],
  ])('B142: an orchestrator that throws %s has Failed, with what it threw', async (_, thrown, failure) => {
    const body = orchestration('Body', async (ctx) => {
      await ctx.callActivity(echo);
      throw thrown();
    });
    const hub = await open({ functions: [body, echo] });
    const ended = await hub.run(body);
    expect(ended).toMatchObject({ runtimeStatus: 'Failed', output: undefined, failure });
  });

  it.each<readonly [string, () => unknown]>([
    ['a function', () => () => 1],
    ['a BigInt', () => 1n],
    ['Infinity', () => Number.POSITIVE_INFINITY],
  ])('an orchestrator that returns %s fails, saying why', async (_, make) => {
    const hub = await open({ functions: [orchestration<unknown, unknown>('Body', make)] });
    expect(await hub.run('Body')).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { message: expect.stringMatching(/Body.*JSON/) },
    });
  });

  it('B143: a start of a name that no live worker lists is refused, and nothing is stored', async () => {
    const hub = await open({ functions: [orchestration('Known', () => 1)] });
    await expect(hub.client.startNew('Unknown')).rejects.toMatchObject({
      code: 'OrchestratorNotRegistered',
      message: expect.stringContaining('Unknown'),
    });
    expect((await hub.client.getStatusBy({})).instances).toEqual([]);
  });

  it('F26 B143: an instance whose name nobody runs waits untouched until somebody does', async () => {
    const taskHub = freshName();
    const early = await open({ taskHub, worker: false });
    const id = await early.client.startNew('Later', { input: 1 });
    const others = await open({ taskHub, functions: [orchestration('Known', () => 1)] });
    const pending = await early.client.getStatus(id);
    for (let n = 0; n < 10; n += 1) await others.run('Known');
    expect(await early.client.getStatus(id)).toEqual(pending);
    const late = await open({ taskHub, functions: [orchestration('Later', (_ctx, input: unknown) => input)] });
    expect((await late.finish(id)).output).toBe(1);
  });

  it('F44 B144: the end of an activity that is told twice counts once', async () => {
    const body = orchestration('Body', async (ctx) => [
      await ctx.callActivity(echo, 'first'),
      await ctx.waitForExternalEvent('Go'),
    ]);
    const hub = await open({ functions: [body, echo] });
    const id = await hub.client.startNew(body);
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'TaskCompleted').length === 1);
    const instance = await hub.client.getStatus(id);
    const again = { type: 'TaskCompleted', taskScheduledId: 0, result: '"second"' };
    for (let n = 0; n < 3; n += 1) {
      await execute(
        database,
        'insert into messages (instance_key, hub_id, event) select key, hub_id, $2 from instances where key = $1',
        [instance?.key, JSON.stringify(again)],
      );
    }
    await hub.client.raiseEvent(id, 'Go', 'third');
    expect((await hub.finish(id)).output).toEqual(['first', 'third']);
    expect(eventsOf(await historyOf(hub, id), 'TaskCompleted')).toHaveLength(1);
  });

  it('F23 one instance that fails harms no other', async () => {
    const hub = await open({
      functions: [
        orchestration('Good', async (ctx, n: number) => ctx.callActivity(echo, n)),
        orchestration('Bad', async (ctx) => {
          await ctx.callActivity(echo);
          throw new Error('on purpose');
        }),
        echo,
      ],
    });
    const ended = await Promise.all(
      Array.from({ length: 40 }, (_, n) => hub.run(n % 2 === 0 ? 'Good' : 'Bad', { input: n })),
    );
    expect(ended.filter((one) => one.runtimeStatus === 'Completed').map((one) => one.output)).toEqual(
      Array.from({ length: 20 }, (_, n) => n * 2),
    );
    expect(ended.filter((one) => one.runtimeStatus === 'Failed')).toHaveLength(20);
  });
});
