/** The patterns of Durable Functions, written as its users write them: modules that register their functions. */
import { readFile } from 'node:fs/promises';
import * as df from 'perdure/durable-functions';
import { app } from 'perdure/durable-functions';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createServer } from '../../src/http/server.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { freshName, inBothModes, type TestHubs } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

beforeEach(() => {
  df.takeRegistered();
});

inBothModes('patterns of durable-functions', ({ open, database }) => {
  const openRegistered = (options: Parameters<TestHubs['open']>[0] = {}) =>
    open({ functions: df.takeRegistered().functions, ...options });

  it('chaining', async () => {
    const lines: unknown[] = [];
    df.app.activity('SayHello', {
      handler: (city: string, context) => {
        lines.push([context.functionName, typeof context.invocationId]);
        context.log('saying hello to', city);
        return `Hello ${city}`;
      },
    });
    df.app.orchestration('HelloCities', function* (context) {
      const outputs: string[] = [];
      for (const city of ['Tokyo', 'Seattle', 'Cairo']) outputs.push(yield context.df.callActivity('SayHello', city));
      return outputs;
    });
    const hub = await openRegistered();
    expect((await hub.run('HelloCities')).output).toEqual(['Hello Tokyo', 'Hello Seattle', 'Hello Cairo']);
    expect(lines).toEqual(Array.from({ length: 3 }, () => ['SayHello', 'string']));
  });

  it('fan-out, fan-in, with activities that were registered before', async () => {
    const measure = df.app.activity('Measure', { handler: (text: string) => text.length });
    df.app.orchestration('Total', function* (context) {
      const texts = context.df.getInput<string[]>();
      const lengths: number[] = yield context.df.Task.all(texts.map((text) => measure(text)));
      return lengths.reduce((sum, length) => sum + length, 0);
    });
    const hub = await openRegistered();
    expect((await hub.run('Total', { input: ['a', 'bb', 'ccc'] })).output).toBe(6);
  });

  it('monitor: looks until the thing is done, or the time is up', async () => {
    let looks = 0;
    df.app.activity('IsDone', { handler: () => (looks += 1) >= 3 });
    df.app.orchestration('Monitor', function* (context) {
      const end = context.df.currentUtcDateTime.getTime() + 60_000;
      while (context.df.currentUtcDateTime.getTime() < end) {
        if (yield context.df.callActivity('IsDone')) return 'done';
        yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 20));
      }
      return 'gave up';
    });
    const hub = await openRegistered();
    const ended = await hub.run('Monitor');
    expect(ended.output).toBe('done');
    expect(eventsOf(await historyOf(hub, ended.instanceId), 'TimerFired')).toHaveLength(2);
  });

  it.each(['approved', 'too late'])('human interaction: %s', async (what) => {
    df.app.orchestration('Approval', function* (context) {
      const timer = context.df.createTimer(
        new Date(context.df.currentUtcDateTime.getTime() + context.df.getInput<number>()),
      );
      const event = context.df.waitForExternalEvent('Approval');
      const winner: df.Task = yield context.df.Task.any([event, timer]);
      if (winner === event) timer.cancel();
      return winner === event ? event.result : 'too late';
    });
    const hub = await openRegistered();
    const id = await hub.client.startNew('Approval', { input: what === 'approved' ? 60_000 : 20 });
    if (what === 'approved') await hub.client.raiseEvent(id, 'Approval', 'approved');
    expect((await hub.finish(id)).output).toBe(what);
  });

  it('a registered activity races, retries, and is compared with what won', async () => {
    let tries = 0;
    const flaky = df.app.activity('Flaky', {
      handler: () => {
        tries += 1;
        if (tries < 3) throw new Error(`try ${tries}`);
        return tries;
      },
    });
    df.app.orchestration('Races', function* (context) {
      const plain = flaky();
      const first: unknown = yield context.df.Task.any([plain, context.df.waitForExternalEvent('Never')]);
      const retried: unknown = yield flaky().withRetry(new df.RetryOptions(5, 3));
      let refused = '';
      try {
        plain.withRetry(new df.RetryOptions(5, 3));
      } catch (error) {
        refused = String(error);
      }
      return [first === plain, plain.isFaulted, retried, refused.includes('scheduled already')];
    });
    const hub = await openRegistered();
    expect((await hub.run('Races')).output).toEqual([true, true, 3, true]);
  });

  it('a failure has the message of v3, and the properties that a provider gives', async () => {
    df.app.setExceptionPropertiesProvider({
      getExceptionProperties: (error) => (error instanceof RangeError ? { hint: 'smaller' } : undefined),
    });
    onTestFinished(() => df.app.setExceptionPropertiesProvider(undefined));
    df.app.activity('Breaks', {
      handler: () => {
        throw new RangeError('too much');
      },
    });
    df.app.orchestration('Catches', function* (context) {
      try {
        yield context.df.callActivity('Breaks');
      } catch (error) {
        if (!(error instanceof df.TaskFailedError)) throw error;
        const details = error.failureDetails as df.FailureDetails;
        return [error.message, details.errorMessage, details.properties, details.isCausedBy('RangeError')];
      }
      return 'no error';
    });
    const hub = await openRegistered();
    expect((await hub.run('Catches')).output).toEqual([
      "Activity function 'Breaks' failed: too much \n RangeError: too much",
      'too much',
      { hint: 'smaller' },
      true,
    ]);
  });

  it('aggregator: a counter that is signalled and read', async () => {
    df.app.entity<number>('Counter', (context) => {
      const value = context.df.getState(() => 0) ?? 0;
      if (context.df.operationName === 'add') context.df.setState(value + (context.df.getInput<number>() ?? 0));
      context.log('operation', context.df.operationName);
    });
    app.http('Count', {
      route: 'counters/{key}',
      handler: async (request, context) => {
        const client = df.getClient(context);
        const id = new df.EntityId('Counter', request.params['key'] ?? '');
        if (request.method === 'POST') {
          await client.signalEntity(id, 'add', await request.json());
          return { status: 202 };
        }
        return { jsonBody: await client.readEntityState<number>(id) };
      },
    });
    const server = await openServer();
    for (const n of [1, 2, 3]) {
      const answer = await server.inject({ method: 'POST', url: '/api/counters/a', payload: String(n) });
      expect(answer.statusCode, answer.body).toBe(202);
    }
    const read = async () => (await server.inject('/api/counters/a')).json();
    await waitFor(async () => (await read()).entityState === 6);
    expect(await read()).toEqual({ entityExists: true, entityState: 6 });
    expect((await server.inject('/api/counters/b')).json()).toEqual({ entityExists: false });
  });

  it('counter: an orchestration signals it, calls it, and catches what an operation throws', async () => {
    df.app.entity<number>('Counter', (context) => {
      const value = context.df.getState(() => 0) ?? 0;
      switch (context.df.operationName) {
        case 'add':
          context.df.setState(value + (context.df.getInput<number>() ?? 0));
          break;
        case 'get':
          context.df.return(value);
          break;
        default:
          throw new RangeError(`no operation ${context.df.operationName ?? ''}`);
      }
    });
    df.app.orchestration('Counts', function* (context) {
      const id = new df.EntityId('Counter', context.df.instanceId);
      context.df.signalEntity(id, 'add', 2);
      yield context.df.callEntity(id, 'add', 3);
      let refused = '';
      try {
        yield context.df.callEntity(id, 'divide');
      } catch (error) {
        refused = String(error);
      }
      const [sum]: number[] = yield context.df.Task.all([context.df.callEntity(id, 'get')]);
      return { sum, refused };
    });
    const hub = await openRegistered();
    expect((await hub.run('Counts')).output).toEqual({
      sum: 5,
      refused: expect.stringContaining('no operation divide') as string,
    });
  });

  it('singleton: an HTTP function starts an instance that must run once', async () => {
    df.app.orchestration('Waits', function* (context) {
      return yield context.df.waitForExternalEvent('Go');
    });
    df.app.client.http('StartSingle', {
      methods: ['POST'],
      route: 'single/{id}',
      handler: async (request, client, context) => {
        const id = request.params['id'] ?? '';
        const existing = (await client.getStatusAll()).find((status) => status.instanceId === id);
        const { Completed, Failed, Terminated } = df.OrchestrationRuntimeStatus;
        if (existing !== undefined && ![Completed, Failed, Terminated].some((end) => end === existing.runtimeStatus)) {
          return { status: 409, body: `${id} runs` };
        }
        await client.startNew('Waits', { instanceId: id });
        context.log(`started ${id}`);
        return client.createCheckStatusResponse(request, id);
      },
    });
    app.get('Client', {
      route: 'client/{id}/{verb}',
      handler: async (request, context) => {
        const client = df.getClient(context);
        const { id = '', verb } = request.params;
        if (verb === 'raise') await client.raiseEvent(id, 'Go', { on: true });
        if (verb === 'terminate') await client.terminate(id, 'enough');
        if (verb === 'purge') return { jsonBody: await client.purgeInstanceHistory(id) };
        if (verb === 'wait') return client.waitForCompletionOrCreateCheckStatusResponse(request, id);
        return { jsonBody: await client.getStatus(id, { showHistory: true }) };
      },
    });
    const server = await openServer();
    const post = () => server.inject({ method: 'POST', url: '/api/single/one' });
    const client = (verb: string, id = 'one') => server.inject(`/api/client/${id}/${verb}`);
    const started = await post();
    expect([started.statusCode, started.json().id]).toEqual([202, 'one']);
    expect([(await post()).statusCode, (await post()).body]).toEqual([409, 'one runs']);
    await client('raise');
    expect((await client('wait')).json()).toEqual({ on: true });
    // What has ended takes no events and no end: no error, as in v3.
    expect((await client('raise')).statusCode).toBe(200);
    const status = (await client('terminate')).json();
    expect(status).toMatchObject({ name: 'Waits', runtimeStatus: 'Completed', output: { on: true }, input: null });
    expect(status.history[0]).toMatchObject({ EventType: 'ExecutionStarted', FunctionName: 'Waits' });
    expect((await post()).statusCode).toBe(202);
    await client('terminate');
    await waitFor(async () => (await client('status')).json().runtimeStatus === 'Terminated');
    expect((await client('purge')).json()).toEqual({ instancesDeleted: 1 });
    expect((await client('purge')).json()).toEqual({ instancesDeleted: 0 });
    expect((await client('raise', 'nobody')).statusCode).toBe(404);
  });

  it('sub-orchestrations: by name, registered, with an id, retried', async () => {
    let tries = 0;
    df.app.activity('Flaky', {
      handler: () => {
        tries += 1;
        if (tries < 2) throw new Error('first');
        return tries;
      },
    });
    const child = df.app.orchestration('Child', function* (context) {
      const input: unknown = context.df.getInput();
      if (input === 'flaky') return yield context.df.callActivity('Flaky');
      return [input, context.df.instanceId, context.df.parentInstanceId];
    });
    df.app.orchestration('Parent', function* (context) {
      const named: unknown = yield context.df.callSubOrchestrator('Child', 'named', `${context.df.instanceId}-a`);
      const registered: unknown = yield child('registered', `${context.df.instanceId}-b`);
      const retried: unknown = yield child('flaky').withRetry(new df.RetryOptions(5, 3));
      const all: unknown = yield context.df.Task.all([child(1), child(2)].map((task) => task));
      return { named, registered, retried, all };
    });
    const hub = await openRegistered();
    const { instanceId, output } = await hub.run('Parent', { instanceId: `parent-${freshName()}` });
    expect(output).toEqual({
      named: ['named', `${instanceId}-a`, instanceId],
      registered: ['registered', `${instanceId}-b`, instanceId],
      retried: 2,
      all: [
        [1, expect.any(String), instanceId],
        [2, expect.any(String), instanceId],
      ],
    });
  });

  it('eternal: goes on as new, with the events that nobody took, until it is told to end', async () => {
    df.app.orchestration('Eternal', function* (context) {
      const seen = context.df.getInput<string[]>();
      const next: string = yield context.df.waitForExternalEvent('Next');
      if (next === 'end') return seen;
      context.df.continueAsNew([...seen, next]);
      return undefined;
    });
    const hub = await openRegistered();
    const id = await hub.client.startNew('Eternal', { input: [] });
    for (const next of ['a', 'b', 'c', 'end']) await hub.client.raiseEvent(id, 'Next', next);
    expect((await hub.finish(id)).output).toEqual(['a', 'b', 'c']);
    expect(eventsOf(await historyOf(hub, id), 'ExecutionStarted')).toHaveLength(1);
  });

  async function openServer() {
    const { functions, triggers } = df.takeRegistered();
    const { url, schema } = database;
    const hub = createTaskHub({ databaseUrl: url, schema, taskHub: freshName(), functions, pollMs: 200 });
    await hub.start();
    onTestFinished(() => hub.stop());
    const server = await createServer(hub, { triggers });
    onTestFinished(() => server.close());
    return server;
  }
});

describe('registering functions', () => {
  it.each([
    ['a timer trigger', () => df.app.client.timer('T', {})],
    ['another trigger', () => df.app.generic('T', { trigger: { type: 'blobTrigger' }, handler: () => 1 })],
    ['an output binding', () => df.app.activity('A', { handler: () => 1, extraOutputs: [{}] })],
    ['an input binding', () => app.http('A', { handler: () => undefined, extraInputs: [{ type: 'blob' }] })],
    ['no handler', () => df.app.orchestration('A', {} as never)],
    ['an unknown method', () => app.http('A', { methods: ['BREW'], handler: () => undefined })],
  ])('refuses %s with what to do', (_, define) => {
    expect(define).toThrow(TypeError);
  });

  it('by trigger does the same', () => {
    df.app.generic('O', { trigger: df.trigger.orchestration(), handler: function* () {} });
    df.app.generic('A', { trigger: df.trigger.activity(), handler: () => 1 });
    df.app.generic('E', { trigger: df.trigger.entity(), handler: () => 1 });
    expect(df.takeRegistered().functions.map(({ name }) => name)).toEqual(['O', 'A', 'E']);
    expect(df.takeRegistered().functions).toEqual([]);
  });

  it('getClient wants the context of an HTTP function', () => {
    expect(() => df.getClient({} as never)).toThrow(/app\.http/);
  });

  it('the sample differs from what it was in its imports only', async () => {
    const read = (name: string) =>
      readFile(new URL(`../../samples/durable-functions/${name}`, import.meta.url), 'utf8');
    const code = (text: string) => text.split('\n').slice(3);
    expect(code(await read('index.js'))).toEqual(code(await read('before.js')));
  });
});
