import { pino } from 'pino';
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { inBothModes } from '../support/task-hubs.ts';

const echo = activity('Echo', (input: unknown) => input);
const echoText = activity('EchoText', (input: string) => input);

inBothModes('custom status, GUIDs, time and log', ({ open }) => {
  it('B101: a custom status set before the first wait shows as soon as the instance is Running', async () => {
    const body = orchestration('Body', async (ctx) => {
      ctx.setCustomStatus({ step: 'waiting' });
      await ctx.waitForExternalEvent('Go');
    });
    const hub = await open({ functions: [body] });
    const running = await hub.reach(await hub.client.startNew(body), 'Running');
    expect(running.customStatus).toBe('{"step":"waiting"}');
  });

  it.each([
    ['Completed', false],
    ['Failed', true],
  ])('B102: the last value wins and stays when the instance has %s', async (runtimeStatus, throws) => {
    const body = orchestration('Body', async (ctx) => {
      ctx.setCustomStatus('first');
      await ctx.callActivity(echo);
      ctx.setCustomStatus('second');
      ctx.setCustomStatus('third');
      if (throws) throw new Error('on purpose');
    });
    const hub = await open({ functions: [body, echo] });
    expect(await hub.run(body)).toMatchObject({ runtimeStatus, customStatus: '"third"' });
  });

  it.each([
    ['null', null, null],
    ['undefined', undefined, null],
    ['""', '', '""'],
    ['0', 0, '0'],
    ['false', false, 'false'],
  ])('B103: set to %s', async (_, value, stored) => {
    const body = orchestration('Body', async (ctx) => {
      ctx.setCustomStatus('before');
      await ctx.callActivity(echo);
      ctx.setCustomStatus(value);
      return ctx.customStatus === undefined ? 'nothing' : ctx.customStatus;
    });
    const hub = await open({ functions: [body, echo] });
    expect(await hub.run(body)).toMatchObject({ customStatus: stored, output: stored === null ? 'nothing' : value });
  });

  it.each([
    ['exactly 16 KiB', 'x'.repeat(16 * 1_024 - 2), 'Completed'],
    ['one byte more', 'x'.repeat(16 * 1_024 - 1), 'Failed'],
    ['few characters of many bytes', '你'.repeat(6_000), 'Failed'],
  ])('B104: a custom status of %s bytes', async (_, status, runtimeStatus) => {
    const body = orchestration('Body', (ctx) => ctx.setCustomStatus(status));
    const hub = await open({ functions: [body] });
    expect((await hub.run(body)).runtimeStatus).toBe(runtimeStatus);
  });

  it('B104: caught, the instance goes on with the status it had', async () => {
    const body = orchestration('Body', async (ctx) => {
      ctx.setCustomStatus('small');
      try {
        ctx.setCustomStatus('x'.repeat(20_000));
      } catch (error) {
        return error instanceof Error ? error.name : undefined;
      }
      return 'did not throw';
    });
    const hub = await open({ functions: [body] });
    expect(await hub.run(body)).toMatchObject({ output: 'RangeError', customStatus: '"small"' });
  });

  it('B105: GUIDs are of version 5, differ from each other, and are the same in every replay', async () => {
    const body = orchestration('Body', async (ctx) => {
      const guids = [ctx.newGuid(), ctx.newGuid()];
      // What the first turn sent is compared with what the last replay makes.
      const sent = await ctx.callActivity(echo, guids);
      guids.push(ctx.newGuid());
      await ctx.callActivity(echo);
      return { sent, guids };
    });
    const hub = await open({ functions: [body, echo] });
    const [one, two] = [await hub.run(body), await hub.run(body)];
    const guids = [one, two].flatMap(({ output }) => {
      const { sent, guids: made } = output as { readonly sent: readonly string[]; readonly guids: readonly string[] };
      expect(made.slice(0, 2)).toEqual(sent);
      return made;
    });
    expect(new Set(guids).size).toBe(6);
    for (const guid of guids)
      expect(guid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('B106: the time stands still within a turn and moves on between turns', async () => {
    const body = orchestration('Body', async (ctx) => {
      const times = [ctx.currentUtcDateTime, ctx.currentUtcDateTime];
      await ctx.createTimer(20);
      times.push(ctx.currentUtcDateTime, ctx.currentUtcDateTime);
      return times.map((time) => time.getTime());
    });
    const hub = await open({ functions: [body] });
    const ended = await hub.run(body);
    const [a = 0, b = 0, c = 0, d = 0] = ended.output as readonly number[];
    expect([b, d]).toEqual([a, c]);
    expect(c - a).toBeGreaterThanOrEqual(20);
    const turns = eventsOf(await historyOf(hub, ended.instanceId), 'OrchestratorStarted');
    expect(turns.map((turn) => turn.timestamp)).toEqual([a, c]);
  });

  it('B107: isReplaying is false in the newest segment only, so each segment is new once', async () => {
    const seen: string[] = [];
    const body = orchestration('Body', async (ctx) => {
      const note = (segment: string) => seen.push(`${segment}:${ctx.isReplaying ? 'replayed' : 'new'}`);
      note('first');
      await ctx.callActivity(echo);
      note('second');
      await ctx.callActivity(echo);
      note('third');
    });
    const hub = await open({ functions: [body, echo] });
    await hub.run(body);
    expect(seen.filter((entry) => entry.endsWith(':new'))).toEqual(['first:new', 'second:new', 'third:new']);
    expect(seen.at(-1)).toBe('third:new');
    // Whatever was played before comes in order, and as such.
    for (const entry of seen) expect(entry).toMatch(/^(first|second|third):(new|replayed)$/);
  });

  it('B108: ctx.log writes each line once, with the instance it is about', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const body = orchestration('Body', async (ctx) => {
      ctx.log.info('one', { n: 1 });
      await ctx.callActivity(echo);
      ctx.log.warn('two');
      await ctx.createTimer(1);
      ctx.log.error('three');
    });
    const hub = await open({ functions: [body, echo], logger });
    const { instanceId } = await hub.run(body);
    const mine = lines.filter((line) => ['one', 'two', 'three'].includes(String(line['msg'])));
    expect(mine.map((line) => [line['msg'], line['level'], line['instanceId']])).toEqual([
      ['one', 30, instanceId],
      ['two', 40, instanceId],
      ['three', 50, instanceId],
    ]);
    expect(mine[0]).toMatchObject({ n: 1 });
  });

  it('the context names its instance, its orchestration and its version', async () => {
    const body = orchestration('Body', (ctx) => ({
      id: ctx.instanceId,
      name: ctx.name,
      version: ctx.version,
      parent: ctx.parentInstanceId === undefined ? 'none' : ctx.parentInstanceId,
      execution: ctx.executionId,
    }));
    const hub = await open({ functions: [body] });
    const ended = await hub.run(body, { instanceId: 'x', version: '1.2' });
    expect(ended).toMatchObject({ version: '1.2' });
    expect(ended.output).toEqual({
      id: 'x',
      name: 'Body',
      version: '1.2',
      parent: 'none',
      execution: ended.executionId,
    });
  });

  it.each([
    ['the time', () => new Promise((resolve) => setTimeout(resolve, 5))],
    ['the event loop', () => new Promise((resolve) => setImmediate(resolve))],
    ['nothing ever', () => new Promise(() => undefined)],
  ])('an orchestrator that awaits %s instead of a task fails, saying what may be awaited', async (_, wait) => {
    const body = orchestration('Body', async (ctx) => {
      await wait();
      return ctx.callActivity(echoText, 'never');
    });
    const hub = await open({ functions: [body, echoText] });
    expect(await hub.run(body)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'NonDurableAwaitError', message: expect.stringContaining('activity') },
    });
  });
});
