import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../../src/model/history.ts';
import type { InstanceKey } from '../../../src/model/work.ts';
import { ended, started, terminated, turnStarted } from '../../support/builders.ts';
import { freshHub, freshId, type StoreUnderTest } from './fixture.ts';

export function terminatePending({ store, other, remains }: StoreUnderTest): void {
  const eventsAt = (now: number): readonly HistoryEvent[] => [
    turnStarted(now),
    { ...started(), timestamp: now },
    { ...terminated('"no"'), timestamp: now },
    { ...ended('Terminated'), timestamp: now, result: '"no"' },
  ];
  const end = (key: InstanceKey, through = store) => through.terminatePending({ key, output: '"no"', eventsAt });

  describe('terminating a Pending instance', () => {
    it('ends it without a worker, with history and output', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      expect(await end(key)).toBe('terminated');
      const instance = await hub.get(instanceId, { history: true });
      expect(instance).toMatchObject({ runtimeStatus: 'Terminated', output: '"no"', history: { length: 4 } });
      expect(instance.history?.[0]?.timestamp).toBeGreaterThan(Date.UTC(2020, 0));
      expect(instance.completedAt).toEqual(instance.lastUpdatedAt);
      expect(instance.lastUpdatedAt.getTime()).toBeGreaterThanOrEqual(instance.createdAt.getTime());
      expect(await remains(key)).toEqual({ instances: 1, history: 1 });
      expect(await (await hub.worker()).claim()).toEqual([]);
      expect(await store.findEnded([key])).toEqual([key]);
    });

    it('works before a scheduled start, which then never happens', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId, scheduledStartAt: new Date(Date.now() + 3_600_000) });
      await hub.raise(instanceId, 'Go');
      expect(await end(key)).toBe('terminated');
      expect(await remains(key)).toEqual({ instances: 1, history: 1 });
      expect(await (await hub.worker()).alive()).not.toHaveProperty('nextDueAt');
    });

    it('is left to its worker once it is claimed or has run', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      expect(await end(claim.key)).toBeUndefined();
      await worker.commitOne(claim);
      expect(await end(claim.key)).toBeUndefined();
      expect(await hub.get(instanceId)).toMatchObject({ runtimeStatus: 'Running', output: null });
    });

    it('is not for ended or missing instances', async () => {
      const hub = await freshHub(store);
      expect(await end(await hub.ended())).toBeUndefined();
      expect(await end('999999999')).toBeUndefined();
    });

    it('happens once, or a worker has it: never both', async () => {
      const hub = await freshHub(store);
      const keys = await Promise.all(Array.from({ length: 60 }, () => hub.start()));
      const worker = await hub.worker();
      const [claims, ...ends] = await Promise.all([
        worker.claim({ limit: 30 }),
        ...keys.map((key, index) => end(key, index % 2 === 0 ? store : other)),
        ...keys.map((key) => end(key)),
      ]);
      const outcomes = await Promise.all(claims.map((claim) => worker.commitOne(claim)));
      expect(outcomes.filter((outcome) => outcome.kind !== 'committed')).toEqual([]);
      expect(ends.filter((outcome) => outcome === 'terminated')).toHaveLength(60 - claims.length);
    });

    it('lets its id be used again', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      await end(key);
      await hub.start({ instanceId });
      expect(await remains(key)).toEqual({});
    });
  });
}
