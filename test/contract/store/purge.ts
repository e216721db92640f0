import { describe, expect, it } from 'vitest';
import { liveStatuses, terminalStatuses } from '../../../src/model/instance.ts';
import { after, freshHub, freshId, newTask, type StoreUnderTest } from './fixture.ts';

export function purge({ store, other, remains }: StoreUnderTest): void {
  describe('purging one instance', () => {
    it('leaves nothing of it, and its id is free again', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const first = await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0)] });
      await worker.commitOne(after(claim, first), { status: 'Completed', output: '1' });
      expect(await remains(claim.key)).toEqual({ instances: 1, history: 2, tasks: 1 });
      expect(await store.purgeInstance(hub.id, instanceId)).toEqual({ kind: 'purged' });
      expect(await remains(claim.key)).toEqual({});
      expect(await other.getInstance(hub.id, instanceId)).toBeUndefined();
      expect(await hub.raise(instanceId, 'Go')).toEqual({ kind: 'not-found' });
      expect(await worker.claimTasks()).toEqual([]);
      await hub.start({ instanceId });
      expect(await hub.history(instanceId)).toEqual([]);
    });

    it('finds nothing the second time, nor in another hub', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId });
      expect(await store.purgeInstance((await freshHub(store)).id, instanceId)).toEqual({ kind: 'not-found' });
      expect(await store.purgeInstance(hub.id, instanceId)).toEqual({ kind: 'purged' });
      expect(await store.purgeInstance(hub.id, instanceId)).toEqual({ kind: 'not-found' });
    });

    it('leaves a live one alone', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      expect(await store.purgeInstance(hub.id, instanceId)).toEqual({ kind: 'not-terminal', status: 'Pending' });
      await worker.commitOne(claim, { status: 'Suspended' });
      expect(await store.purgeInstance(hub.id, instanceId)).toEqual({ kind: 'not-terminal', status: 'Suspended' });
      expect(await remains(claim.key)).toMatchObject({ instances: 1, history: 1, messages: 1 });
    });

    it('happens once though many ask at the same time', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId });
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? store : other).purgeInstance(hub.id, instanceId)),
      );
      expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual([
        ...Array.from({ length: 9 }, () => 'not-found'),
        'purged',
      ]);
    });

    it('keeps everything of its neighbours', async () => {
      const hub = await freshHub(store);
      const [gone, kept] = [freshId(), freshId()];
      const [, key] = [await hub.ended({ instanceId: gone }), await hub.ended({ instanceId: kept })];
      const before = await remains(key);
      await store.purgeInstance(hub.id, gone);
      expect(await remains(key)).toEqual(before);
      expect(before).toEqual({ instances: 1, history: 1 });
    });
  });

  describe('purging by filter', () => {
    it('takes more than a thousand, all that match and nothing else', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const gone = Array.from({ length: 1_100 }, (_, index) => freshId(`gone-${index}`));
      await Promise.all(gone.map((instanceId) => hub.start({ instanceId })));
      const claims = await worker.claim({ limit: 2_000 });
      await worker.commit(
        claims.map((claim) => ({
          key: claim.key,
          executionId: claim.executionId,
          fence: 0,
          events: [],
          status: 'Completed',
          customStatus: null,
          output: null,
          failure: null,
          consumedMessages: [],
          queuedTasks: [newTask(0)],
          timers: [],
          cancelledTimers: [],
          messages: [],
          children: [],
          next: null,
          keepOwnership: false,
        })),
      );
      const kept = await hub.ended({ instanceId: freshId('kept') });
      const live = await hub.start({ instanceId: freshId('gone-live') });
      const elsewhere = await freshHub(store);
      const foreign = await elsewhere.ended({ instanceId: freshId('gone') });
      expect(await store.purgeInstances(hub.id, { instanceIdPrefix: 'gone-' })).toBe(1_100);
      expect(await store.purgeInstances(hub.id, { instanceIdPrefix: 'gone-' })).toBe(0);
      for (const claim of [claims[0], claims[599], claims[1_099]]) expect(await remains(claim?.key ?? '')).toEqual({});
      for (const key of [kept, foreign]) expect(await remains(key)).toEqual({ instances: 1, history: 1 });
      expect(await remains(live)).toMatchObject({ instances: 1, messages: 1 });
    });

    it('takes statuses and times into account, and live instances never', async () => {
      const hub = await freshHub(store);
      const ids = { Completed: freshId(), Failed: freshId(), Terminated: freshId() };
      for (const status of ['Completed', 'Failed', 'Terminated'] as const) {
        await hub.ended({ instanceId: ids[status] }, { status });
      }
      const live = freshId();
      await hub.start({ instanceId: live });
      expect(await store.purgeInstances(hub.id, { runtimeStatus: [...liveStatuses] })).toBe(0);
      expect(await store.purgeInstances(hub.id, { createdTo: new Date(Date.now() - 3_600_000) })).toBe(0);
      expect(await store.purgeInstances(hub.id, { createdFrom: new Date(Date.now() + 3_600_000) })).toBe(0);
      expect(await store.purgeInstances(hub.id, { runtimeStatus: ['Failed', 'Running'] })).toBe(1);
      expect(await store.getInstance(hub.id, ids.Failed)).toBeUndefined();
      expect(await store.purgeInstances(hub.id, { runtimeStatus: [...terminalStatuses, ...liveStatuses] })).toBe(2);
      expect(await hub.get(live)).toMatchObject({ runtimeStatus: 'Pending' });
    });

    it('by two at the same time removes each instance once', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      await Promise.all(Array.from({ length: 700 }, () => hub.start()));
      const claims = await worker.claim({ limit: 700 });
      await Promise.all(claims.map((claim) => worker.commitOne(claim, { status: 'Completed' })));
      const counts = await Promise.all([
        store.purgeInstances(hub.id, {}),
        other.purgeInstances(hub.id, {}),
        store.purgeInstances(hub.id, { runtimeStatus: ['Completed'] }),
      ]);
      // One that meets rows the other is removing leaves them to it.
      const left = await store.purgeInstances(hub.id, {});
      expect(counts.reduce((sum, count) => sum + count, left)).toBe(700);
    });
  });

  describe('an instance that starts, ends, and is purged again and again under one id', () => {
    it('never shows anything of its former lives', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const keys: string[] = [];
      for (let life = 0; life < 10; life += 1) {
        keys.push(await hub.ended({ instanceId, input: String(life) }, { output: String(life) }));
        expect(await hub.get(instanceId, { history: true })).toMatchObject({
          input: String(life),
          output: String(life),
          history: { length: 1 },
        });
        if (life % 2 === 0) await store.purgeInstance(hub.id, instanceId);
      }
      for (const key of keys.slice(0, -1)) expect(await remains(key)).toEqual({});
    });
  });
}
