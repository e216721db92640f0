import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import {
  completed,
  failureOf,
  LiveRun,
  play,
  raised,
  resultOf,
  started,
  turn,
  replayOf,
  type Body,
} from './support.ts';

const advice = /An orchestrator may only await tasks of its context; move other asynchronous work into an activity\.$/;

describe('awaiting what is not a task', () => {
  it('is fine when it needs no more than microtasks', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      for (let i = 0; i < 100; i += 1) await null;
      const a = await ctx.callActivity('A');
      return Promise.all([a, Promise.resolve(2)]);
    };
    expect(resultOf(await play(body, completed(0, 1)))).toEqual([1, 2]);
  });

  it.each<[string, Body]>([
    ['a promise that never settles', () => new Promise(() => undefined)],
    ['a real timer', async () => sleep(1)],
    ['a tick', async () => new Promise<void>((resolve) => process.nextTick(resolve))],
    [
      'a cancelled timer',
      function* (ctx: OrchestrationContext) {
        const timer = ctx.createTimer(5);
        timer.cancel();
        yield timer;
      },
    ],
    [
      'a yield of an async generator that waits for I/O',
      async function* () {
        await sleep(1);
        yield undefined as never;
      },
    ],
  ])('fails the instance at once when nothing is open: %s', async (_what, body) => {
    const failure = failureOf(await new LiveRun(body).start());
    expect(failure.errorType).toBe('NonDurableAwaitError');
    expect(failure.message).toMatch(/^The orchestrator waits, but no task of its context is open/);
    expect(failure.message).toMatch(advice);
  });

  it('is found at the turn that leaves nothing open', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      ctx.setCustomStatus('now');
      await sleep(1);
    };
    const run = new LiveRun(body);
    await run.start();
    const decision = await run.turn(completed(0));
    expect(failureOf(decision).errorType).toBe('NonDurableAwaitError');
    expect(decision.customStatus).toBe('"now"');
  });

  it('is not suspected while something is open', async () => {
    const bodies: Body[] = [
      async (ctx: OrchestrationContext) => ctx.callActivity('A'),
      async (ctx: OrchestrationContext) => ctx.createTimer(1),
      async (ctx: OrchestrationContext) => ctx.waitForExternalEvent('E'),
    ];
    for (const body of bodies) expect((await new LiveRun(body).start()).actions.length).toBeLessThan(2);
  });

  it.each<[string, (ctx: OrchestrationContext) => unknown]>([
    ['callActivity', (ctx) => ctx.callActivity('B')],
    ['createTimer', (ctx) => ctx.createTimer(1)],
    ['waitForExternalEvent', (ctx) => ctx.waitForExternalEvent('E')],
    ['setCustomStatus', (ctx) => ctx.setCustomStatus(1)],
    ['newGuid', (ctx) => ctx.newGuid()],
    ['all', (ctx) => ctx.all([])],
    ['any', (ctx) => ctx.any([])],
  ])('and then using the context (%s) throws, and fails the instance in its next turn', async (name, use) => {
    let thrown: unknown;
    const run = new LiveRun(async (ctx: OrchestrationContext) => {
      const open = ctx.callActivity('A');
      await sleep(1);
      try {
        use(ctx);
      } catch (error) {
        thrown = error;
      }
      await open;
    });
    expect((await run.start()).actions).toHaveLength(1);
    await sleep(10);
    expect(String(thrown)).toContain(`${name} was used outside a turn`);
    const failure = failureOf(await run.turn(completed(0)));
    expect(failure).toMatchObject({ errorType: 'NonDurableAwaitError', message: expect.stringContaining(name) });
    expect(failure.message).toMatch(advice);
    expect(await run.turn(raised('E'))).toEqual({ actions: [] });
  });

  it('and then awaiting a task, or returning, is found as well', async () => {
    const bodies: Body[] = [
      async (ctx: OrchestrationContext) => {
        const open = ctx.callActivity('A');
        await sleep(1);
        await open;
      },
      async (ctx: OrchestrationContext) => {
        ctx.callActivity('A');
        await sleep(1);
        return 'lost';
      },
    ];
    for (const body of bodies) {
      const run = new LiveRun(body);
      await run.start();
      await sleep(10);
      expect(failureOf(await run.turn(completed(0))).message).toContain('outside a turn');
    }
  });

  it('is found when it happens between two parts of a long turn', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const open = ctx.callActivity('A');
      await new Promise((resolve) => setImmediate(resolve));
      ctx.callActivity('B');
      await open;
    };
    const events = Array.from({ length: 10_000 }, () => raised('E'));
    const decision = await replayOf(body).advance({ history: [], newEvents: [turn(), started(), ...events] });
    expect(failureOf(decision).message).toContain('callActivity was used outside a turn');
  });

  it('does not matter to an instance that has completed or is gone', async () => {
    const errors: unknown[] = [];
    const stray: Body = (ctx: OrchestrationContext) => {
      setTimeout(() => {
        try {
          ctx.newGuid();
        } catch (error) {
          errors.push(error);
        }
      }, 1);
      return 'done';
    };
    const run = new LiveRun(stray);
    expect(resultOf(await run.start())).toBe('done');
    await sleep(10);
    expect(errors).toHaveLength(1);
    expect(await run.turn(raised('E'))).toEqual({ actions: [] });
  });
});
