import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../../src/model/work.ts';
import { after, freshHub, freshId, turnOf, type Hub, type StoreUnderTest, type TestWorker } from './fixture.ts';

const to = (instanceId: string, name: string, given: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  target: { kind: 'id', instanceId },
  event: { type: 'EventRaised', name },
  ...given,
});

async function inboxOf(worker: TestWorker, key: string): Promise<readonly string[]> {
  const { messages } = await worker.read(key);
  return messages.flatMap(({ event }) => (event.type === 'EventRaised' ? [event.name] : []));
}

/** An instance that has had its first turn and belongs to nobody. */
async function idle(hub: Hub, instanceId = freshId()) {
  const { worker, claim } = await hub.claimed({ instanceId });
  const { messages } = await worker.read(claim.key);
  await worker.commitOne(claim, { consumedMessages: messages.map(({ id }) => id) });
  return claim;
}

export function outgoing({ store, remains }: StoreUnderTest): void {
  describe('a message from a turn to another instance', () => {
    it('arrives with the commit, in the order in which it was sent, and makes its target claimable', async () => {
      const hub = await freshHub(store);
      const target = await idle(hub);
      const other = await idle(hub);
      const { worker, claim } = await hub.claimed();
      const names = Array.from({ length: 20 }, (_, index) => String(index));
      const outcome = await worker.commitOne(claim, {
        messages: names.flatMap((name) => [
          to(target.instanceId, name),
          to('', `${name} other`, { target: { kind: 'key', key: other.key } }),
        ]),
      });
      expect(outcome).toMatchObject({ kind: 'committed' });
      const claimed = (await worker.claim()).map(({ key }) => key);
      expect(claimed).toEqual(expect.arrayContaining([target.key, other.key]));
      expect(await inboxOf(worker, target.key)).toEqual(names);
      expect(await inboxOf(worker, other.key)).toEqual(names.map((name) => `${name} other`));
    });

    it('is told to the worker that committed it, with the time from which it can be seen', async () => {
      const hub = await freshHub(store);
      const target = await idle(hub);
      const { worker, claim } = await hub.claimed();
      const visibleAt = Date.now() + 3_600_000;
      const outcome = await worker.commitOne(claim, {
        messages: [
          to(target.instanceId, 'now'),
          to(freshId(), 'nobody'),
          to(target.instanceId, 'later', { visibleAt }),
        ],
      });
      if (outcome.kind !== 'committed') throw new Error(outcome.kind);
      expect(outcome.told).toEqual([
        { key: target.key, visibleAt: outcome.committedAt },
        { key: target.key, visibleAt },
      ]);
      expect(await inboxOf(worker, target.key)).toEqual(['now']);
      expect((await worker.alive()).nextDueAt).toBe(visibleAt);
    });

    it('is dropped when its target is missing, has ended, or is another one of the same id', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const before = await hub.ended({ instanceId });
      const gone = freshId();
      const goneKey = await hub.ended({ instanceId: gone });
      const now = await hub.start({ instanceId });
      const { worker, claim } = await hub.claimed();
      const outcome = await worker.commitOne(claim, {
        messages: [
          to(freshId(), 'missing'),
          to(gone, 'ended'),
          to('', 'replaced', { target: { kind: 'key', key: before } }),
        ],
      });
      expect(outcome).toMatchObject({ kind: 'committed', told: [] });
      expect(await remains(goneKey)).not.toHaveProperty('messages');
      expect(await remains(before)).toEqual({});
      expect(await inboxOf(worker, now)).toEqual([]);
    });

    it('does not reach an instance of another hub', async () => {
      const [hub, elsewhere] = [await freshHub(store), await freshHub(store)];
      const target = await idle(elsewhere);
      const { worker, claim } = await hub.claimed();
      expect(await worker.commitOne(claim, { messages: [to(target.instanceId, 'Go')] })).toMatchObject({ told: [] });
      expect(await inboxOf(worker, target.key)).toEqual([]);
    });

    it('waits for the scheduled start of a target that has not begun', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId, scheduledStartAt: new Date(Date.now() + 3_600_000) });
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { messages: [to(instanceId, 'Go')] });
      expect(await inboxOf(worker, key)).toEqual([]);
      expect(await remains(key)).toMatchObject({ messages: 2 });
      expect((await worker.claim()).map((other) => other.key)).not.toContain(key);
    });

    it('names the execution that it is for', async () => {
      const hub = await freshHub(store);
      const target = await idle(hub);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, {
        messages: [to(target.instanceId, 'a', { executionId: 'e7' }), to(target.instanceId, 'b')],
      });
      const { messages } = await worker.read(target.key);
      expect(messages.map((message) => message.executionId)).toEqual(['e7', null]);
    });

    it('may be for the sender itself', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const outcome = await worker.commitOne(claim, { messages: [to(claim.instanceId, 'self')], keepOwnership: true });
      expect(outcome).toMatchObject({ told: [{ key: claim.key }] });
      expect(await inboxOf(worker, claim.key)).toEqual(['self']);
    });

    it('goes out with a turn that ends its sender', async () => {
      const hub = await freshHub(store);
      const target = await idle(hub);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { status: 'Completed', messages: [to(target.instanceId, 'last words')] });
      expect(await inboxOf(worker, target.key)).toEqual(['last words']);
    });

    it('is not sent by a turn that lost its fence, which does not harm others of its batch', async () => {
      const hub = await freshHub(store);
      const target = await idle(hub);
      const [lost, won] = [await hub.claimed(), await hub.claimed()];
      const { worker } = won;
      const outcomes = await worker.commit([
        turnOf(lost.claim, { messages: [to(target.instanceId, 'lost')] }),
        turnOf(won.claim, { messages: [to(target.instanceId, 'won')] }),
      ]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(['lost', 'committed']);
      expect(await inboxOf(worker, target.key)).toEqual(['won']);
    });

    it('is not sent again by a turn that is written again', async () => {
      const hub = await freshHub(store);
      const target = await idle(hub);
      const { worker, claim } = await hub.claimed();
      const turn = turnOf(claim, { messages: [to(target.instanceId, 'once')], keepOwnership: true });
      const [first] = await worker.commit([turn]);
      if (first === undefined) throw new Error('no outcome');
      expect(await worker.commit([turn])).toEqual([{ kind: 'lost', key: claim.key }]);
      expect(await inboxOf(worker, target.key)).toEqual(['once']);
      await worker.commitOne(after(claim, first));
    });
  });
}
