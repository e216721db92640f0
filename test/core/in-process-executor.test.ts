import { describe, expect, it } from 'vitest';
import { activity, orchestration, type ActivityContext, type FunctionDefinition } from '../../src/model/functions.ts';
import type { ActivityWork } from '../../src/model/work.ts';
import { FunctionRegistry } from '../../src/worker/in-process/function-registry.ts';
import { InProcessExecutor } from '../../src/worker/in-process/in-process-executor.ts';
import { completed, failureOf, resultOf, started, turn } from './support.ts';

const work: ActivityWork = {
  instanceKey: '42',
  instanceId: 'order-1',
  executionId: 'e1',
  taskScheduledId: 5,
  name: 'Add',
  input: '{"a":1,"b":2}',
  attempt: 2,
  firstScheduledId: 3,
  redelivery: 1,
};
const controller = new AbortController();
const { signal } = controller;

const runActivity = (handler: Parameters<typeof activity<never, unknown>>[1], more: Partial<ActivityWork> = {}) =>
  new InProcessExecutor({ functions: [activity('Add', handler)] }).runActivity({ ...work, ...more }, controller);

describe('an activity', () => {
  it('gets its input and returns its result', async () => {
    expect(await runActivity(({ a, b }: { a: number; b: number }) => a + b)).toEqual({
      kind: 'completed',
      result: '3',
    });
    expect(await runActivity(async () => undefined)).toEqual({ kind: 'completed' });
    expect(await runActivity(async () => null)).toEqual({ kind: 'completed', result: 'null' });
  });

  it('is found whatever the case of its name', async () => {
    expect(await runActivity(() => 1, { name: 'ADD' })).toMatchObject({ kind: 'completed' });
  });

  it('gets a context with an id that stays the same over retries and crashes', async () => {
    let seen: ActivityContext | undefined;
    await runActivity((_input, context) => {
      seen = context;
    });
    expect(seen).toMatchObject({
      instanceId: 'order-1',
      activityName: 'Add',
      taskId: '42:e1:3',
      attempt: 2,
      redelivery: 1,
      signal,
    });
  });

  it('logs with the fields of its instance', async () => {
    const lines: unknown[][] = [];
    const functions = [
      activity('Add', (_input, { log }) => {
        log.debug('a');
        log.info('b', { n: 1 });
        log.warn('c');
        log.error('d');
      }),
    ];
    await new InProcessExecutor({ functions, log: (...line) => lines.push(line) }).runActivity(work, controller);
    const fields = { instanceId: 'order-1', executionId: 'e1', taskId: '42:e1:3', activity: 'Add' };
    expect(lines).toEqual([
      ['debug', 'a', fields],
      ['info', 'b', { n: 1, ...fields }],
      ['warn', 'c', fields],
      ['error', 'd', fields],
    ]);
    await expect(new InProcessExecutor({ functions }).runActivity(work, controller)).resolves.toBeDefined();
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new RangeError('too much');
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('too much'))],
  ])('that %s has failed', async (_what, handler) => {
    const outcome = await runActivity(handler);
    expect(outcome).toMatchObject({ kind: 'failed', failure: { errorType: 'RangeError', message: 'too much' } });
    expect(outcome?.kind === 'failed' && outcome.failure.isNonRetriable).toBeFalsy();
  });

  it('that throws anything at all has failed', async () => {
    for (const thrown of [null, undefined, 'text', 1n, Object.create(null)]) {
      expect(await runActivity(() => Promise.reject(thrown))).toMatchObject({ kind: 'failed' });
    }
  });

  it('whose result JSON cannot hold has failed for good', async () => {
    expect(await runActivity(() => 10n)).toMatchObject({
      kind: 'failed',
      failure: {
        errorType: 'TypeError',
        message: expect.stringContaining("The result of activity 'Add' cannot be stored as JSON"),
        isNonRetriable: true,
      },
    });
  });

  it('whose input is not JSON has failed', async () => {
    expect(await runActivity(() => 1, { input: 'plain' })).toMatchObject({ failure: { errorType: 'SyntaxError' } });
  });

  it('that nobody registered has failed for good, and is told how to register', async () => {
    const executor = new InProcessExecutor({ functions: [] });
    expect(executor.hasActivity('Add', undefined)).toBe(false);
    expect(await executor.runActivity(work, controller)).toMatchObject({
      kind: 'failed',
      failure: {
        errorType: 'ActivityNotRegistered',
        message: expect.stringContaining("activity('Add', …)"),
        isNonRetriable: true,
      },
    });
  });
});

describe('an orchestration', () => {
  const target = { instanceId: 'i1', executionId: 'e1', name: 'HELLO' };
  const hello = orchestration('Hello', async (ctx, input: string) => {
    ctx.log.info('started', { input });
    ctx.setCustomStatus('working');
    return [ctx.instanceId, await ctx.callActivity('A', input)];
  });

  it('is run from its events, with its lines logged', async () => {
    const lines: unknown[][] = [];
    const executor = new InProcessExecutor({ functions: [hello], log: (...line) => lines.push(line) });
    const run = executor.openRun(target);
    await run.advance({ history: [], newEvents: [turn(), started('x')] });
    expect(resultOf(await run.advance({ history: [], newEvents: [turn(), completed(0, 'y')] }))).toEqual(['i1', 'y']);
    run.dispose();
    expect(lines).toEqual([
      ['info', 'started', { input: 'x', instanceId: 'i1', executionId: 'e1', orchestration: 'HELLO' }],
    ]);
  });

  it('needs no logger, and keeps to the configured limit', async () => {
    const run = new InProcessExecutor({ functions: [hello], maxCustomStatusBytes: 4 }).openRun(target);
    const decision = await run.advance({ history: [], newEvents: [turn(), started('x')] });
    expect(failureOf(decision).errorType).toBe('RangeError');
  });

  it('that nobody registered cannot be opened', () => {
    expect(() => new InProcessExecutor({ functions: [] }).openRun(target)).toThrow("No orchestration named 'HELLO'");
  });
});

describe('the registered functions', () => {
  const a = activity('Send', () => 1);

  it('are listed by name and found without case', () => {
    const o = orchestration('Send', () => 1);
    const executor = new InProcessExecutor({ functions: [o, a] });
    expect(executor.functions).toEqual({ orchestrators: ['Send'], activities: ['Send'], entities: [] });
    expect(executor.hasActivity('sEND', null)).toBe(true);
  });

  it('may hold one definition twice, but not two of one name', () => {
    expect(new FunctionRegistry([a, a]).names.activities).toEqual(['Send']);
    expect(() => new FunctionRegistry([a, activity('Send', () => 2)])).toThrow("Two activities are named 'Send'.");
    expect(() => new FunctionRegistry([orchestration('Run', () => 1), orchestration('RUN', () => 2)])).toThrow(
      "Two orchestrations are named 'Run' and 'RUN'.",
    );
  });

  it('are definitions', () => {
    const loose: (functions: readonly unknown[]) => FunctionRegistry = (functions) =>
      new FunctionRegistry(functions as readonly FunctionDefinition[]);
    expect(() => loose([() => 1])).toThrow('must be made by orchestration(…), activity(…) or entity(…)');
  });
});
