import { expect, it } from 'vitest';
import { TaskFailedError } from '../../src/core/replay/task-failed-error.ts';
import { activity, orchestration, type OrchestrationContext } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf, typesOf } from '../support/history.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const double = activity('Double', (n: number) => 2 * n);
const child = orchestration('Child', async (ctx, n: number) => await ctx.callActivity(double, n));
const failing = orchestration('Failing', () => {
  throw new RangeError('the child broke');
});
const waiting = orchestration('Waiting', async (ctx) => await ctx.waitForExternalEvent('Go'));

/** What a call that failed says. */
async function failureOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    return ['no failure', await call];
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error;
    const { errorType, message } = error.failureDetails;
    return { taskName: error.taskName, errorType, message };
  }
}

async function childIdOf(hub: TestHub, parent: string): Promise<string> {
  return await waitFor(
    async () => eventsOf(await historyOf(hub, parent), 'SubOrchestrationInstanceCreated')[0]?.instanceId,
  );
}

inBothModes('sub-orchestrations', ({ open }) => {
  it('B81: the result of a child reaches its parent; what is falsy survives', async () => {
    const echo = orchestration('Echo', (_ctx, input: unknown) => input);
    const inputs = [0, '', false, null, undefined, { a: [1] }];
    const parent = orchestration('Parent', async (ctx) => {
      const results: unknown[] = [];
      for (const input of inputs) results.push(await ctx.callSubOrchestrator(echo, input));
      return results.map((result) => (result === undefined ? 'undefined' : result));
    });
    const hub = await open({ functions: [parent, echo] });
    expect((await hub.run(parent)).output).toEqual([0, '', false, null, 'undefined', { a: [1] }]);
  });

  it('B23, B81, B90: a child knows its parent, and events reach it by its id', async () => {
    const asks = orchestration('Asks', async (ctx) => [ctx.parentInstanceId, await ctx.waitForExternalEvent('Go')]);
    const parent = orchestration('Parent', async (ctx) => await ctx.callSubOrchestrator(asks));
    const hub = await open({ functions: [parent, asks] });
    const id = await hub.client.startNew(parent);
    await hub.client.raiseEvent(await childIdOf(hub, id), 'Go', 'there');
    expect((await hub.finish(id)).output).toEqual([id, 'there']);
  });

  it('F23 B82: the failure of a child throws in its parent, with its details; caught or not', async () => {
    const catches = orchestration('Catches', async (ctx) => await failureOf(ctx.callSubOrchestrator(failing)));
    const lets = orchestration('Lets', async (ctx) => await ctx.callSubOrchestrator('Failing'));
    const hub = await open({ functions: [catches, lets, failing] });
    expect((await hub.run(catches)).output).toEqual({
      taskName: 'Failing',
      errorType: 'RangeError',
      message: 'the child broke',
    });
    expect(await hub.run(lets)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: {
        errorType: 'TaskFailedError',
        message: "Sub-orchestration 'Failing' (#0) failed: the child broke",
        innerFailure: { errorType: 'RangeError', message: 'the child broke' },
      },
    });
  });

  it('B83: ids of children differ by call and execution, and stay short however deep they nest', async () => {
    const nested = orchestration('Nested', async (ctx, depth: number): Promise<readonly string[]> => {
      const below = depth === 0 ? [] : await ctx.callSubOrchestrator<string[]>('Nested', depth - 1);
      return [ctx.instanceId, ...below];
    });
    const twice = orchestration('Twice', async (ctx, before: readonly string[]) => {
      const both = await ctx.all([
        ctx.callSubOrchestrator<string[]>('Nested', 2),
        ctx.callSubOrchestrator<string[]>('Nested', 0),
      ]);
      const all = [...before, ...both.flat()];
      if (before.length === 0) ctx.continueAsNew(all);
      return all;
    });
    const hub = await open({ functions: [nested, twice] });
    const { output } = await hub.run(twice, { input: [] });
    const ids = output as string[];
    expect(new Set(ids).size).toBe(8);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}:[0-9a-f]{4}$/);
  });

  it('B84: a given id is used as it is', async () => {
    const parent = orchestration(
      'Parent',
      async (ctx, id: string) => await ctx.callSubOrchestrator(child, 4, { instanceId: id }),
    );
    const hub = await open({ functions: [parent, child, double] });
    const instanceId = freshName();
    expect((await hub.run(parent, { input: instanceId })).output).toBe(8);
    expect(await hub.client.getStatus(instanceId)).toMatchObject({
      name: 'Child',
      runtimeStatus: 'Completed',
      output: '8',
    });
  });

  it('B85: the id of the orchestration itself, or of its parent, is refused', async () => {
    const inner = orchestration('Inner', (ctx, up: boolean) => {
      try {
        ctx.callSubOrchestrator(child, 1, { instanceId: (up ? ctx.parentInstanceId : ctx.instanceId) ?? '' });
        return 'called';
      } catch (error) {
        return String(error);
      }
    });
    const parent = orchestration('Parent', async (ctx) => [
      await ctx.callSubOrchestrator(inner, false),
      await ctx.callSubOrchestrator(inner, true),
    ]);
    const hub = await open({ functions: [parent, inner, child, double] });
    expect((await hub.run(parent)).output).toEqual([
      expect.stringMatching(/cannot have the instance id .* which is that of the orchestration that calls it/),
      expect.stringMatching(/which is that of its caller's parent/),
    ]);
  });

  it('an id that a live instance has fails the call, and that instance goes on', async () => {
    const parent = orchestration('Parent', async (ctx, id: string) => [
      await failureOf(ctx.callSubOrchestrator(child, 4, { instanceId: id })),
      await failureOf(
        ctx.all([1, 2].map((n) => ctx.callSubOrchestrator(child, n, { instanceId: `${id}-twin` }))).then(),
      ),
    ]);
    const hub = await open({ functions: [parent, child, double, waiting] });
    const instanceId = freshName();
    await hub.client.startNew(waiting, { instanceId });
    const before = await hub.client.getStatus(instanceId);
    const { output, failure } = await hub.run(parent, { input: instanceId });
    expect(failure).toMatchObject({ errorType: 'AggregateError' });
    expect(output).toBeUndefined();
    expect(await hub.client.getStatus(instanceId)).toMatchObject({ key: before?.key, name: 'Waiting' });
  });

  it('B56: an ended instance of a given id is replaced: a retry takes the same id again', async () => {
    const runs: string[] = [];
    const flaky = orchestration('Flaky', (ctx) => {
      if (!ctx.isReplaying) runs.push(ctx.executionId);
      if (runs.length < 3) throw new Error(`run ${runs.length}`);
      return runs.length;
    });
    const parent = orchestration(
      'Parent',
      async (ctx, instanceId: string) =>
        await ctx.callSubOrchestrator(flaky, undefined, {
          instanceId,
          retry: { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: 5 },
        }),
    );
    const hub = await open({ functions: [parent, flaky] });
    const instanceId = freshName();
    expect((await hub.run(parent, { input: instanceId })).output).toBe(3);
    expect(new Set(runs).size).toBe(3);
    expect(await hub.client.getStatus(instanceId)).toMatchObject({ executionId: runs[2], runtimeStatus: 'Completed' });
  });

  it('B56: a retry without a given id takes another each time', async () => {
    const ids: string[] = [];
    const flaky = orchestration('Flaky', (ctx) => {
      if (!ids.includes(ctx.instanceId)) ids.push(ctx.instanceId);
      if (ids.length < 3) throw new Error('again');
      return 'well';
    });
    const parent = orchestration(
      'Parent',
      async (ctx) =>
        await ctx.callSubOrchestrator(flaky, undefined, {
          retry: { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: 5 },
        }),
    );
    const hub = await open({ functions: [parent, flaky] });
    expect((await hub.run(parent)).output).toBe('well');
    expect(new Set(ids).size).toBe(3);
  });

  it('B86: 2,000 children at once complete', { timeout: 60_000 }, async () => {
    const one = orchestration('One', (_ctx, n: number) => n + 1);
    const parent = orchestration('Parent', async (ctx) => {
      const results = await ctx.all(Array.from({ length: 2_000 }, (_, n) => ctx.callSubOrchestrator(one, n)));
      return results.reduce((sum, n) => sum + n, 0);
    });
    const hub = await open({ functions: [parent, one] });
    const id = await hub.client.startNew(parent);
    const ended = await hub.client.waitForCompletion(id, { timeoutMs: 50_000 });
    expect(ended).toMatchObject({ runtimeStatus: 'Completed', output: '2001000' });
  });

  it('B88: a child that is terminated has failed for its parent, with the reason', async () => {
    const parent = orchestration('Parent', async (ctx) => await failureOf(ctx.callSubOrchestrator(waiting)));
    const hub = await open({ functions: [parent, waiting] });
    const id = await hub.client.startNew(parent);
    await hub.client.terminate(await childIdOf(hub, id), 'no longer wanted');
    expect((await hub.finish(id)).output).toEqual({
      taskName: 'Waiting',
      errorType: 'OrchestrationTerminated',
      message: 'no longer wanted',
    });
  });

  it('B88: so has one that was terminated before anybody began it', async () => {
    const parent = orchestration('Parent', async (ctx) => await failureOf(ctx.callSubOrchestrator('Unknown')));
    const hub = await open({ functions: [parent] });
    const id = await hub.client.startNew(parent);
    await hub.client.terminate(await childIdOf(hub, id), 'nobody can');
    expect((await hub.finish(id)).output).toMatchObject({ message: 'nobody can' });
  });

  it('F32 B89: a child whose parent is gone ends as ever, and nobody is told', async () => {
    const parent = orchestration('Parent', async (ctx) => await ctx.callSubOrchestrator(waiting));
    const hub = await open({ functions: [parent, waiting] });
    const id = await hub.client.startNew(parent);
    const childId = await childIdOf(hub, id);
    await hub.client.terminate(id, 'enough');
    await hub.finish(id);
    await hub.client.purgeInstanceHistory(id);
    await hub.client.raiseEvent(childId, 'Go', 'on');
    expect(await hub.finish(childId)).toMatchObject({ runtimeStatus: 'Completed', output: 'on' });
    expect(await hub.client.getStatus(id)).toBeUndefined();
  });

  it('F32 a child that nobody awaits runs, also when its parent has ended', async () => {
    const parent = orchestration('Parent', (ctx, id: string) => {
      ctx.callSubOrchestrator(child, 3, { instanceId: id });
      return 'gone';
    });
    const hub = await open({ functions: [parent, child, double] });
    const instanceId = freshName();
    expect((await hub.run(parent, { input: instanceId })).output).toBe('gone');
    expect((await hub.finish(instanceId)).output).toBe(6);
  });

  it('a child that no live worker knows waits until one does', async () => {
    const taskHub = freshName();
    const parent = orchestration('Parent', async (ctx) => await ctx.callSubOrchestrator('Child', 5));
    const hub = await open({ taskHub, functions: [parent] });
    const id = await hub.client.startNew(parent);
    const childId = await childIdOf(hub, id);
    expect(await hub.client.getStatus(childId)).toMatchObject({ runtimeStatus: 'Pending' });
    await open({ taskHub, functions: [child, double] });
    expect((await hub.finish(id)).output).toBe(10);
  });

  it('an event for a child is received though it is sent with its creation', async () => {
    const parent = orchestration('Parent', async (ctx, id: string) => {
      const [given, derived] = [
        ctx.callSubOrchestrator(waiting, undefined, { instanceId: id }),
        ctx.callSubOrchestrator(waiting),
      ];
      ctx.sendEvent(id, 'Go', 'first');
      ctx.sendEvent(`${ctx.executionId}:0001`, 'Go', 'second');
      return await ctx.all([given, derived]);
    });
    const hub = await open({ functions: [parent, waiting] });
    expect((await hub.run(parent, { input: freshName() })).output).toEqual(['first', 'second']);
  });

  it('B165: history of activity, timer and child is exactly the 12 events', async () => {
    const parent = orchestration('Parent', async (ctx: OrchestrationContext) => {
      await ctx.callActivity(double, 1);
      await ctx.createTimer(1);
      return await ctx.callSubOrchestrator(child, 2);
    });
    const hub = await open({ functions: [parent, child, double] });
    const id = await hub.client.startNew(parent);
    expect((await hub.finish(id)).output).toBe(4);
    const history = await historyOf(hub, id);
    expect(typesOf(history)).toEqual([
      'OrchestratorStarted',
      'ExecutionStarted',
      'TaskScheduled',
      'OrchestratorStarted',
      'TaskCompleted',
      'TimerCreated',
      'OrchestratorStarted',
      'TimerFired',
      'SubOrchestrationInstanceCreated',
      'OrchestratorStarted',
      'SubOrchestrationInstanceCompleted',
      'ExecutionCompleted',
    ]);
    const ids = history.flatMap((event) => ('eventId' in event ? [event.eventId] : []));
    expect(ids).toEqual([0, 1, 2, 3]);
  });

  it('goes on with many parents and children on two workers', { timeout: 30_000 }, async () => {
    const taskHub = freshName();
    const parent = orchestration('Parent', async (ctx, n: number) => {
      const results = await ctx.all([0, 1, 2].map((index) => ctx.callSubOrchestrator(child, n + index)));
      return results.reduce((sum, result) => sum + result, 0);
    });
    const functions = [parent, child, double];
    const [hub] = await Promise.all([open({ taskHub, functions }), open({ taskHub, functions })]);
    const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => hub.client.startNew(parent, { input: n })));
    const outputs = await Promise.all(ids.map(async (id) => (await hub.finish(id)).output));
    expect(outputs).toEqual(ids.map((_, n) => 6 * n + 6));
  });

  it('terminates a child whose activity is running when its parent asks for that', async () => {
    const [begun, release] = [gate(), gate()];
    const slow = activity('Slow', async () => {
      begun.open();
      await release.passed;
    });
    const works = orchestration('Works', async (ctx) => await ctx.callActivity(slow));
    const parent = orchestration('Parent', async (ctx) => await failureOf(ctx.callSubOrchestrator(works)));
    const hub = await open({ functions: [parent, works, slow] });
    const id = await hub.client.startNew(parent);
    await begun.passed;
    await hub.client.terminate(await childIdOf(hub, id), 'stop');
    expect((await hub.finish(id)).output).toMatchObject({ message: 'stop' });
    release.open();
  });
});
