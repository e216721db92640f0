import { describe, expect, it } from 'vitest';
import type { ExecutionRewound } from '../../../src/model/history.ts';
import type { RewindPlan } from '../../../src/model/work.ts';
import { turnStarted } from '../../support/builders.ts';
import { freshHub, freshId, newTask, type Hub, type StoreUnderTest } from './fixture.ts';

function plan(executionId: string, given: Partial<RewindPlan> = {}): RewindPlan {
  const event: ExecutionRewound = { type: 'ExecutionRewound', timestamp: 0, executionId, ignores: [0], ignoredIds: [] };
  return { event, queuedTasks: [], timers: [], ...given };
}

function rewind(hub: Hub, instanceId: string, executionId = freshId('execution'), given: Partial<RewindPlan> = {}) {
  return hub.store.rewindInstance({ hubId: hub.id, instanceId, executionId, plan: () => plan(executionId, given) });
}

const failed = { status: 'Failed', failure: { errorType: 'Error', message: 'boom' }, customStatus: '"last"' } as const;

export function rewinds({ store, other }: StoreUnderTest): void {
  describe('a rewind', () => {
    it('makes a failed instance run again under its key, with the event at the end of its history', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.ended({ instanceId, input: '1', tags: { a: 'b' } }, failed);
      const before = await hub.get(instanceId);
      expect(await rewind(hub, instanceId, 'e-2')).toEqual({ kind: 'rewound', key });
      expect(await hub.through(other).get(instanceId, { history: true })).toEqual({
        ...before,
        executionId: 'e-2',
        runtimeStatus: 'Running',
        output: null,
        failure: null,
        completedAt: null,
        lastUpdatedAt: expect.any(Date),
        history: [turnStarted(), plan('e-2').event],
      });
    });

    it('is given the whole history and the time', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId }, failed);
      let seen: unknown;
      await hub.store.rewindInstance({
        hubId: hub.id,
        instanceId,
        executionId: 'e-2',
        plan: (stored, now) => {
          seen = { stored, now };
          return plan('e-2');
        },
      });
      expect(seen).toEqual({ stored: [turnStarted()], now: expect.any(Number) });
    });

    it('wakes it, and leaves its timers and activities where workers find them', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.ended({ instanceId }, failed);
      const timers = [
        { timerId: 1, fireAt: 0 },
        { timerId: 2, fireAt: 4_102_444_800_000 },
      ];
      await rewind(hub, instanceId, 'e-2', {
        timers,
        queuedTasks: [newTask(0, { input: '"x"', version: '2' }), newTask(3)],
      });
      const worker = await hub.worker();
      const claim = await worker.claimOnly(key);
      expect(claim).toMatchObject({ executionId: 'e-2', status: 'Running', customStatus: '"last"', takenOver: false });
      const { messages, history } = await worker.read(key, { history: true });
      expect(history).toEqual([turnStarted(), plan('e-2').event]);
      expect(messages).toMatchObject([
        { executionId: 'e-2', event: { type: 'ExecutionRewound' } },
        { executionId: 'e-2', event: { type: 'TimerFired', timerId: 1, fireAt: 0 } },
      ]);
      expect(await worker.claimTasks()).toMatchObject([
        { instanceKey: key, executionId: 'e-2', taskScheduledId: 0, input: '"x"', version: '2', redelivery: 0 },
        { instanceKey: key, executionId: 'e-2', taskScheduledId: 3 },
      ]);
      const outcome = await worker.commitOne(claim, {
        cancelledTimers: [2],
        consumedMessages: messages.map(({ id }) => id),
      });
      expect(outcome).toMatchObject({ kind: 'committed', inboxWaiting: false });
    });

    it('shuts out what still comes of the old execution', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const first = await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0), newTask(1)] });
      if (first.kind !== 'committed') throw new Error(first.kind);
      const [task] = await worker.claimTasks({ limit: 1 });
      if (task === undefined) throw new Error('no task');
      const last = { ...claim, sequence: first.sequence };
      await worker.commitOne(last, failed);
      await rewind(hub, instanceId, 'e-2');
      expect(await worker.commitOne(last, { status: 'Completed' })).toEqual({ kind: 'lost', key: claim.key });
      expect(await worker.completeTask(task)).toEqual([]);
      expect(await worker.claimTasks()).toEqual([]);
      expect(await worker.alive({ claimedTasks: [task.id] })).toMatchObject({ lostTasks: [task.id] });
      const again = await worker.claimOnly(claim.key);
      expect((await worker.read(again.key)).messages.map(({ event }) => event.type)).toEqual(['ExecutionRewound']);
    });

    it('can be repeated when it has failed again', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.ended({ instanceId }, failed);
      for (const executionId of ['e-2', 'e-3']) {
        expect(await rewind(hub, instanceId, executionId)).toEqual({ kind: 'rewound', key });
        const worker = await hub.worker();
        await worker.commitOne(await worker.claimOnly(key), failed);
      }
      expect(await hub.history(instanceId)).toHaveLength(5);
    });

    it.each(['Completed', 'Terminated'] as const)('of a %s instance changes nothing', async (status) => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId }, { status });
      const before = await hub.get(instanceId, { history: true });
      expect(await rewind(hub, instanceId)).toEqual({ kind: 'not-failed', status });
      expect(await hub.get(instanceId, { history: true })).toEqual(before);
    });

    it('of a live instance, and of none, changes nothing', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.start({ instanceId });
      expect(await rewind(hub, instanceId)).toEqual({ kind: 'not-failed', status: 'Pending' });
      expect(await rewind(hub, 'nobody')).toEqual({ kind: 'not-found' });
    });

    it('asked for many times at once happens once', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId }, failed);
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, index) => rewind(hub.through(index % 2 === 0 ? store : other), instanceId)),
      );
      expect(outcomes.filter(({ kind }) => kind === 'rewound')).toHaveLength(1);
      expect(await hub.history(instanceId)).toHaveLength(2);
    });
  });
}
