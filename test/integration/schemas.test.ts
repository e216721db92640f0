import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent } from '../../src/model/events.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { inBothModes } from '../support/task-hubs.ts';

const order = z.object({ id: z.string(), amount: z.number().positive().default(1), at: z.coerce.date() });
const good = { id: 'a', at: '2026-01-01T00:00:00.000Z' };
const approval = defineEvent('Approval', v.object({ by: v.pipe(v.string(), v.trim()) }));

inBothModes('schemas', ({ open }) => {
  it('an orchestrator gets its input as the schema gives it, on every replay; the status shows what was sent', async () => {
    const seen: unknown[] = [];
    const checks = orchestration('Checks', { input: order }, async (ctx, input) => {
      seen.push([input.amount, input.at instanceof Date, input.at.getTime()]);
      await ctx.callActivity('Echo');
      return [input.amount, ctx.df.getInput<typeof input>().at.getTime()];
    });
    const hub = await open({ functions: [checks, activity('Echo', (input: unknown) => input)] });
    const ended = await hub.run(checks, { input: good });
    expect(ended.output).toEqual([1, Date.UTC(2026, 0, 1)]);
    expect(JSON.parse(ended.input ?? '')).toEqual(good);
    expect(new Set(seen.map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify([1, true, 1767225600000])]),
    );
  });

  it('a start with a bad input is refused, says where, and stores nothing', async () => {
    const checks = orchestration('Checks', { input: z.object({ items: z.array(order) }) }, () => 1);
    const hub = await open({ functions: [checks] });
    const bad = { items: [good, { ...good, amount: -1 }, { at: 'never' }] };
    await expect(hub.client.startNew('cHECKS', { instanceId: 'bad', input: bad })).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringMatching(
        /^The input of orchestration 'cHECKS' is not valid: items\[1\]\.amount: .*; items\[2\]\.id: .*; items\[2\]\.at: /,
      ),
    });
    await expect(hub.client.startNew('Checks')).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(await hub.client.getStatus('bad')).toBeUndefined();
  });

  it('an input that came in unseen fails the instance', async () => {
    // The service that starts it runs no functions, so it knows no schemas.
    const taskHub = `hub-${crypto.randomUUID()}`;
    const hub = await open({ taskHub, functions: [orchestration('Checks', { input: z.string() }, () => 1)] });
    const front = await open({ taskHub, worker: false });
    const id = await front.client.startNew('Checks', { input: 5 });
    expect(await hub.finish(id)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'InvalidInputError', properties: { issues: [{ path: '' }] } },
    });
  });

  it('the output is stored as its schema gives it; one that does not fit fails the instance', async () => {
    const output = z.object({ total: z.number().transform((total) => total * 2), currency: z.string().default('EUR') });
    const fits = orchestration('Fits', { output }, () => ({ total: 2 }));
    const fails = orchestration('Fails', { output }, () => ({ total: 'two' as unknown as number }));
    const hub = await open({ functions: [fits, fails] });
    expect((await hub.run(fits)).output).toEqual({ total: 4, currency: 'EUR' });
    expect(await hub.run(fails)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'InvalidOutputError', message: expect.stringContaining('total: ') },
    });
  });

  it('a bad input or output of an activity is a failure with a code, and not tried again', async () => {
    let runs = 0;
    const length = activity('Length', { input: z.string(), output: z.number().max(3) }, (text) => {
      runs += 1;
      return text.length;
    });
    const calls = orchestration('Calls', async (ctx, input: unknown) => {
      const retry = { firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 5 };
      return ctx.callActivity('Length', input, { retry });
    });
    const hub = await open({ functions: [calls, length] });
    expect((await hub.run(calls, { input: 'abc' })).output).toBe(3);
    expect((await hub.run(calls, { input: 5 })).failure).toMatchObject({
      innerFailure: { errorType: 'InvalidInputError', isNonRetriable: true },
    });
    expect(runs).toBe(1);
    expect((await hub.run(calls, { input: 'abcd' })).failure).toMatchObject({
      innerFailure: { errorType: 'InvalidOutputError', properties: { issues: [{ path: '' }] } },
    });
    expect(runs).toBe(2);
  });

  it('an asynchronous schema works for an activity', async () => {
    const schema = z.string().refine(async (text) => text !== 'bad', { message: 'taken' });
    const takes = activity('Takes', { input: schema }, (text) => text);
    const hub = await open({
      functions: [orchestration('Calls', (ctx, i: string) => ctx.callActivity(takes, i)), takes],
    });
    expect((await hub.run('Calls', { input: 'good' })).output).toBe('good');
    expect((await hub.run('Calls', { input: 'bad' })).failure).toMatchObject({
      innerFailure: { errorType: 'InvalidInputError', message: "The input of activity 'Takes' is not valid: taken." },
    });
  });

  it('an asynchronous schema of an orchestration is refused where it is used, with why', async () => {
    const schema = z.string().refine(async () => true);
    const hub = await open({
      functions: [orchestration('In', { input: schema }, () => 1), orchestration('Out', { output: schema }, () => 'x')],
    });
    await expect(hub.client.startNew('In', { input: 'x' })).rejects.toThrow(/asynchronous schema/);
    expect(await hub.run('Out')).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { errorType: 'TypeError', message: expect.stringContaining('asynchronous schema') },
    });
  });
});

inBothModes('events with a schema', ({ open }) => {
  const waits = orchestration('Waits', { events: [approval] }, async (ctx) => {
    const { by } = await ctx.waitForExternalEvent(approval);
    await ctx.createTimer(1);
    return by;
  });

  it('are given to the orchestrator as the schema gives them', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits);
    await hub.client.raiseEvent(id, approval, { by: '  Ann ' });
    expect((await hub.finish(id)).output).toBe('Ann');
  });

  it('are refused where they are raised when the target declares them', async () => {
    const hub = await open({
      functions: [waits, orchestration('Other', (ctx) => ctx.waitForExternalEvent('Approval'))],
    });
    const id = await hub.client.startNew(waits);
    for (const data of [undefined, 5, { by: 5 }, {}]) {
      await expect(hub.client.raiseEvent(id, 'aPPROVAL', data)).rejects.toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringMatching(/^The payload of the event 'aPPROVAL' is not valid: /),
      });
    }
    await expect(hub.client.raiseEvent(id, approval, { by: 5 } as never)).rejects.toThrow(/by: /);
    await expect(hub.client.raiseEvent('nobody', 'Approval', 5)).rejects.toMatchObject({ code: 'InstanceNotFound' });
    // Another orchestration may mean something else by the name.
    const other = await hub.client.startNew('Other');
    await hub.client.raiseEvent(other, 'Approval', 5);
    expect((await hub.finish(other)).output).toBe(5);
    await hub.client.raiseEvent(id, 'Approval', { by: 'Bob' });
    expect((await hub.finish(id)).output).toBe('Bob');
    await expect(hub.client.raiseEvent(id, 'Approval', 5)).rejects.toMatchObject({ code: 'InstanceTerminal' });
  });

  it('that came in unseen fail the wait, which the orchestrator may catch, in every replay alike', async () => {
    const catches = orchestration('Catches', async (ctx) => {
      const seen: unknown[] = [];
      while (seen.length < 3) {
        try {
          seen.push((await ctx.waitForExternalEvent(approval)).by);
        } catch (error) {
          seen.push(error instanceof Error && error.name);
        }
        await ctx.createTimer(1);
      }
      return seen;
    });
    const hub = await open({ functions: [catches] });
    const id = await hub.client.startNew(catches);
    for (const data of [{ by: 'Ann' }, { by: 1 }, { by: 'Bob' }]) await hub.client.raiseEvent(id, 'Approval', data);
    expect((await hub.finish(id)).output).toEqual(['Ann', 'InvalidEventError', 'Bob']);
  });
});

describe('definitions with schemas', () => {
  it.each([
    ['a schema that is none', () => orchestration('A', { input: {} as never }, () => 1)],
    ['an output that is no schema', () => activity('A', { output: 5 as never }, () => 1)],
    ['events that are none', () => orchestration('A', { events: ['Approval'] as never }, () => 1)],
    ['an event without a name', () => defineEvent('')],
    ['an event whose schema is none', () => defineEvent('A', { type: 'object' } as never)],
    ['options that are none', () => orchestration('A', 5 as never, () => 1)],
  ])('refuse %s', (_, define) => {
    expect(define).toThrow(TypeError);
  });
});
