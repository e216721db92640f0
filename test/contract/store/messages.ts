import { describe, expect, it } from 'vitest';
import type { SendOutcome } from '../../../src/store/store.ts';
import { after, freshHub, freshId, type StoreUnderTest } from './fixture.ts';

export function messages({ store, other, remains }: StoreUnderTest): void {
  describe('a message', () => {
    it('for nobody is not found', async () => {
      const hub = await freshHub(store);
      expect(await hub.raise(freshId(), 'Go')).toEqual({ kind: 'not-found' });
    });

    it.each(['Completed', 'Failed', 'Terminated'] as const)('for a %s instance is refused', async (status) => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.ended({ instanceId }, { status });
      expect(await hub.raise(instanceId, 'Go')).toEqual({ kind: 'terminal', status });
      expect(await remains(key)).not.toHaveProperty('messages');
    });

    it('of every kind reaches a live instance as it was sent', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      expect(await hub.raise(instanceId, 'Paid', '{"x":[1,null]}')).toEqual({ kind: 'sent', key });
      await hub.through(other).raise(instanceId, 'Signed');
      await hub.send(instanceId, { type: 'ExecutionSuspended', reason: 'wait' });
      await hub.send(instanceId, { type: 'ExecutionResumed' });
      await hub.send(instanceId, { type: 'ExecutionTerminated', reason: '"enough"' });
      const worker = await hub.worker();
      await worker.claimOnly(key);
      const { messages: found } = await worker.read(key);
      expect(
        found.map(({ executionId, visibleAt, event: { timestamp, ...event } }) => {
          expect(timestamp).toBe(visibleAt);
          return event.type === 'ExecutionStarted' ? event.type : { executionId, ...event };
        }),
      ).toEqual([
        'ExecutionStarted',
        { executionId: null, type: 'EventRaised', name: 'Paid', input: '{"x":[1,null]}' },
        { executionId: null, type: 'EventRaised', name: 'Signed' },
        { executionId: null, type: 'ExecutionSuspended', reason: 'wait' },
        { executionId: null, type: 'ExecutionResumed' },
        { executionId: null, type: 'ExecutionTerminated', reason: '"enough"' },
      ]);
    });

    it('makes an idle instance claimable', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const { messages: found } = await worker.read(claim.key);
      await worker.commitOne(claim, { consumedMessages: found.map(({ id }) => id) });
      expect(await worker.claim()).toEqual([]);
      expect((await worker.alive()).instancesReady).toBe(false);
      await hub.raise(instanceId, 'Go');
      expect((await worker.alive()).instancesReady).toBe(true);
      await worker.claimOnly(claim.key);
    });

    it('for an owned instance is shown to its owner', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const { messages: found } = await worker.read(claim.key);
      await worker.commitOne(claim, { keepOwnership: true, consumedMessages: found.map(({ id }) => id) });
      expect((await worker.alive()).inboxKeys).toEqual([]);
      await hub.raise(instanceId, 'Go');
      expect(await worker.alive()).toMatchObject({ instancesReady: false, inboxKeys: [claim.key] });
      expect(await (await hub.worker()).claim({ dead: true })).toEqual([]);
    });

    it('for a scheduled instance waits for its start', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId, scheduledStartAt: new Date(Date.now() + 3_600_000) });
      expect(await hub.raise(instanceId, 'Go')).toMatchObject({ kind: 'sent' });
      const worker = await hub.worker();
      expect(await worker.claim()).toEqual([]);
      expect(await remains(key)).toMatchObject({ messages: 2 });
    });

    it('harms no other of its moment when its data cannot be stored', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      const results = await Promise.allSettled([
        hub.raise(instanceId, 'a'),
        // The name, so that no text of JSON hides it.
        hub.raise(`${instanceId}\u0000`, 'b'),
        hub.raise(instanceId, 'c'),
      ]);
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(results[1]).toMatchObject({ reason: { code: 'InvalidArgument' } });
      const worker = await hub.worker();
      await worker.claimOnly(key);
      const { messages: found } = await worker.read(key);
      expect(found.slice(1).map(({ event }) => ('name' in event ? event.name : ''))).toEqual(['a', 'c']);
    });
  });

  describe('messages of one sender', () => {
    it('keep their order, whatever their size', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      const large = JSON.stringify('x'.repeat(3_000_000));
      await Promise.all(
        Array.from({ length: 600 }, (_, index) =>
          hub.raise(instanceId, String(index), index % 120 === 7 ? large : '1'),
        ),
      );
      const worker = await hub.worker();
      await worker.claimOnly(key);
      const { messages: found } = await worker.read(key);
      expect(found.slice(1).map(({ event }) => ('name' in event ? event.name : ''))).toEqual(
        Array.from({ length: 600 }, (_, index) => String(index)),
      );
    });
  });

  describe('messages of many senders', () => {
    it('are all kept', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      const outcomes = await Promise.all(
        Array.from({ length: 400 }, (_, index) =>
          hub.through(index % 2 === 0 ? store : other).raise(instanceId, String(index)),
        ),
      );
      expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['sent']));
      expect(await remains(key)).toMatchObject({ messages: 401 });
    });

    it('that meet the end of an instance are stored or refused, and nothing of them stays', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const raised: Promise<SendOutcome>[] = [];
      const ended = worker.commitOne(claim, { status: 'Completed' }).then(() => true);
      let over = false;
      void ended.then(() => (over = true));
      while (!over) {
        raised.push(hub.raise(instanceId, 'Go'), hub.through(other).raise(instanceId, 'Go'));
        await Promise.race([ended, raised.at(-1)]);
      }
      const kinds = new Set((await Promise.all(raised)).map((outcome) => outcome.kind));
      for (const kind of kinds) expect(['sent', 'terminal']).toContain(kind);
      await store.sweepMessages(hub.id);
      expect(await remains(claim.key)).not.toHaveProperty('messages');
    });

    it('are read in portions that no turn has to bear all at once', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      await Promise.all(Array.from({ length: 1_500 }, (_, index) => hub.raise(instanceId, String(index))));
      const first = await worker.read(claim.key);
      expect(first.messages).toHaveLength(1_000);
      const outcome = await worker.commitOne(claim, {
        keepOwnership: true,
        consumedMessages: first.messages.map(({ id }) => id),
      });
      expect(outcome).toMatchObject({ inboxWaiting: true });
      const second = await worker.read(claim.key);
      expect(second.messages).toHaveLength(501);
      const last = await worker.commitOne(after(claim, outcome), {
        consumedMessages: second.messages.map(({ id }) => id),
      });
      expect(last).toMatchObject({ inboxWaiting: false });
    });
  });

  describe('discarding messages', () => {
    it('deletes them and leaves status, history and fence as they are', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      await hub.raise(instanceId, 'Go');
      const before = await hub.get(instanceId, { history: true });
      const { messages: found } = await worker.read(claim.key);
      await store.discardMessages(worker.id, [
        { key: claim.key, fence: 0, messageIds: [found[1]?.id ?? ''], keepOwnership: true },
      ]);
      expect((await worker.read(claim.key)).messages).toEqual([found[0]]);
      expect(await hub.get(instanceId, { history: true })).toEqual(before);
      expect(await worker.commitOne(claim)).toMatchObject({ kind: 'committed', sequence: 1 });
    });

    it('gives the instance up when asked, even with nothing to delete', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await store.discardMessages(worker.id, [{ key: claim.key, fence: 0, messageIds: [], keepOwnership: false }]);
      const rival = await hub.worker();
      await rival.claimOnly(claim.key);
    });

    it('does nothing for one who is not the owner, or read another turn', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const rival = await hub.worker();
      const { messages: found } = await worker.read(claim.key);
      const discard = { key: claim.key, fence: 0, messageIds: found.map(({ id }) => id), keepOwnership: false };
      await store.discardMessages(rival.id, [discard]);
      await store.discardMessages(worker.id, [{ ...discard, fence: 1 }]);
      expect((await worker.read(claim.key)).messages).toEqual(found);
      expect(await rival.claim()).toEqual([]);
    });
  });
}
