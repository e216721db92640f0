import { expect, it } from 'vitest';
import { createTestEnvironment, type TestEnvironment } from 'perdure/testing';
import { account, transfer } from './index.ts';

async function bank(balances: Readonly<Record<string, number>>): Promise<TestEnvironment> {
  const env = createTestEnvironment({ functions: [account, transfer] });
  for (const [name, amount] of Object.entries(balances)) {
    await env.client.signalEntity(account.id(name), 'deposit', amount);
  }
  return env;
}

async function balanceOf(env: TestEnvironment, name: string): Promise<number | undefined> {
  return (await env.client.readEntityState(account.id(name))).entityState;
}

it('moves money', async () => {
  const env = await bank({ ann: 100 });
  expect(await env.run(transfer, { input: { from: 'ann', to: 'bob', amount: 30 } })).toEqual({ moved: 30 });
  expect([await balanceOf(env, 'ann'), await balanceOf(env, 'bob')]).toEqual([70, 30]);
});

it('moves nothing that is not there, and leaves no lock behind', async () => {
  const env = await bank({ ann: 10 });
  const input = { from: 'ann', to: 'bob', amount: 30 };
  expect(await env.run(transfer, { input })).toEqual({ moved: 0, reason: 'ann has only 10' });
  expect((await env.client.getEntity(account.id('ann')))?.lockedBy ?? null).toBeNull();
});

it('of many transfers in both directions at the same time none loses money or overdraws', async () => {
  const env = await bank({ ann: 50, bob: 50 });
  const starts = Array.from({ length: 20 }, (_, index) => {
    const [from, to] = index % 2 === 0 ? ['ann', 'bob'] : ['bob', 'ann'];
    return env.unsettledClient.startNew(transfer, { input: { from, to, amount: 40 } });
  });
  for (const id of await Promise.all(starts)) await env.outputOf(id);
  const [ann = -1, bob = -1] = [await balanceOf(env, 'ann'), await balanceOf(env, 'bob')];
  expect(ann + bob).toBe(100);
  expect(Math.min(ann, bob)).toBeGreaterThanOrEqual(0);
});

it.each(['crash-before', 'crash-after'] as const)('takes the money once, %s each commit', async (fault) => {
  const env = await bank({ ann: 100 });
  env.injectFault({ at: 'commit', fault, times: 3 });
  expect(await env.run(transfer, { input: { from: 'ann', to: 'bob', amount: 30 } })).toEqual({ moved: 30 });
  expect([await balanceOf(env, 'ann'), await balanceOf(env, 'bob')]).toEqual([70, 30]);
});
