import { expect, it } from 'vitest';
import { entity } from '../../src/model/entity-functions.ts';
import { EntityId } from '../../src/model/entity-id.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { EntityOperationFailedError } from '../../src/core/replay/entity-operation-failed-error.ts';
import { historyOf, typesOf } from '../support/history.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';
import { reachState } from './entity-support.ts';

const counter = entity('Counter', {
  initialState: () => 0,
  operations: {
    add: (ctx, n: number) => (ctx.state += n),
    set: (ctx, n: number) => void (ctx.state = n),
    get: (ctx) => ctx.state,
    fail: (ctx, message: string) => {
      ctx.state += 1_000;
      throw new RangeError(message);
    },
  },
});

async function lockedBy(hub: TestHub, id: EntityId<never> | { readonly name: string; readonly key: string }) {
  return (await hub.client.getEntity(id))?.lockedBy ?? null;
}

inBothModes('orchestrations and entities', ({ open }) => {
  it('B176: a call gives the result; calls one after the other see each other', async () => {
    const sum = orchestration('Sum', async (ctx) => {
      const id = counter.id('calls');
      const results = [await ctx.callEntity(id, 'add', 2), await ctx.callEntity(id, 'add', 3)];
      return [...results, await ctx.callEntity(id, 'get')];
    });
    const hub = await open({ functions: [counter, sum] });
    const ended = await hub.run(sum);
    expect(ended.output).toEqual([2, 5, 5]);
    expect(typesOf(await historyOf(hub, ended.instanceId)).slice(0, 5)).toEqual([
      'OrchestratorStarted',
      'ExecutionStarted',
      'EntityOperationCalled',
      'OrchestratorStarted',
      'EntityOperationCompleted',
    ]);
  });

  it('calls of many entities run at the same time, and come back in the order of the calls', async () => {
    const fanOut = orchestration('FanOut', (ctx) =>
      Promise.all(Array.from({ length: 50 }, (_, n) => ctx.callEntity(counter.id(`fan-${n % 10}`), 'add', 1))),
    );
    const hub = await open({ functions: [counter, fanOut] });
    const { output } = await hub.run(fanOut);
    expect(output).toEqual(Array.from({ length: 50 }, (_, n) => Math.floor(n / 10) + 1));
  });

  it('B177: a throwing operation fails the call with its message, and the entity remains as it was', async () => {
    const fails = orchestration('Fails', (ctx) => ctx.callEntity(counter.id('f'), 'fail', 'no luck'));
    const handles = orchestration('Handles', async (ctx) => {
      await ctx.callEntity(counter.id('f'), 'set', 7);
      try {
        await ctx.callEntity(counter.id('f'), 'fail', 'caught');
      } catch (error) {
        if (!(error instanceof EntityOperationFailedError)) throw error;
        return [error.entityId, error.operationName, error.failureDetails.errorType, error.message];
      }
      return 'not reached';
    });
    const hub = await open({ functions: [counter, fails, handles] });
    const failed = await hub.run(fails);
    expect(failed.runtimeStatus).toBe('Failed');
    expect(failed.failure?.message).toContain('no luck');
    expect((await hub.run(handles)).output).toEqual([
      '@counter@f',
      'fail',
      'RangeError',
      "Operation 'fail' of entity '@counter@f' failed: caught",
    ]);
    await reachState(hub, counter.id('f'), 7);
  });

  it('signals are sent with the turn, also just before the end; scheduled ones wait', async () => {
    const sends = orchestration('Sends', async (ctx) => {
      const at = new Date(ctx.currentUtcDateTime.getTime() + 500);
      ctx.signalEntity(counter.id('later'), 'add', 1, { scheduledTime: at });
      ctx.signalEntity(counter.id('now'), 'add', 1);
      await ctx.createTimer(1);
      ctx.signalEntity(counter.id('now'), 'add', 1);
      return at.getTime();
    });
    const hub = await open({ functions: [counter, sends] });
    const { output } = await hub.run(sends);
    await reachState(hub, counter.id('now'), 2);
    await reachState(hub, counter.id('later'), 1);
    const seen = await hub.client.getEntity(counter.id('later'));
    expect(seen?.lastModifiedAt.getTime()).toBeGreaterThanOrEqual(Number(output));
  });

  it('a generator in the style of durable-functions calls and signals with context.df', async () => {
    const classic = orchestration('Classic', function* (context) {
      const id = new EntityId('Counter', 'df');
      context.df.signalEntity(id, 'add', 2);
      const sum: number = yield context.df.callEntity(id, 'add', 3);
      let message = 'not reached';
      try {
        yield context.df.callEntity(id, 'fail', 'classic');
      } catch (error) {
        message = (error as Error).message;
      }
      return [sum, message];
    });
    const hub = await open({ functions: [counter, classic] });
    expect((await hub.run(classic)).output).toEqual([5, expect.stringContaining('classic')]);
  });

  it('an answer for an orchestration that has ended or continued as new is dropped', async () => {
    const slow = entity('Slow', {
      initialState: () => 0,
      operations: {
        wait: async (ctx, ms: number) => {
          await new Promise((resolve) => setTimeout(resolve, ms));
          return (ctx.state += 1);
        },
      },
    });
    const renews = orchestration('Renews', async (ctx, round: number) => {
      const call = ctx.callEntity(slow.id('s'), 'wait', 50);
      if (round === 0) {
        ctx.continueAsNew(1);
        return undefined;
      }
      return call;
    });
    const leaves = orchestration('Leaves', (ctx) => {
      void ctx.callEntity(slow.id('s'), 'wait', 50);
      return 'gone';
    });
    const hub = await open({ functions: [slow, renews, leaves] });
    expect((await hub.run(leaves)).output).toBe('gone');
    expect((await hub.run(renews, { input: 0 })).output).toBe(3);
    await reachState(hub, slow.id('s'), 3);
  });

  it('B183: lock, read, wait, write by three orchestrations: no update is lost', async () => {
    const increments = orchestration('Increments', async (ctx) => {
      const id = counter.id('locked');
      const held = await ctx.lock([id]);
      const before = await ctx.callEntity(id, 'get');
      await ctx.createTimer(20);
      await ctx.callEntity(id, 'set', before + 1);
      held.release();
      held.release();
      return before;
    });
    const hub = await open({ functions: [counter, increments] });
    const ids = await Promise.all([1, 2, 3].map(() => hub.client.startNew(increments)));
    const results = await Promise.all(ids.map((id) => hub.finish(id)));
    expect(results.map(({ output }) => Number(output)).sort()).toEqual([0, 1, 2]);
    await reachState(hub, counter.id('locked'), 3);
    await waitFor(async () => (await lockedBy(hub, counter.id('locked'))) === null, { what: 'the release' });
  });

  it('B184: locks in different orders, with one named twice, do not deadlock', async () => {
    const transfer = orchestration('Transfer', async (ctx, [from, to]: readonly [string, string]) => {
      const [source, target] = [counter.id(from), counter.id(to)];
      const held = await ctx.lock([source, target, source]);
      const [a, b] = [await ctx.callEntity(source, 'get'), await ctx.callEntity(target, 'get')];
      await ctx.callEntity(source, 'set', a - 1);
      await ctx.callEntity(target, 'set', b + 1);
      held.release();
    });
    const hub = await open({ functions: [counter, transfer] });
    const accounts = ['a', 'b', 'c'];
    const runs = Array.from(
      { length: 12 },
      (_, n) => [accounts[n % 3] ?? '', accounts[(n + 1 + (n % 2)) % 3] ?? ''] as const,
    );
    const ids = await Promise.all(runs.map((input) => hub.client.startNew(transfer, { input })));
    for (const id of ids) expect((await hub.finish(id)).runtimeStatus).toBe('Completed');
    const states = await Promise.all(accounts.map((key) => hub.client.readEntityState(counter.id(key))));
    expect(states.reduce((sum, { entityState }) => sum + (entityState ?? 0), 0)).toBe(0);
  });

  it('B185: who has the lock is seen while it is held, and others wait for it', async () => {
    const holds = orchestration('Holds', async (ctx) => {
      const held = await ctx.lock([counter.id('seen')]);
      ctx.setCustomStatus('locked');
      await ctx.waitForExternalEvent('Go');
      held.release();
      await ctx.waitForExternalEvent('End');
    });
    const hub = await open({ functions: [counter, holds] });
    const id = await hub.client.startNew(holds);
    await waitFor(async () => (await hub.client.getStatus(id))?.customStatus === '"locked"', { what: 'the lock' });
    expect(await lockedBy(hub, counter.id('seen'))).toBe(id);
    for (const n of [1, 2, 3]) await hub.client.signalEntity(counter.id('seen'), 'add', n);
    await waitFor(async () => (await hub.client.getEntity(counter.id('seen')))?.backlogSize === 3, {
      what: 'a backlog',
    });
    expect((await hub.client.readEntityState(counter.id('seen'))).entityExists).toBe(false);
    await hub.client.raiseEvent(id, 'Go');
    await reachState(hub, counter.id('seen'), 6);
    expect(await lockedBy(hub, counter.id('seen'))).toBeNull();
    await hub.client.raiseEvent(id, 'End');
    await hub.finish(id);
  });

  it.each([
    'completes',
    'fails',
    'continues as new',
    'is terminated',
    'is terminated while it waits for a lock',
  ] as const)('B186: locks are released when the holder %s', async (how) => {
    const ids = [counter.id('x'), counter.id('y')];
    const holder = orchestration('Holder', async (ctx, round: number) => {
      if (round > 0) {
        await ctx.waitForExternalEvent('End');
        return 'renewed';
      }
      const held = await ctx.lock(ids);
      ctx.setCustomStatus('locked');
      await ctx.waitForExternalEvent('Go');
      if (how === 'fails') throw new Error('on purpose');
      if (how === 'continues as new') ctx.continueAsNew(1);
      return held === undefined ? 'never' : 'without release';
    });
    const hub = await open({ functions: [counter, holder] });
    const id = await hub.client.startNew(holder, { input: 0 });
    await waitFor(async () => (await hub.client.getStatus(id))?.customStatus === '"locked"', { what: 'the lock' });
    if (how === 'is terminated while it waits for a lock') {
      const second = await hub.client.startNew(holder, { input: 0 });
      await waitFor(async () => (await hub.client.getEntity(ids[0] ?? counter.id('x')))?.backlogSize === 1, {
        what: 'the second request',
      });
      await hub.client.terminate(second);
      await hub.finish(second);
      await hub.client.raiseEvent(id, 'Go');
    } else if (how === 'is terminated') await hub.client.terminate(id);
    else await hub.client.raiseEvent(id, 'Go');
    for (const locked of ids) await hub.client.signalEntity(locked, 'add', 1);
    for (const locked of ids) await reachState(hub, locked, 1);
    for (const locked of ids) {
      await waitFor(async () => (await lockedBy(hub, locked)) === null, { what: 'the release' });
    }
    if (how === 'continues as new') await hub.client.raiseEvent(id, 'End');
    await hub.finish(id);
  });

  it('B186: a lock request of an orchestration that is terminated takes no lock on its way', async () => {
    const ids = Array.from({ length: 6 }, (_, n) => counter.id(`way-${n}`));
    const takesAll = orchestration('TakesAll', async (ctx) => (await ctx.lock(ids)).release());
    // Locks that are left are found by maintenance only, at most every 15 s.
    const hub = await open({ functions: [counter, takesAll] });
    for (let round = 0; round < 30; round += 1) {
      const id = await hub.client.startNew(takesAll);
      await waitFor(async () => (await hub.client.getStatus(id))?.runtimeStatus !== 'Pending');
      await hub.client.terminate(id, 'enough').catch(() => undefined); // or it has ended by itself
      await hub.finish(id);
    }
    expect((await hub.run(takesAll)).runtimeStatus).toBe('Completed');
    for (const id of ids) await waitFor(async () => (await lockedBy(hub, id)) === null);
  });

  it('B187: cleaning releases the lock of a holder that is gone, and removes empty entities', async () => {
    const holds = orchestration('Holds', async (ctx) => {
      await ctx.lock([counter.id('orphan')]);
      ctx.setCustomStatus('locked');
      await ctx.waitForExternalEvent('Go');
    });
    const taskHub = freshName();
    const hub = await open({ functions: [counter, holds], taskHub });
    const id = await hub.client.startNew(holds);
    await waitFor(async () => (await hub.client.getStatus(id))?.customStatus === '"locked"', { what: 'the lock' });
    // Replaced while it runs: nobody can have released for it what it held.
    await hub.client.startNew(holds, { instanceId: 'other' });
    await hub.client.terminate(id);
    await hub.finish(id);
    await reachClean(hub);
    await hub.client.terminate('other');
    await hub.client.signalEntity(counter.id('orphan'), 'add', 1);
    await reachState(hub, counter.id('orphan'), 1);
  });

  it('B190: in a critical section, what would wait for others or go around the lock throws', async () => {
    const child = orchestration('Child', () => 1);
    const tries = orchestration('Tries', async (ctx) => {
      const [a, b] = [counter.id('a'), counter.id('b')];
      const messages: string[] = [];
      const attempt = (what: () => unknown): void => {
        try {
          what();
          messages.push('did not throw');
        } catch (error) {
          messages.push(error instanceof Error ? error.message : String(error));
        }
      };
      const lock = ctx.lock([a]);
      attempt(() => ctx.callEntity(a, 'get'));
      attempt(() => ctx.lock([b]));
      const held = await lock;
      attempt(() => ctx.callEntity(b, 'get'));
      attempt(() => ctx.lock([b]));
      attempt(() => ctx.signalEntity(a, 'add', 1));
      attempt(() => ctx.callSubOrchestrator(child));
      attempt(() => ctx.df.callSubOrchestrator('Child'));
      const first = ctx.callEntity(a, 'add', 1);
      attempt(() => ctx.callEntity(a, 'add', 1));
      await first;
      await ctx.callEntity(a, 'add', 1);
      ctx.signalEntity(b, 'add', 5);
      held.release();
      ctx.signalEntity(a, 'add', 1);
      await ctx.callSubOrchestrator(child);
      return messages;
    });
    const hub = await open({ functions: [counter, child, tries] });
    const { output } = await hub.run(tries);
    expect(output).toEqual([
      expect.stringContaining('await the lock'),
      expect.stringContaining('release them before you ask for others'),
      expect.stringContaining("'@counter@b' is not locked"),
      expect.stringContaining('release them before you ask for others'),
      expect.stringContaining("'@counter@a' is locked by this orchestration"),
      expect.stringContaining('a sub-orchestration must not be called'),
      expect.stringContaining('a sub-orchestration must not be called'),
      expect.stringContaining('await the call'),
    ]);
    await reachState(hub, counter.id('a'), 3);
    await reachState(hub, counter.id('b'), 5);
  });

  it('activities and timers may be used in a critical section', async () => {
    const double = activity('Double', (n: number) => n * 2);
    const works = orchestration('Works', async (ctx) => {
      const held = await ctx.lock([counter.id('w')]);
      const n = await ctx.callEntity(counter.id('w'), 'add', 4);
      const result = await ctx.callActivity(double, n);
      held.release();
      return result;
    });
    const hub = await open({ functions: [counter, double, works] });
    expect((await hub.run(works)).output).toBe(8);
  });

  it('operations of an entity that nobody registers fail after a while, as EntityTaskNotFound', async () => {
    const calls = orchestration('Calls', async (ctx) => {
      try {
        await ctx.callEntity(new EntityId('nobody', 'k'), 'get');
      } catch (error) {
        return error instanceof EntityOperationFailedError ? error.failureDetails : undefined;
      }
      return undefined;
    });
    const hub = await open({ functions: [counter, calls], unregisteredActivityGraceMs: 300 });
    expect((await hub.run(calls)).output).toMatchObject({
      errorType: 'EntityTaskNotFound',
      message: expect.stringContaining("the entity 'nobody'"),
      isNonRetriable: true,
    });
    await expect(hub.client.signalEntity(new EntityId('nobody', 'k'), 'get')).rejects.toMatchObject({
      code: 'EntityNotRegistered',
    });
  });
});

async function reachClean(hub: TestHub): Promise<void> {
  let token: string | undefined;
  do {
    const done = await hub.client.cleanEntityStorage(token === undefined ? {} : { continuationToken: token });
    token = done.continuationToken;
  } while (token !== undefined);
}
