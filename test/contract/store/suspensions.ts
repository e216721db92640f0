import { describe, expect, it } from 'vitest';
import { freshHub, freshId, type StoreUnderTest } from './fixture.ts';

export function suspensions({ store, other }: StoreUnderTest): void {
  describe('whether an instance is suspended', () => {
    it('is what its status says, and of the requests that wait the last', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.start({ instanceId, scheduledStartAt: new Date(Date.now() + 3_600_000) });
      const find = () => other.findSuspension(hub.id, instanceId);
      expect(await find()).toEqual({ status: 'Pending', suspended: false });
      await hub.send(instanceId, { type: 'ExecutionSuspended', reason: 'x' });
      await hub.raise(instanceId, 'Go', '"ExecutionResumed"');
      expect(await find()).toEqual({ status: 'Pending', suspended: true });
      await hub.send(instanceId, { type: 'ExecutionResumed' });
      expect(await find()).toEqual({ status: 'Pending', suspended: false });
      await hub.send(instanceId, { type: 'ExecutionSuspended' });
      expect(await find()).toEqual({ status: 'Pending', suspended: true });
    });

    it('counts what no turn has consumed', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      await hub.send(instanceId, { type: 'ExecutionSuspended' });
      const { messages } = await worker.read(claim.key);
      await worker.commitOne(claim, { status: 'Suspended', consumedMessages: messages.map(({ id }) => id) });
      expect(await store.findSuspension(hub.id, instanceId)).toEqual({ status: 'Suspended', suspended: true });
      await hub.send(instanceId, { type: 'ExecutionResumed' });
      expect(await store.findSuspension(hub.id, instanceId)).toEqual({ status: 'Suspended', suspended: false });
    });

    it('is not asked of none, and not so of one that has ended', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId });
      expect(await store.findSuspension(hub.id, instanceId)).toEqual({ status: 'Completed', suspended: false });
      expect(await store.findSuspension(hub.id, 'nobody')).toBeUndefined();
    });
  });
}
