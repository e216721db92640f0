import { describe, expect, it } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import { after, freshHub, freshId, type Hub, type StoreUnderTest } from './fixture.ts';

export function timers({ store, remains }: StoreUnderTest): void {
  /** An instance whose start is done with, still owned. */
  async function running(hub: Hub) {
    const { worker, claim } = await hub.claimed();
    const { messages } = await worker.read(claim.key);
    const outcome = await worker.commitOne(claim, {
      keepOwnership: true,
      consumedMessages: messages.map(({ id }) => id),
    });
    return { worker, instance: after(claim, outcome) };
  }

  describe('a timer', () => {
    it('B158: is invisible until it is due, then a message of its execution', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      const { now } = await worker.alive();
      const fireAt = Math.floor(now) + 150;
      await worker.commitOne(instance, { timers: [{ timerId: 4, fireAt }] });
      expect(await worker.claim()).toEqual([]);
      expect((await worker.alive()).nextDueAt).toBe(fireAt);
      const [claim] = await waitFor(async () => {
        const claims = await worker.claim();
        return claims.length > 0 && claims;
      });
      expect(claim?.key).toBe(instance.key);
      const { messages, readAt } = await worker.read(instance.key);
      expect(readAt).toBeGreaterThanOrEqual(fireAt);
      expect(messages).toMatchObject([
        {
          executionId: instance.executionId,
          visibleAt: fireAt,
          event: { type: 'TimerFired', timerId: 4, fireAt, timestamp: fireAt },
        },
      ]);
    });

    it('in the past is due at once', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      await worker.commitOne(instance, { timers: [{ timerId: 0, fireAt: 0 }] });
      await worker.claimOnly(instance.key);
      expect((await worker.read(instance.key)).messages).toMatchObject([{ visibleAt: 0, event: { fireAt: 0 } }]);
    });

    it('of an owned instance is shown to its owner when it is due', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      const { now } = await worker.alive();
      await worker.commitOne(instance, { keepOwnership: true, timers: [{ timerId: 0, fireAt: now + 1_000 }] });
      expect((await worker.alive()).inboxKeys).toEqual([]);
      await waitFor(async () => (await worker.alive()).inboxKeys.includes(instance.key));
    });

    it.each([
      ['a second', Date.UTC(2038, 0, 19, 3, 14, 8)],
      ['a far millisecond', Date.UTC(2199, 11, 31, 23, 59, 59, 999)],
      ['the last date there is', 8.64e15],
    ])('keeps %s exactly', async (_, fireAt) => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      await worker.commitOne(instance, { timers: [{ timerId: 0, fireAt }] });
      expect((await worker.alive()).nextDueAt).toBe(fireAt);
    });

    it('F68 never fires early by a part of a millisecond', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      let next = instance;
      const base = Date.now() + 3_600_000;
      for (let offset = 0; offset < 40; offset += 1) {
        const fireAt = base + offset * 7;
        const set = await worker.commitOne(next, { keepOwnership: true, timers: [{ timerId: offset, fireAt }] });
        expect((await worker.alive()).nextDueAt).toBe(fireAt);
        next = after(next, set);
        next = after(next, await worker.commitOne(next, { keepOwnership: true, cancelledTimers: [offset] }));
      }
    });
  });

  describe('a cancelled timer', () => {
    it('never fires', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      const fireAt = Date.now() + 3_600_000;
      const set = await worker.commitOne(instance, {
        keepOwnership: true,
        timers: [
          { timerId: 0, fireAt },
          { timerId: 1, fireAt: fireAt + 1 },
        ],
      });
      await worker.commitOne(after(instance, set), { cancelledTimers: [0] });
      expect(await remains(instance.key)).toMatchObject({ messages: 1 });
      expect((await worker.alive()).nextDueAt).toBe(fireAt + 1);
    });

    it('that has become due meanwhile stays a message, and an unknown one is no error', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      const set = await worker.commitOne(instance, { keepOwnership: true, timers: [{ timerId: 0, fireAt: 1 }] });
      const outcome = await worker.commitOne(after(instance, set), { cancelledTimers: [0, 99] });
      expect(outcome).toMatchObject({ kind: 'committed', inboxWaiting: true });
      await worker.claimOnly(instance.key);
      expect((await worker.read(instance.key)).messages).toMatchObject([{ event: { timerId: 0 } }]);
    });

    it('is one of its own instance only', async () => {
      const hub = await freshHub(store);
      const fireAt = Date.now() + 3_600_000;
      const [one, two] = [await running(hub), await running(hub)];
      const set = await one.worker.commitOne(one.instance, { keepOwnership: true, timers: [{ timerId: 0, fireAt }] });
      await two.worker.commitOne(two.instance, { timers: [{ timerId: 0, fireAt }] });
      await one.worker.commitOne(after(one.instance, set), { cancelledTimers: [0] });
      expect(await remains(one.instance.key)).not.toHaveProperty('messages');
      expect(await remains(two.instance.key)).toMatchObject({ messages: 1 });
    });
  });

  describe('the next due time', () => {
    it('is that of the hub, whoever owns the instance, and absent without any', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await running(hub);
      expect(await worker.alive()).not.toHaveProperty('nextDueAt');
      const base = Date.now() + 3_600_000;
      await worker.commitOne(instance, {
        timers: [
          { timerId: 0, fireAt: base + 500 },
          { timerId: 1, fireAt: base },
        ],
      });
      await hub.start({ instanceId: freshId(), scheduledStartAt: new Date(base + 200) });
      expect((await (await hub.worker()).alive()).nextDueAt).toBe(base);
    });
  });
}
