import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deterministicGuid } from '../../src/core/replay/deterministic.ts';
import { activity, orchestration, type OrchestrationContext } from '../../src/model/functions.ts';
import {
  completed,
  failureOf,
  LiveRun,
  play,
  raised,
  replayOf,
  resultOf,
  scheduled,
  started,
  startTime,
  turn,
  type Body,
} from './support.ts';

describe('callActivity', () => {
  it('takes a definition or a name', async () => {
    const send = activity('Send', (input: { to: string }) => input.to.length);
    const run = new LiveRun((ctx: OrchestrationContext) => {
      ctx.callActivity(send, { to: 'a' });
      ctx.callActivity('Send', { to: 'b' }, { version: '2' });
    });
    expect((await run.start()).actions.slice(0, 2)).toEqual([
      { type: 'ScheduleTask', id: 0, name: 'Send', input: '{"to":"a"}' },
      { type: 'ScheduleTask', id: 1, name: 'Send', input: '{"to":"b"}', version: '2' },
    ]);
  });

  it('throws for what cannot be called, and for inputs that JSON cannot hold', async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const run = new LiveRun((ctx: OrchestrationContext) => {
      const loose: { callActivity(...args: unknown[]): unknown } = ctx;
      const bad = [[''], [undefined], [orchestration('O', () => 1)], ['A', 1n], ['A', cyclic], ['A', () => 1]];
      return bad.map((args) => {
        try {
          return loose.callActivity(...args);
        } catch (error) {
          return String(error).slice(0, 70);
        }
      });
    });
    const notCallable = 'TypeError: callActivity(activity, …): the first argument must be an ac';
    const notStorable = "TypeError: The input of activity 'A' cannot be stored as JSON: ";
    const decision = await run.start();
    expect(decision.actions).toHaveLength(1);
    expect(resultOf(decision)).toEqual([
      notCallable,
      notCallable,
      notCallable,
      expect.stringContaining(notStorable),
      expect.stringContaining(notStorable),
      expect.stringContaining(notStorable),
    ]);
  });
});

describe('time', () => {
  it('is that of the turn, the same within it, and never goes back', async () => {
    const seen: number[] = [];
    const run = replayOf(async (ctx: OrchestrationContext) => {
      for (let i = 0; i < 3; i += 1) {
        const before = ctx.currentUtcDateTime;
        before.setFullYear(1999);
        seen.push(ctx.currentUtcDateTime.getTime() - startTime);
        await ctx.callActivity('A');
      }
    });
    await run.advance({ history: [], newEvents: [turn(startTime), started()] });
    await run.advance({ history: [], newEvents: [turn(startTime + 50), completed(0)] });
    await run.advance({ history: [], newEvents: [turn(startTime + 20), completed(1)] });
    expect(seen).toEqual([0, 50, 50]);
  });
});

describe('isReplaying', () => {
  const flags = (seen: boolean[]): Body =>
    async function (ctx: OrchestrationContext) {
      seen.push(ctx.isReplaying);
      await ctx.callActivity('A');
      seen.push(ctx.isReplaying);
      await ctx.callActivity('B');
      seen.push(ctx.isReplaying);
    };

  it('is true for events of history and false for new ones', async () => {
    const seen: boolean[] = [];
    const history = [turn(), started(), scheduled(0), turn(), completed(0), scheduled(1, 'B')];
    await replayOf(flags(seen)).advance({ history, newEvents: [turn(), completed(1)] });
    expect(seen).toEqual([true, true, false]);
  });

  it('is false for a live run', async () => {
    const seen: boolean[] = [];
    const run = new LiveRun(flags(seen));
    await run.start();
    await run.turn(completed(0));
    await run.turn(completed(1));
    expect(seen).toEqual([false, false, false]);
  });
});

describe('log', () => {
  const body: Body = async (ctx: OrchestrationContext) => {
    ctx.log.debug('one');
    await ctx.callActivity('A');
    ctx.log.info('two', { n: 2 });
    ctx.log.warn('three');
    ctx.log.error('four');
  };

  it('writes each line once, not again in a replay', async () => {
    const lines: unknown[][] = [];
    const run = replayOf(body, { log: (...line) => lines.push(line) });
    await run.advance({ history: [turn(), started(), scheduled(0)], newEvents: [turn(), completed(0)] });
    expect(lines).toEqual([
      ['info', 'two', { n: 2 }],
      ['warn', 'three', undefined],
      ['error', 'four', undefined],
    ]);
  });

  it('may have nowhere to go', async () => {
    await expect(new LiveRun(body).start()).resolves.toBeDefined();
  });
});

describe('the custom status', () => {
  const statuses: Body = async (ctx: OrchestrationContext) => {
    const seen: unknown[] = [ctx.customStatus];
    for (const status of [{ step: 1 }, '', null, 0, undefined, 'last']) {
      ctx.setCustomStatus(status);
      seen.push(ctx.customStatus ?? 'none');
      await ctx.waitForExternalEvent('Next');
    }
    return seen;
  };

  it('is part of every decision, replaced or cleared by the code', async () => {
    const run = new LiveRun(statuses);
    await run.start();
    for (let i = 0; i < 6; i += 1) await run.turn(raised('Next'));
    expect(run.decisions.map((decision) => decision.customStatus)).toEqual([
      '{"step":1}',
      '""',
      undefined,
      '0',
      undefined,
      '"last"',
      '"last"',
    ]);
    expect(run.decisions.filter((decision) => 'customStatus' in decision)).toHaveLength(5);
    expect(resultOf(run.decisions.at(-1) ?? { actions: [] })).toEqual([
      null,
      { step: 1 },
      '',
      'none',
      0,
      'none',
      'last',
    ]);
  });

  it('is computed again by a replay', async () => {
    await play(statuses, raised('Next'), raised('Next'), raised('Other'));
  });

  it('has at most 16 KiB of UTF-8, or what is configured', async () => {
    const set =
      (status: string): Body =>
      (ctx) =>
        ctx.setCustomStatus(status);
    expect(failureOf(await new LiveRun(set('ä'.repeat(8_192))).start())).toMatchObject({
      errorType: 'RangeError',
      message: 'The custom status has 16386 bytes of JSON; at most 16384 are allowed.',
    });
    expect((await new LiveRun(set('x'.repeat(16_382))).start()).customStatus).toHaveLength(16_384);
    expect((await new LiveRun(set('ä'.repeat(8_191))).start()).customStatus).toHaveLength(8_193);
    expect(failureOf(await new LiveRun(set('xyz'), { maxCustomStatusBytes: 4 }).start()).errorType).toBe('RangeError');
  });

  it('must be JSON', async () => {
    const decision = await new LiveRun((ctx: OrchestrationContext) => ctx.setCustomStatus(1n)).start();
    expect(failureOf(decision).message).toContain('The custom status cannot be stored as JSON');
  });
});

describe('newGuid', () => {
  it('follows the recipe: UUID version 5 of instance, time and counter', () => {
    // Worked out by hand: SHA-1 over the 16 bytes of the namespace and the name.
    const namespace = Buffer.from('9e952958-5e33-4daf-827f-2fa12937b875'.replaceAll('-', ''), 'hex');
    const name = 'abc_2026-01-01T00:00:00.000Z_3';
    const bytes = [...createHash('sha1').update(namespace).update(name).digest().subarray(0, 16)];
    bytes[6] = ((bytes[6] ?? 0) % 16) + 0x50;
    bytes[8] = ((bytes[8] ?? 0) % 64) + 0x80;
    const guid = deterministicGuid({ instanceId: 'abc', now: startTime, counter: 3 });
    expect(guid.replaceAll('-', '')).toBe(Buffer.from(bytes).toString('hex'));
    expect(guid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is new at each call and the same in every replay', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const first = [ctx.newGuid(), ctx.newGuid()];
      await ctx.callActivity('A', first);
      return [...first, ctx.newGuid()];
    };
    const guids = resultOf(await play(body, completed(0)));
    expect(new Set(Array.isArray(guids) ? guids : []).size).toBe(3);
  });
});
