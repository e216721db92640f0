import { describe, expect, it } from 'vitest';
import { freshHub, type StoreUnderTest } from './fixture.ts';

export function watches({ store }: StoreUnderTest): void {
  describe('looks of those who follow', () => {
    it('find instances by their keys, as a look-up of each would', async () => {
      const hub = await freshHub(store);
      const live = await hub.start({ instanceId: 'live' });
      const done = await hub.ended({ instanceId: 'done', input: '1' }, { customStatus: '"c"', output: '2' });
      const found = await store.findByKeys([done, live, '999999999']);
      for (const id of ['live', 'done']) {
        const { key, instanceId, name, runtimeStatus, customStatus, createdAt, lastUpdatedAt } = await hub.get(id);
        expect(found).toContainEqual({ key, instanceId, name, runtimeStatus, customStatus, createdAt, lastUpdatedAt });
      }
      expect(found).toHaveLength(2);
      expect(await store.findByKeys([])).toEqual([]);
    });

    it('at what is live show keys in order, and another state when there is one', async () => {
      const hub = await freshHub(store);
      const first = await hub.start();
      const { claim, worker } = await hub.claimed();
      await hub.ended();
      await (await freshHub(store)).start();
      const event = { type: 'EntityOperationSignaled' as const, requestId: 'r', operation: 'add' };
      await store.sendToEntity({ hubId: hub.id, instanceId: '@counter@k', event });
      const before = await store.lookAtLive(hub.id, '0');
      expect(before.live.map((one) => one.key)).toEqual([first, claim.key]);
      await worker.commitOne(claim, { customStatus: '"new"' });
      const after = await store.lookAtLive(hub.id, '0');
      expect(after.live.map((one) => one.key)).toEqual([first, claim.key]);
      expect(after.live.map((one, at) => one.state === before.live[at]?.state)).toEqual([true, false]);
      expect((await store.lookAtLive(hub.id, first)).live.map((one) => one.key)).toEqual([claim.key]);
    });

    it('at what is new show what has ended already', async () => {
      const hub = await freshHub(store);
      const old = await hub.ended();
      const since = await store.newestKey();
      expect(BigInt(since)).toBeGreaterThanOrEqual(BigInt(old));
      await hub.start();
      const done = await hub.ended();
      const { ended, newest } = await store.lookAtNew(hub.id, since);
      expect(ended).toEqual([done]);
      expect(BigInt(newest)).toBeGreaterThanOrEqual(BigInt(done));
    });
  });
}
