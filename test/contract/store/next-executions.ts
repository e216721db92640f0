import { describe, expect, it } from 'vitest';
import type { ExecutionStarted, Untimed } from '../../../src/model/history.ts';
import { completed, turnStarted } from '../../support/builders.ts';
import { after, freshHub, freshId, newTask, type StoreUnderTest } from './fixture.ts';

function startOf(given: Partial<Untimed<ExecutionStarted>> = {}): Untimed<ExecutionStarted> {
  return { type: 'ExecutionStarted', name: 'Order', executionId: freshId('execution'), input: '"next"', ...given };
}

export function nextExecutions({ store }: StoreUnderTest): void {
  describe('an execution that takes the place of another', () => {
    it('begins with an empty history, under its own id, with its own input; the instance stays itself', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId, input: '"first"', version: '1' });
      const before = await hub.get(instanceId);
      const next = startOf({ version: '2' });
      const outcome = await worker.commitOne(claim, { next, events: [], customStatus: '"kept"' });
      const now = await hub.get(instanceId, { history: true });
      expect(now).toMatchObject({
        ...{ key: claim.key, instanceId, runtimeStatus: 'Running', history: [] },
        ...{ executionId: next.executionId, input: '"next"', version: '2', customStatus: '"kept"' },
        createdAt: before.createdAt,
      });
      expect(outcome).toMatchObject({ kind: 'committed', sequence: claim.sequence + 1 });
      const again = await worker.claimOnly(claim.key);
      expect(again).toMatchObject({ executionId: next.executionId, version: '2', customStatus: '"kept"' });
      expect((await worker.read(claim.key, { history: true })).history).toEqual([]);
      await worker.commitOne(again, { events: [turnStarted(7)] });
      expect(await hub.history(instanceId)).toEqual([turnStarted(7)]);
    });

    it('sees its start first, then what waited, in order, however much that is', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const { messages: first } = await worker.read(claim.key);
      await Promise.all(Array.from({ length: 1_100 }, (_, n) => hub.raise(instanceId, String(n))));
      const next = startOf();
      await worker.commitOne(claim, { next, consumedMessages: first.map(({ id }) => id), keepOwnership: true });
      const { messages } = await worker.read(claim.key);
      expect(messages[0]).toMatchObject({ executionId: next.executionId, event: next });
      const names = messages.slice(1).map(({ event }) => ('name' in event ? Number(event.name) : NaN));
      expect(names).toEqual(Array.from({ length: 999 }, (_, n) => n));
    });

    it('gets nothing that was for the one before: timers and completions go, messages for the instance stay', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const { messages: first } = await worker.read(claim.key);
      const began = await worker.commitOne(claim, {
        consumedMessages: first.map(({ id }) => id),
        timers: [
          { timerId: 1, fireAt: 0 },
          { timerId: 2, fireAt: Date.now() + 3_600_000 },
        ],
        queuedTasks: [newTask(0), newTask(3)],
        keepOwnership: true,
      });
      const [task, later] = await worker.claimTasks();
      if (task === undefined || later === undefined) throw new Error('no tasks');
      await worker.completeTask(task);
      await hub.raise(instanceId, 'Stays');
      const next = startOf();
      const renewed = await worker.commitOne(after(claim, began), { next, keepOwnership: true });
      const types = async () => (await worker.read(claim.key)).messages.map(({ event }) => event.type);
      expect(await types()).toEqual(['ExecutionStarted', 'EventRaised']);
      // Of what was still running nobody hears.
      await worker.completeTask(later);
      expect(await types()).toEqual(['ExecutionStarted', 'EventRaised']);
      expect((await worker.alive()).nextDueAt).toBeUndefined();
      expect(renewed.kind).toBe('committed');
    });

    it('may itself be followed by another at once', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const [second, third] = [startOf(), startOf({ input: '3' })];
      const outcome = await worker.commitOne(claim, { next: second, keepOwnership: true });
      const { messages } = await worker.read(claim.key);
      const instance = { ...after(claim, outcome), executionId: second.executionId };
      await worker.commitOne(instance, {
        next: third,
        consumedMessages: messages.filter(({ executionId }) => executionId === second.executionId).map(({ id }) => id),
        keepOwnership: true,
      });
      const { messages: now } = await worker.read(claim.key);
      const starts = now.filter(({ executionId }) => executionId === third.executionId);
      expect(starts).toMatchObject([{ event: { input: '3' } }]);
      expect(now.some(({ executionId }) => executionId === second.executionId)).toBe(false);
    });

    it('still sends and queues what the one before asked for', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const target = freshId();
      const key = await hub.start({ instanceId: target });
      await worker.commitOne(claim, {
        next: startOf(),
        queuedTasks: [newTask(0)],
        messages: [{ target: { kind: 'id', instanceId: target }, event: { type: 'EventRaised', name: 'Go' } }],
      });
      expect(await worker.claimTasks()).toMatchObject([{ executionId: claim.executionId, instanceKey: claim.key }]);
      expect((await worker.read(key)).messages.some(({ event }) => event.type === 'EventRaised')).toBe(true);
    });

    it('is found by its start message alone: what the instance was started with is no start of it', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { next: startOf(), keepOwnership: true });
      expect(await store.readStart(claim.key)).toBeUndefined();
    });

    it('does not begin by a turn that lost its fence', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const outcome = await worker.commitOne({ ...claim, sequence: 9 }, { next: startOf(), events: [completed(0)] });
      expect(outcome.kind).toBe('lost');
      expect((await hub.get(instanceId)).executionId).toBe(claim.executionId);
    });
  });
}
