import { describe, expect, it } from 'vitest';
import { freshHub, freshId, newTask, type StoreUnderTest } from './fixture.ts';

export function workers({ store, other }: StoreUnderTest): void {
  describe('a heartbeat', () => {
    it('tells a worker without work the time and nothing else', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const beat = await worker.alive();
      expect(beat).toEqual({
        kind: 'alive',
        now: beat.now,
        instancesReady: false,
        activitiesReady: false,
        deadWorkers: false,
        alone: true,
        inboxKeys: [],
        ownedInstances: [],
        ownedTasks: [],
        lostTasks: [],
      });
      expect(Number.isInteger(beat.now)).toBe(true);
      expect((await worker.alive()).now).toBeGreaterThanOrEqual(beat.now);
    });

    it('tells whether another worker of the hub lives', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      await (await freshHub(store)).worker();
      const second = await hub.through(other).worker();
      expect((await worker.alive()).alone).toBe(false);
      await second.die();
      expect((await worker.alive()).alone).toBe(true);
    });

    it('names the claimed tasks whose rows are gone or taken', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { queuedTasks: [newTask(0), newTask(1), newTask(2)] });
      const [first, second, third] = await worker.claimTasks();
      if (first === undefined || second === undefined || third === undefined) throw new Error('no tasks');
      await worker.completeTask(first);
      await store.releaseActivities(worker.id, [second.id]);
      await (await hub.worker()).claimTasks();
      const claimedTasks = [first.id, second.id, third.id, '999999999999'];
      expect(new Set((await worker.alive({ claimedTasks })).lostTasks)).toEqual(
        new Set([first.id, second.id, '999999999999']),
      );
    });

    it('sees only dead workers that still own something', async () => {
      const hub = await freshHub(store);
      const watcher = await hub.worker();
      const idle = await hub.worker();
      await idle.die();
      expect((await watcher.alive()).deadWorkers).toBe(false);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { queuedTasks: [newTask(0)] });
      await worker.claimTasks();
      await worker.die();
      expect((await watcher.alive()).deadWorkers).toBe(true);
      await watcher.claimTasks({ dead: true });
      expect((await watcher.alive()).deadWorkers).toBe(false);
    });
  });

  describe('a lease', () => {
    it('B157: that has ended is never renewed', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker({ leaseMs: 0 });
      for (let round = 0; round < 3; round += 1) expect(await worker.beat()).toEqual({ kind: 'expired' });
      expect(await store.liveFunctionNames(hub.id)).toBeUndefined();
    });

    it('goes on while the worker beats', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker({ leaseMs: 400 });
      const { now } = await worker.beat({ leaseMs: 400 }).then((beat) => {
        if (beat.kind === 'expired') throw new Error('expired at once');
        return beat;
      });
      let last = now;
      while (last < now + 900) {
        const beat = await worker.beat({ leaseMs: 400 });
        if (beat.kind === 'expired') throw new Error(`expired after ${last - now} ms`);
        last = beat.now;
      }
    });

    it('of an unknown worker has ended', async () => {
      const hub = await freshHub(store);
      const beat = await store.heartbeat({ workerId: '999999999', hubId: hub.id, leaseMs: 1_000, claimedTasks: [] });
      expect(beat).toEqual({ kind: 'expired' });
    });
  });

  describe('a worker that leaves', () => {
    it('gives its tasks back at once, and leaves its instances to be taken over', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0)] });
      const tasks = await worker.claimTasks();
      await store.deregisterWorker(worker.id);
      expect(await worker.beat()).toEqual({ kind: 'expired' });
      const next = await hub.worker();
      expect((await next.alive()).deadWorkers).toBe(true);
      expect(await next.claimOnly(claim.key, { dead: true })).toMatchObject({ sequence: 2, takenOver: true });
      expect(await next.claimTasks()).toEqual(tasks);
    });
  });

  describe('the names that live workers know', () => {
    it('are those of all of them, as registered and sorted, and unknown without any', async () => {
      const hub = await freshHub(store);
      expect(await store.liveFunctionNames(hub.id)).toBeUndefined();
      await hub.worker({ functions: { orchestrators: ['Order', 'Refund'], activities: ['Ship'] } });
      const leaving = await hub.worker({ functions: { orchestrators: ['order', 'Audit'], activities: [] } });
      await (await freshHub(store)).worker({ functions: { orchestrators: ['Elsewhere'] } });
      expect(await other.liveFunctionNames(hub.id)).toEqual({
        orchestrators: ['Audit', 'Order', 'Refund', 'order'],
        activities: ['Ship'],
        entities: ['counter'],
      });
      await leaving.die();
      expect(await store.liveFunctionNames(hub.id)).toEqual({
        orchestrators: ['Order', 'Refund'],
        activities: ['Ship'],
        entities: ['counter'],
      });
    });
  });

  describe('ids', () => {
    it('of workers and instances keep counting, so that none comes back', async () => {
      const hub = await freshHub(store);
      const first = await hub.worker();
      await store.deregisterWorker(first.id);
      await store.removeDeadWorkers(hub.id);
      expect(BigInt((await hub.worker()).id)).toBeGreaterThan(BigInt(first.id));
      const instanceId = freshId();
      const key = await hub.ended({ instanceId });
      await store.purgeInstance(hub.id, instanceId);
      expect(BigInt(await hub.start({ instanceId }))).toBeGreaterThan(BigInt(key));
    });
  });
}
