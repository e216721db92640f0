import { describe, expect, it } from 'vitest';
import { freshHub, freshId, newTask, type StoreUnderTest } from './fixture.ts';

export function obstacles({ store }: StoreUnderTest): void {
  describe('what keeps an instance', () => {
    it('is nobody, for one that no worker has', async () => {
      const hub = await freshHub(store);
      const key = await hub.start({ instanceId: freshId(), name: 'Order' });
      const nobody = { key, owner: null, tasks: [], isListed: false, liveWorkers: 0 };
      const found = await store.findObstacles(key);
      expect(found).toMatchObject(nobody);
      // `now` is in whole milliseconds.
      expect(found?.readySince).toBeLessThan((found?.now ?? 0) + 1);
      await hub.worker({ functions: { orchestrators: ['Other'] } });
      expect(await store.findObstacles(key)).toMatchObject({ ...nobody, liveWorkers: 1 });
      await hub.worker({ functions: { orchestrators: ['ORDER'] } });
      expect(await store.findObstacles(key)).toMatchObject({ liveWorkers: 2, isListed: true });
    });

    it('is its owner, alive or not, and activities in the queue or with somebody', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed({ instanceId: freshId() });
      const { messages } = await worker.read(claim.key);
      await worker.commitOne(claim, {
        consumedMessages: messages.map(({ id }) => id),
        queuedTasks: [newTask(3), newTask(4, { name: 'Nowhere', redelivery: 2 })],
        keepOwnership: true,
      });
      await worker.claimTasks({ limit: 1 });
      const owner = { id: worker.id, isLive: true, name: expect.any(String), expiresAt: expect.any(Number) };
      const found = await store.findObstacles(claim.key);
      expect(found).toEqual({
        key: claim.key,
        now: expect.any(Number),
        owner,
        readySince: null,
        liveWorkers: 1,
        isListed: true,
        tasks: [
          expect.objectContaining({ taskScheduledId: 3, owner, isListed: true, redelivery: 0 }),
          expect.objectContaining({ taskScheduledId: 4, owner: null, isListed: false, redelivery: 2 }),
        ],
      });
      await worker.die();
      const gone = await store.findObstacles(claim.key);
      expect(gone).toMatchObject({ owner: { id: worker.id, isLive: false }, liveWorkers: 0, isListed: false });
      expect(gone?.owner?.expiresAt).toBeLessThan((gone?.now ?? 0) + 1);
    });

    it('is nothing, for one that has ended', async () => {
      const hub = await freshHub(store);
      expect(await store.findObstacles(await hub.ended())).toBeUndefined();
    });
  });
}
