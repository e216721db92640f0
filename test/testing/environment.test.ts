import { createServer } from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { activity, entity, orchestration } from 'perdure';
import {
  createTestEnvironment,
  failFirst,
  hang,
  inTurn,
  mock,
  mockHttp,
  type TestEnvironmentOptions,
} from 'perdure/testing';
import { gate } from '../support/gate.ts';
import { waitFor } from '../support/wait-for.ts';

const charge = activity('Charge', async (amount: number): Promise<string> => `paid ${amount}`);
const ship = activity('Ship', async (_what?: string): Promise<void> => undefined);

const order = orchestration('Order', async (ctx, amount: number) => {
  const payment = await ctx.callActivity(charge, amount);
  const answer = await ctx.waitForExternalEvent<string>('Approval', { timeout: '24h', defaultValue: null });
  if (answer === 'yes') await ctx.callActivity(ship, 'T-shirt');
  return { payment, answer, at: ctx.currentUtcDateTime };
});

const functions = [order, charge, ship];

/** Both ways of keeping instances must look the same. */
const modes = [{ forgetAfterEachTurn: false }, { forgetAfterEachTurn: true }];

describe.each(modes)('an environment with %o', (mode) => {
  const open = (options: Partial<TestEnvironmentOptions> = {}) =>
    createTestEnvironment({ functions, ...mode, ...options });

  it('runs an orchestration to where it waits, at the start of 2026', async () => {
    const env = open();
    const id = await env.client.startNew(order, { input: 5 });
    expect(env.now).toEqual(new Date('2026-01-01T00:00:00Z'));
    expect(await env.client.getStatus(id)).toMatchObject({
      runtimeStatus: 'Running',
      createdAt: env.now,
      lastUpdatedAt: env.now,
    });
    expect(env.activityCalls(charge)).toEqual([
      {
        activity: 'Charge',
        instanceId: id,
        input: 5,
        attempt: 1,
        redelivery: 0,
        startedAt: env.now,
        outcome: { kind: 'completed', result: 'paid 5' },
      },
    ]);
    expect(env.activityCalls('ship')).toEqual([]);
  });

  it('lets a day pass in no time', async () => {
    const env = open({ startTime: new Date('2030-06-01T12:00:00Z') });
    const id = await env.client.startNew(order, { input: 5 });
    await env.advance('23h');
    expect((await env.client.getStatus(id))?.runtimeStatus).toBe('Running');
    await env.advance('1h');
    expect(await env.outputOf(id)).toEqual({ payment: 'paid 5', answer: null, at: '2030-06-02T12:00:00.000Z' });
    expect(env.activityCalls(ship)).toEqual([]);
  });

  it('brings events', async () => {
    const env = open();
    const id = await env.client.startNew(order, { input: 5 });
    await env.advance('1h');
    await env.raiseEvent(id, 'approval', 'yes');
    expect(await env.outputOf(id)).toMatchObject({ answer: 'yes', at: '2026-01-01T01:00:00.000Z' });
    expect(env.activityCalls(ship)).toMatchObject([{ input: 'T-shirt', startedAt: env.now }]);
  });

  it('fires timers in order, each at its time, whatever the step', async () => {
    const tick = activity('Tick', async (_name: string) => undefined);
    const clock = orchestration('Clock', async (ctx, periods: readonly number[]) => {
      await Promise.all(
        periods.map(async (period) => {
          for (let count = 1; count <= 3; count += 1) {
            await ctx.createTimer(period);
            await ctx.callActivity(tick, `${period}`);
          }
        }),
      );
    });
    const env = open({ functions: [clock, tick] });
    const id = await env.client.startNew(clock, { input: [3_000, 2_000, 86_400_000] });
    await env.advance('30d');
    expect((await env.client.getStatus(id))?.runtimeStatus).toBe('Completed');
    const start = Date.UTC(2026, 0, 1);
    expect(env.activityCalls(tick).map(({ input, startedAt }) => [input, startedAt.getTime() - start])).toEqual([
      ['2000', 2_000],
      ['3000', 3_000],
      ['2000', 4_000],
      ['3000', 6_000],
      ['2000', 6_000],
      ['3000', 9_000],
      ['86400000', 86_400_000],
      ['86400000', 172_800_000],
      ['86400000', 259_200_000],
    ]);
    expect(env.now).toEqual(new Date('2026-01-31T00:00:00Z'));
  });

  it('starts scheduled instances at their time', async () => {
    const env = open();
    const startAt = new Date('2026-03-01T00:00:00.500Z');
    const id = await env.client.startNew(order, { input: 1, startAt });
    await env.advanceTo(new Date(startAt.getTime() - 1));
    expect((await env.client.getStatus(id))?.runtimeStatus).toBe('Pending');
    await env.advanceTo(startAt);
    expect((await env.client.getStatus(id))?.runtimeStatus).toBe('Running');
    expect(env.activityCalls(charge)).toMatchObject([{ startedAt: startAt }]);
    await expect(env.advanceTo(new Date(0))).rejects.toThrow(RangeError);
  });

  it('retries by its clock', async () => {
    const patient = orchestration('Patient', (ctx) =>
      ctx.callActivity(charge, 7, {
        retry: { firstRetryIntervalInMilliseconds: 5_000, backoffCoefficient: 2, maxNumberOfAttempts: 5 },
      }),
    );
    const env = open({
      functions: [
        patient,
        mock(
          charge,
          failFirst(3, async (amount) => `at last ${amount}`),
        ),
      ],
    });
    const id = await env.client.startNew(patient);
    await env.advance('1m');
    expect(await env.outputOf(id)).toBe('at last 7');
    expect(env.activityCalls(charge).map(({ attempt, startedAt }) => [attempt, startedAt.getTime()])).toEqual([
      [1, Date.UTC(2026, 0, 1)],
      [2, Date.UTC(2026, 0, 1, 0, 0, 5)],
      [3, Date.UTC(2026, 0, 1, 0, 0, 15)],
      [4, Date.UTC(2026, 0, 1, 0, 0, 35)],
    ]);
  });

  it('suspends, resumes, terminates, purges and lists', async () => {
    const env = open();
    const id = await env.client.startNew(order, { instanceId: 'a', input: 5 });
    await env.client.suspend(id, 'wait');
    await env.raiseEvent(id, 'Approval', 'yes');
    await env.advance('2d');
    expect((await env.client.getStatus(id))?.runtimeStatus).toBe('Suspended');
    await env.client.resume(id);
    expect(await env.outputOf(id)).toMatchObject({ answer: 'yes', at: '2026-01-03T00:00:00.000Z' });
    await env.client.startNew(order, { instanceId: 'b', input: 5 });
    await env.client.terminate('b', '"no"');
    const { instances } = await env.client.getStatusBy({});
    expect(instances.map(({ instanceId, runtimeStatus }) => [instanceId, runtimeStatus])).toEqual([
      ['a', 'Completed'],
      ['b', 'Terminated'],
    ]);
    expect(await env.client.purgeInstanceHistoryBy({})).toEqual({ instancesDeleted: 2 });
    expect(await env.client.getStatus('a')).toBeUndefined();
  });

  it('refuses what nobody knows', async () => {
    const env = open();
    await expect(env.client.startNew('Ordre')).rejects.toMatchObject({ code: 'OrchestratorNotRegistered' });
    const typo = orchestration('Typo', (ctx) => ctx.callActivity('Chrage'));
    const other = open({ functions: [typo] });
    await expect(other.run(typo)).rejects.toThrow("No activity named 'Chrage' is registered");
  });

  it('waits for activities that take real time', async () => {
    const server = createServer((_, response) => response.end('from outside')).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
    const slow = activity('Slow', async () => {
      await pause(50);
      return (await fetch(url)).text();
    });
    const waiting = orchestration('Waiting', (ctx) => ctx.callActivity(slow));
    expect(await open({ functions: [waiting, slow] }).run(waiting)).toBe('from outside');
  });

  it('lets a test look and send while an activity runs', async () => {
    const [entered, door] = [gate(), gate()];
    const both = orchestration('Both', async (ctx) => {
      const paid = ctx.callActivity(charge, 1);
      const stop = ctx.waitForExternalEvent('Stop');
      return (await ctx.any([paid, stop])) === stop ? 'stopped' : 'paid';
    });
    const env = open({
      functions: [
        both,
        mock(charge, async () => {
          entered.open();
          await door.passed;
          return 'late';
        }),
      ],
    });
    const id = await env.unsettledClient.startNew(both);
    await entered.passed;
    expect(await env.unsettledClient.getStatus(id)).toMatchObject({ runtimeStatus: 'Running' });
    await env.unsettledClient.raiseEvent(id, 'Stop');
    await waitFor(async () => (await env.unsettledClient.getStatus(id))?.runtimeStatus === 'Completed');
    expect(env.activityCalls(charge)).toMatchObject([{ outcome: { kind: 'running' } }]);
    door.open();
    expect(await env.outputOf(id)).toBe('stopped');
    expect(env.activityCalls(charge)).toMatchObject([{ outcome: { kind: 'completed' } }]);
  });

  it('takes calls of its client from inside an activity', async () => {
    const env = open({
      functions: [
        order,
        mock(charge, async (_, ctx) => {
          await env.raiseEvent(ctx.instanceId, 'Approval', 'yes');
          return 'paid meanwhile';
        }),
        ship,
      ],
    });
    expect(await env.run(order, { input: 1 })).toMatchObject({ payment: 'paid meanwhile', answer: 'yes' });
  });

  it('passes the log on, each line once', async () => {
    const lines: string[] = [];
    const talking = orchestration('Talking', async (ctx) => {
      ctx.log.info('one');
      await ctx.createTimer('1s');
      ctx.log.warn('two');
    });
    const env = open({ functions: [talking], log: (level, message) => lines.push(`${level} ${message}`) });
    await env.run(talking, { timeoutMs: 1_000 });
    expect(lines).toEqual(['info one', 'warn two']);
  });
});

describe('waiting for completion', () => {
  const open = () => createTestEnvironment({ functions });

  it('lets time pass with a time-out, and not without', async () => {
    const env = open();
    const id = await env.client.startNew(order, { input: 5 });
    expect(await env.client.waitForCompletion(id, { timeoutMs: 3_600_000 })).toMatchObject({
      runtimeStatus: 'Running',
    });
    expect(env.now).toEqual(new Date('2026-01-01T01:00:00Z'));
    expect(await env.client.waitForCompletion(id, { timeoutMs: 864_000_000 })).toMatchObject({
      runtimeStatus: 'Completed',
    });
    expect(env.now).toEqual(new Date('2026-01-02T00:00:00Z'));
    expect(await env.client.waitForCompletion('nobody')).toBeUndefined();
  });

  it('goes on while other calls are to come', async () => {
    const env = open();
    const id = await env.client.startNew(order, { input: 5 });
    const ended = env.client.waitForCompletion(id);
    await env.advance('12h');
    await env.advance('12h');
    expect(await ended).toMatchObject({ runtimeStatus: 'Completed' });
  });

  it('says what an instance waits for when it cannot go on', async () => {
    const env = open();
    const id = await env.client.startNew(order, { instanceId: 'o-1', input: 5 });
    await env.advance(500);
    await expect(env.client.waitForCompletion(id)).rejects.toMatchObject({
      name: 'StillWaitingError',
      instanceId: 'o-1',
      message:
        "Instance 'o-1' (Order) is Running and cannot go on by itself. It waits for:\n" +
        "  - the event 'Approval': env.raiseEvent('o-1', 'Approval', …)\n" +
        "  - the timer #1 at 2026-01-02T00:00:00.000Z, in 86399500ms: env.advance('86399500ms')\n" +
        'It is 2026-01-01T00:00:00.500Z.',
    });
    await env.client.suspend(id);
    await expect(env.outputOf(id)).rejects.toThrow("being resumed: env.client.resume('o-1')");
    const later = await env.client.startNew(order.name, { startAt: new Date('2026-01-08T00:00:00.500Z') });
    await expect(env.outputOf(later)).rejects.toThrow(
      "its start at 2026-01-08T00:00:00.500Z, in 7d: env.advance('7d')",
    );
  });

  it('gives the output, or says why there is none', async () => {
    const env = createTestEnvironment({ functions: [order, mock(charge, inTurn<string>(new TypeError('no money')))] });
    await expect(env.run(order, { instanceId: 'o-1', input: 1 })).rejects.toThrow(
      "Instance 'o-1' (Order) has not completed: it is Failed. TaskFailedError: ",
    );
    await expect(env.outputOf('nobody')).rejects.toMatchObject({ code: 'InstanceNotFound' });
  });
});

describe('mocks', () => {
  const twice = orchestration('Twice', async (ctx) => {
    const results: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      try {
        results.push(await ctx.callActivity(charge, count));
      } catch (error) {
        results.push(error instanceof Error ? error.message : error);
      }
    }
    return results;
  });

  it('stand in for an activity by definition or by name, alone or beside it', async () => {
    for (const target of [charge, 'CHARGE'] as const) {
      const stub = typeof target === 'string' ? mock(target, async () => 'mock') : mock(target, async () => 'mock');
      for (const others of [[], [charge]]) {
        const env = createTestEnvironment({ functions: [twice, ...others, stub] });
        expect(await env.run(twice)).toEqual(['mock', 'mock', 'mock']);
        expect(env.activityCalls(charge)).toHaveLength(3);
      }
    }
  });

  it('give one result for each call, and count anew in every environment', async () => {
    const stub = mock(charge, inTurn<string>('one', new Error('two')));
    for (let round = 0; round < 2; round += 1) {
      const [one, ...others] = await createTestEnvironment({ functions: [twice, stub] }).run<string[]>(twice);
      expect(one).toBe('one');
      expect(others).toEqual([expect.stringContaining('two'), expect.stringContaining('two')]);
    }
    expect(() => inTurn()).toThrow(RangeError);
  });

  it('can fail the first times, and get their input and context', async () => {
    const stub = mock(
      charge,
      failFirst(1, (input, ctx, call) => `${input} ${ctx.activityName} ${call.index}`),
    );
    const env = createTestEnvironment({ functions: [twice, stub] });
    expect(await env.run(twice)).toEqual([
      expect.stringContaining("Call 1 of 'Charge' fails on purpose."),
      '1 Charge 0',
      '2 Charge 1',
    ]);
  });

  it('can hang until their time is up, while time passes', async () => {
    const impatient = orchestration('Impatient', async (ctx) => {
      try {
        return await ctx.callActivity(charge, 1, { timeout: '30s' });
      } catch (error) {
        return [error instanceof Error ? error.message : error, ctx.currentUtcDateTime];
      }
    });
    for (const mode of modes) {
      const env = createTestEnvironment({ functions: [impatient, mock(charge, hang())], ...mode });
      const id = await env.client.startNew(impatient);
      await env.advance('29s');
      expect(env.activityCalls(charge)).toMatchObject([{ outcome: { kind: 'running' } }]);
      await env.advance('1s');
      expect(await env.outputOf(id)).toEqual([expect.stringContaining('timed out'), '2026-01-01T00:00:30.000Z']);
      expect(env.activityCalls(charge)).toMatchObject([{ outcome: { kind: 'failed' } }]);
    }
  });

  it('of one activity twice, and things that are no definitions, are refused', () => {
    expect(() => createTestEnvironment({ functions: [mock(charge, () => 'a'), mock('charge', () => 'b')] })).toThrow(
      "The activity 'charge' is mocked twice.",
    );
    expect(() => createTestEnvironment({ functions: [{ name: 'Charge' } as never] })).toThrow(TypeError);
    expect(() => createTestEnvironment({ functions: [charge, activity('CHARGE', async () => 1)] })).toThrow(
      'Two activities are named',
    );
  });
});

describe('an environment', () => {
  it('that does not come to rest says what runs', async () => {
    const stuck = orchestration('Stuck', (ctx) => ctx.callActivity('Never'));
    const env = createTestEnvironment({
      functions: [stuck, mock('Never', () => new Promise(() => undefined))],
      restTimeoutMs: 30,
    });
    await expect(env.client.startNew(stuck, { instanceId: 'x' })).rejects.toThrow(
      "did not come to rest within 30 ms: activity 'Never' of instance 'x'.",
    );
    const busy = orchestration('Busy', async (ctx) => {
      for (;;) await ctx.callActivity(charge, 1);
    });
    const other = createTestEnvironment({ functions: [busy, charge], restTimeoutMs: 30 });
    await expect(other.client.startNew(busy)).rejects.toThrow('did not come to rest within 30 ms');
    await other.close();
    await expect(other.settle()).rejects.toThrow('The environment was closed.');
  });

  it('does not disturb another', async () => {
    const envs = Array.from({ length: 10 }, (_, index) =>
      createTestEnvironment({ functions: [order, mock(charge, () => `mock ${index}`), ship] }),
    );
    const outputs = await Promise.all(
      envs.map(async (env, index) => {
        const id = await env.client.startNew(order, { instanceId: 'same', input: index });
        await env.advance(`${index}h`);
        if (index % 2 === 0) await env.raiseEvent(id, 'Approval', 'yes');
        else await env.advance('24h');
        return env.outputOf(id);
      }),
    );
    expect(outputs).toEqual(
      envs.map((_, index) => ({
        payment: `mock ${index}`,
        answer: index % 2 === 0 ? 'yes' : null,
        at: new Date(Date.UTC(2026, 0, index % 2 === 0 ? 1 : 2, index % 2 === 0 ? index : 0)).toISOString(),
      })),
    );
  });

  it('runs activities one after the other when told so', async () => {
    let running = 0;
    const seen: [number, number][] = [];
    const work = activity('Work', async (index: number) => {
      running += 1;
      seen.push([index, running]);
      await pause((3 - index) * 5);
      running -= 1;
      return index;
    });
    const fan = orchestration('Fan', (ctx) => Promise.all([0, 1, 2].map((index) => ctx.callActivity(work, index))));
    const env = createTestEnvironment({ functions: [fan, work], maxActivities: 1 });
    expect(await env.run(fan)).toEqual([0, 1, 2]);
    expect(seen).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });
});

describe('callHttp', () => {
  const ask = orchestration('Ask', async (ctx, retry: boolean) => {
    const response = await ctx.callHttp({
      method: 'GET',
      url: 'http://api.example.com/jobs',
      ...(retry ? { retry: { firstRetryIntervalInMilliseconds: 1_000, maxNumberOfAttempts: 3 } } : {}),
    });
    return [response.statusCode, response.content];
  });

  it('gets its answers from the test: polls and retries pass by its clock', async () => {
    const polled = createTestEnvironment({
      functions: [
        ask,
        mockHttp(({ uri }, _, call) =>
          call.index < 2
            ? { statusCode: 202, headers: { location: `${uri}/${call.index}`, 'retry-after': '3600' } }
            : { content: uri },
        ),
      ],
    });
    const options = { input: false, timeoutMs: 86_400_000 };
    expect(await polled.run(ask, options)).toEqual([200, 'http://api.example.com/jobs/0/1']);
    expect(polled.now).toEqual(new Date('2026-01-01T02:00:00Z'));

    const retried = createTestEnvironment({
      functions: [ask, mockHttp((_request, _, call) => ({ statusCode: call.index < 2 ? 503 : 200, content: 'ok' }))],
    });
    expect(await retried.run(ask, { ...options, input: true })).toEqual([200, 'ok']);
    expect(retried.now).toEqual(new Date('2026-01-01T00:00:02Z'));
  });

  it('does not reach the network', async () => {
    const env = createTestEnvironment({ functions: [ask] });
    await expect(env.run(ask, { input: true })).rejects.toThrow('a test environment has no network for ctx.callHttp');
  });
});

it('entities keep their state, and take signals', async () => {
  const counter = entity('Counter', {
    initialState: () => 0,
    operations: {
      add: (ctx, n: number) => {
        ctx.state += n;
      },
    },
  });
  const id = counter.id('a');
  for (const mode of modes) {
    const env = createTestEnvironment({ functions: [counter], ...mode });
    for (const n of [5, 7]) await env.client.signalEntity(id, 'add', n);
    await env.crash();
    await env.client.signalEntity(id, 'add', 100);
    expect(await env.client.readEntityState(id)).toEqual({ entityExists: true, entityState: 112 });
  }
});
