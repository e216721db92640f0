/** Entities under crashes: whatever dies when, money is neither made nor lost, and no lock is left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entity, orchestration } from 'perdure';
import { createTestEnvironment, type Fault } from 'perdure/testing';

const accounts = ['a', 'b', 'c', 'd'] as const;
const start = 100;

const account = entity('Account', {
  initialState: () => start,
  operations: {
    balance: (ctx) => ctx.state,
    move: (ctx, amount: number) => {
      if (ctx.state + amount < 0) throw new RangeError('not enough');
      return (ctx.state += amount);
    },
  },
});

interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly pauseMs: number;
}

const transfer = orchestration('Transfer', async (ctx, { from, to, amount, pauseMs }: Transfer) => {
  const lock = await ctx.lock([account.id(from), account.id(to)]);
  const before = await ctx.callEntity(account.id(from), 'balance');
  if (pauseMs > 0) await ctx.createTimer(pauseMs);
  // Read, wait, write: right only while nobody else gets in.
  if (before >= amount) {
    await ctx.callEntity(account.id(from), 'move', -amount);
    if (from !== to) await ctx.callEntity(account.id(to), 'move', amount);
    else await ctx.callEntity(account.id(from), 'move', amount);
  }
  if (amount % 2 === 0) lock.release();
  return before;
});

const transfers = fc.array(
  fc.record<Transfer>({
    from: fc.constantFrom(...accounts),
    to: fc.constantFrom(...accounts),
    amount: fc.integer({ min: 1, max: 90 }),
    pauseMs: fc.constantFrom(0, 0, 5_000),
  }),
  { minLength: 2, maxLength: 6 },
);
const faults = fc.array(fc.constantFrom<Fault | undefined>('crash-before', 'crash-after', undefined, undefined), {
  maxLength: 40,
});

async function tell(list: readonly Transfer[], plan: readonly (Fault | undefined)[], forgetAfterEachTurn: boolean) {
  const left = [...plan];
  const env = createTestEnvironment({
    functions: [account, transfer],
    forgetAfterEachTurn,
    faults: (moment) => (moment.at === 'commit' ? left.shift() : undefined),
  });
  const ids: string[] = [];
  for (const input of list) ids.push(await env.client.startNew(transfer, { input }));
  for (const id of ids) {
    const ended = await env.client.waitForCompletion(id, { timeoutMs: 86_400_000 });
    expect(ended?.runtimeStatus).toBe('Completed');
  }
  const states = await Promise.all(
    accounts.map(async (key) => (await env.client.readEntityState(account.id(key))).entityState ?? start),
  );
  for (const key of accounts) expect((await env.client.getEntity(account.id(key)))?.lockedBy ?? null).toBeNull();
  return states;
}

describe('transfers between locked entities', () => {
  it('B184: conserve the sum, and none waits for ever, whatever dies when', async () => {
    await fc.assert(
      fc.asyncProperty(transfers, faults, fc.boolean(), async (list, plan, forget) => {
        const states = await tell(list, plan, forget);
        expect(states.reduce((sum, state) => sum + state, 0)).toBe(start * accounts.length);
        for (const state of states) expect(state).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 60 },
    );
  });
});
