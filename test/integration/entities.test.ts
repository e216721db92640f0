import { expect, it } from 'vitest';
import { entity } from '../../src/model/entity-functions.ts';
import { EntityId } from '../../src/model/entity-id.ts';
import { orchestration } from '../../src/model/functions.ts';
import { inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';
import { reachState } from './entity-support.ts';

const counter = entity('Counter', {
  initialState: () => 0,
  operations: {
    add: (ctx, n: number) => {
      ctx.state += n;
    },
    get: (ctx) => ctx.state,
    fail: (ctx, message: string) => {
      ctx.state += 1_000;
      throw new RangeError(message);
    },
  },
});

inBothModes('entities', ({ open }) => {
  it('B173: signals +10, +5, -3 give 12', async () => {
    const hub = await open({ functions: [counter] });
    const id = counter.id('sum');
    for (const n of [10, 5, -3]) await hub.client.signalEntity(id, 'add', n);
    await reachState(hub, id, 12);
    expect(await hub.client.readEntityState(id)).toEqual({ entityExists: true, entityState: 12 });
  });

  it('B174: of 20 sequential and 10 concurrent signals none is lost and none doubled', async () => {
    const hub = await open({ functions: [counter] });
    const id = counter.id('many');
    for (let n = 0; n < 20; n += 1) await hub.client.signalEntity(id, 'add', 1);
    await Promise.all(Array.from({ length: 10 }, () => hub.client.signalEntity(id, 'add', 100)));
    await reachState(hub, id, 1_020);
  });

  it('B175: the order of the signals of one sender is kept', async () => {
    const log = entity('Log', {
      initialState: (): number[] => [],
      operations: { append: (ctx, n: number) => void ctx.state.push(n) },
    });
    const hub = await open({ functions: [log] });
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    await Promise.all(numbers.map((n) => hub.client.signalEntity(log.id('order'), 'append', n)));
    await reachState(hub, log.id('order'), numbers);
  });

  it('B178: what a failed operation changed and sent is undone; the others of its batch keep theirs', async () => {
    const mirror = entity('Mirror', {
      initialState: () => 0,
      operations: {
        add: (ctx, n: number) => {
          ctx.state += n;
          ctx.signalEntity(counter.id('mirrored'), 'add', n);
          if (n < 0) throw new RangeError('too small');
        },
      },
    });
    const hub = await open({ functions: [counter, mirror] });
    await Promise.all([1, -10, 2, -10, 4].map((n) => hub.client.signalEntity(mirror.id('m'), 'add', n)));
    await reachState(hub, mirror.id('m'), 7);
    await reachState(hub, counter.id('mirrored'), 7);
  });

  it('B179: the same key under other names is another entity; names ignore case, keys do not', async () => {
    const gauge = entity('Gauge', {
      initialState: () => 0,
      operations: { set: (ctx, n: number) => void (ctx.state = n) },
    });
    const hub = await open({ functions: [counter, gauge] });
    await hub.client.signalEntity(counter.id('k'), 'add', 1);
    await hub.client.signalEntity(new EntityId('COUNTER', 'k'), 'ADD', 1);
    await hub.client.signalEntity(counter.id('K'), 'add', 10);
    await hub.client.signalEntity(gauge.id('k'), 'set', 100);
    await reachState(hub, counter.id('k'), 2);
    await reachState(hub, counter.id('K'), 10);
    await reachState(hub, gauge.id('k'), 100);
  });

  it('B180: delete removes the state, and soon the entity; the next signal starts afresh', async () => {
    const seen: boolean[] = [];
    const fresh = entity('Fresh', {
      initialState: () => 0,
      operations: {
        add: (ctx, n: number) => {
          seen.push(ctx.isNewlyConstructed);
          ctx.state += n;
        },
      },
    });
    const hub = await open({ functions: [fresh] });
    const id = fresh.id('d');
    for (const n of [1, 2]) await hub.client.signalEntity(id, 'add', n);
    await reachState(hub, id, 3);
    await hub.client.signalEntity(new EntityId('fresh', 'd'), 'delete');
    await waitFor(async () => (await hub.client.getEntity(id)) === undefined, { what: 'the entity to be gone' });
    expect(await hub.client.readEntityState(id)).toEqual({ entityExists: false, entityState: undefined });
    await hub.client.signalEntity(id, 'add', 5);
    await reachState(hub, id, 5);
    expect(seen).toEqual([true, false, true]);
  });

  it('B181: an entity signals another one and starts an orchestration, which completes', async () => {
    const echo = orchestration('Echo', (_ctx, input: unknown) => input);
    const starter = entity('Starter', {
      initialState: (): string[] => [],
      operations: {
        go: (ctx, n: number) => {
          ctx.signalEntity(counter.id('other'), 'add', n);
          ctx.signalEntity(ctx.entityId, 'note', `noted ${n}`);
          ctx.startNew(echo, { instanceId: `echo-${n}`, input: n });
          ctx.state.push(ctx.startNew('Echo', { input: 'generated' }));
        },
        note: (ctx, text: string) => void ctx.state.push(text),
      },
    });
    const hub = await open({ functions: [counter, starter, echo] });
    await hub.client.signalEntity(starter.id('s'), 'go', 42);
    await reachState(hub, counter.id('other'), 42);
    await waitFor(async () => (await hub.client.getStatus('echo-42'))?.runtimeStatus === 'Completed', {
      what: 'the orchestration to complete',
    });
    const entityState = await waitFor(
      async () => {
        const read = await hub.client.readEntityState(starter.id('s'));
        return read.entityState?.length === 2 && read.entityState;
      },
      { what: 'the signal to itself' },
    );
    expect(entityState).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), 'noted 42']);
    expect((await hub.finish(entityState[0] ?? '')).output).toBe('generated');
  });

  it('an entity that starts an orchestration under the id of another one leaves that alone', async () => {
    const wait = orchestration('Wait', (ctx) => ctx.waitForExternalEvent('Go'));
    const starter = entity('Starter', {
      initialState: () => 0,
      operations: {
        go: (ctx, instanceId: string) => {
          ctx.startNew(wait, { instanceId });
          ctx.state += 1;
        },
      },
    });
    const hub = await open({ functions: [starter, wait] });
    const id = await hub.client.startNew(wait);
    const before = await hub.reach(id, 'Running');
    await hub.client.signalEntity(starter.id('s'), 'go', id);
    await reachState(hub, starter.id('s'), 1);
    expect((await hub.client.getStatus(id))?.key).toBe(before.key);
  });

  it('B182: a scheduled signal is not applied before its time, and takes its place when it is due', async () => {
    const log = entity('Log', {
      initialState: (): { readonly text: string; readonly at: number }[] => [],
      operations: { append: (ctx, text: string) => void ctx.state.push({ text, at: Date.now() }) },
    });
    const hub = await open({ functions: [log] });
    const id = log.id('later');
    const due = Date.now() + 700;
    await hub.client.signalEntity(id, 'append', 'later', { scheduledTime: new Date(due) });
    await hub.client.signalEntity(id, 'append', 'past', { scheduledTime: new Date(0) });
    await hub.client.signalEntity(id, 'append', 'now');
    const entries = await waitFor(
      async () => {
        const { entityState } = await hub.client.readEntityState(id);
        return entityState?.length === 3 && entityState;
      },
      { what: 'all three' },
    );
    expect(entries.map((entry) => entry.text)).toEqual(['past', 'now', 'later']);
    expect(entries[2]?.at).toBeGreaterThanOrEqual(due - 5);
  });

  it('B189: an id that is too long is refused', async () => {
    const hub = await open({ functions: [counter] });
    expect(() => counter.id('x'.repeat(248))).toThrow('at most 254 characters');
    await expect(
      hub.client.signalEntityText({ entity: { name: 'counter', key: 'x'.repeat(248) }, operation: 'add' }),
    ).rejects.toMatchObject({ code: 'InvalidArgument' });
    await hub.client.signalEntity(counter.id('x'.repeat(247)), 'add', 1);
    await reachState(hub, counter.id('x'.repeat(247)), 1);
  });

  it('B191: one batch of an entity at a time; different entities run at the same time', async () => {
    let running = 0;
    let most = 0;
    const inside = new Map<string, number>();
    let overlaps = 0;
    const slow = entity('Slow', {
      initialState: () => 0,
      operations: {
        work: async (ctx) => {
          const here = (inside.get(ctx.entityKey) ?? 0) + 1;
          inside.set(ctx.entityKey, here);
          if (here > 1) overlaps += 1;
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 20));
          running -= 1;
          inside.set(ctx.entityKey, here - 1);
          ctx.state += 1;
        },
      },
    });
    const hub = await open({ functions: [slow] });
    const keys = ['a', 'b', 'c', 'd'];
    await Promise.all(keys.flatMap((key) => [1, 2, 3].map(() => hub.client.signalEntity(slow.id(key), 'work'))));
    for (const key of keys) await reachState(hub, slow.id(key), 3);
    expect(overlaps).toBe(0);
    expect(most).toBeGreaterThan(1);
  });

  it('a long batch is written in parts: what has been done is not done again, what is left goes on', async () => {
    let runs = 0;
    const slow = entity('Slow', {
      initialState: () => 0,
      operations: {
        work: async (ctx) => {
          runs += 1;
          await new Promise((resolve) => setTimeout(resolve, 60));
          ctx.state += 1;
        },
      },
    });
    const hub = await open({ functions: [slow] });
    await Promise.all(Array.from({ length: 20 }, () => hub.client.signalEntity(slow.id('s'), 'work')));
    await waitFor(async () => ((await hub.client.readEntityState(slow.id('s'))).entityState ?? 0) > 0, {
      what: 'the first part',
    });
    expect(runs).toBeLessThan(20);
    await reachState(hub, slow.id('s'), 20);
    expect(runs).toBe(20);
  });

  it('class style: methods are operations, fields are the state', async () => {
    class Account {
      balance = 0;
      readonly owner = 'nobody';
      deposit(amount: number): number {
        return this._add(amount);
      }
      _add(amount: number): number {
        this.balance += amount;
        return this.balance;
      }
    }
    const account = entity('Account', Account);
    const hub = await open({ functions: [account] });
    await hub.client.signalEntity(account.id('a'), 'deposit', 5);
    await hub.client.signalEntity(account.id('a'), 'deposit', 7);
    await reachState(hub, account.id('a'), { balance: 12, owner: 'nobody' });
    // No operation, though a method.
    await hub.client.signalEntity(new EntityId('account', 'a'), '_add', 100);
    await hub.client.signalEntity(new EntityId('account', 'a'), 'Deposit', 1);
    await reachState(hub, account.id('a'), { balance: 13, owner: 'nobody' });
    await hub.client.signalEntity(new EntityId('account', 'a'), 'delete');
    await waitFor(async () => !(await hub.client.readEntityState(account.id('a'))).entityExists, { what: 'the end' });
  });

  it('durable-functions style: one function with context.df', async () => {
    const classic = entity<number>('Classic', (context) => {
      const state = context.df.getState(() => 0) ?? 0;
      switch (context.df.operationName) {
        case 'add':
          context.df.setState(state + (context.df.getInput<number>() ?? 0));
          break;
        case 'reset':
          context.df.setState(0);
          break;
        case 'forward':
          context.df.signalEntity(counter.id('classic'), 'add', state);
          break;
        case 'end':
          context.df.destructOnExit();
          break;
        case undefined:
          throw new Error('without a name');
      }
    });
    const hub = await open({ functions: [classic, counter] });
    const id = classic.id('c');
    await hub.client.signalEntity(id, 'add', 3);
    await hub.client.signalEntity(id, 'add', 4);
    await hub.client.signalEntity(id, 'forward');
    await reachState(hub, counter.id('classic'), 7);
    expect(await hub.client.readEntityState(id)).toEqual({ entityExists: true, entityState: 7 });
    await hub.client.signalEntity(id, 'end');
    await waitFor(async () => !(await hub.client.readEntityState(id)).entityExists, { what: 'the end' });
  });
});
