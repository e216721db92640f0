import { describe, expect, it } from 'vitest';
import { after, freshHub, freshId, newTask, type StoreUnderTest } from './fixture.ts';

export function claims({ store, other, spoil }: StoreUnderTest): void {
  describe('a claim', () => {
    it('tells all that a turn must know', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { claim } = await hub.claimed({ instanceId, version: '3', executionId: 'e-9' });
      expect(claim).toEqual({
        key: (await hub.get(instanceId)).key,
        instanceId,
        name: 'Order',
        version: '3',
        executionId: 'e-9',
        status: 'Pending',
        sequence: 0,
        crashCount: 0,
        customStatus: null,
        parent: null,
        takenOver: false,
      });
    });

    it('shows what the turns before have left', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { status: 'Suspended', customStatus: '{"step":1}' });
      expect(await worker.claimOnly(claim.key)).toMatchObject({
        sequence: 1,
        status: 'Suspended',
        customStatus: '{"step":1}',
      });
    });

    it('gives an instance one owner', async () => {
      const hub = await freshHub(store);
      const { worker } = await hub.claimed();
      expect(await (await hub.through(other).worker()).claim({ dead: true })).toEqual([]);
      expect(await worker.claim({ dead: true })).toEqual([]);
    });

    it('takes only instances of the hub, with the names asked for, in whatever case', async () => {
      const hub = await freshHub(store);
      const elsewhere = await freshHub(store);
      await elsewhere.start();
      await hub.start({ name: 'Invoice' });
      const wanted = [await hub.start({ name: 'ORDER' }), await hub.start({ name: 'order' })];
      const worker = await hub.worker();
      const keys = (await worker.claim({ names: ['order', 'unknown'] })).map((claim) => claim.key);
      expect(new Set(keys)).toEqual(new Set(wanted));
      expect((await worker.alive()).instancesReady).toBe(false);
      expect((await (await hub.worker({ functions: { orchestrators: ['invoice'] } })).alive()).instancesReady).toBe(
        true,
      );
    });

    it.each(['Über', 'İstanbul ß ſ', 'Σίσυφος', 'ΣΙΣΥΦΟΣ', '日本', "it's {a,b}"])('finds the name %s', async (name) => {
      const hub = await freshHub(store);
      const key = await hub.start({ name });
      const worker = await hub.worker({ functions: { orchestrators: ['other', name] } });
      expect((await worker.alive()).instancesReady).toBe(true);
      await worker.claimOnly(key);
    });

    it('takes at most as many as asked for, the longest waiting first', async () => {
      const hub = await freshHub(store);
      const keys: string[] = [];
      for (let index = 0; index < 7; index += 1) keys.push(await hub.start());
      const worker = await hub.worker();
      const sizes: string[][] = [];
      for (let round = 0; round < 3; round += 1) {
        sizes.push((await worker.claim({ limit: 3 })).map((claim) => claim.key).sort());
      }
      expect(sizes).toEqual([keys.slice(0, 3).sort(), keys.slice(3, 6).sort(), keys.slice(6)]);
    });

    it('takes an instance once though many messages wait for it', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      await Promise.all(Array.from({ length: 50 }, () => hub.raise(instanceId, 'Go')));
      const worker = await hub.worker();
      await worker.claimOnly(key);
    });

    it('by many workers at the same time gives each instance to one of them', async () => {
      const hub = await freshHub(store);
      const keys = await Promise.all(Array.from({ length: 300 }, () => hub.start()));
      const workers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => hub.through(index % 2 === 0 ? store : other).worker()),
      );
      const taken: string[] = [];
      await Promise.all(
        workers.map(async (worker) => {
          for (let dry = 0; dry < 2;) {
            const claimed = await worker.claim({ limit: 7 });
            taken.push(...claimed.map((claim) => claim.key));
            dry = claimed.length === 0 ? dry + 1 : 0;
          }
        }),
      );
      expect([...taken].sort()).toEqual([...keys].sort());
    });

    it('and the ends of turns go on side by side until nothing is left', async () => {
      const hub = await freshHub(store);
      const ids = Array.from({ length: 60 }, () => freshId());
      await Promise.all(ids.map((instanceId) => hub.start({ instanceId })));
      const workers = await Promise.all(
        Array.from({ length: 6 }, (_, index) => hub.through(index % 2 === 0 ? store : other).worker()),
      );
      // Every turn raises an event for its own instance until three are committed.
      await Promise.all(
        workers.map(async (worker) => {
          for (let dry = 0; dry < 3;) {
            const claimed = await worker.claim({ limit: 5 });
            dry = claimed.length === 0 ? dry + 1 : 0;
            for (const claim of claimed) {
              const { messages } = await worker.read(claim.key);
              if (claim.sequence < 2) await hub.raise(claim.instanceId, String(claim.sequence));
              const outcome = await worker.commitOne(claim, {
                status: claim.sequence < 2 ? 'Running' : 'Completed',
                consumedMessages: messages.map(({ id }) => id),
              });
              expect(outcome).toMatchObject({ kind: 'committed', sequence: claim.sequence + 1 });
            }
          }
        }),
      );
      for (const instanceId of ids) {
        expect(await hub.get(instanceId, { history: true })).toMatchObject({
          runtimeStatus: 'Completed',
          history: { length: 3 },
        });
      }
    });
  });

  describe('taking back what a worker owns without knowing it', () => {
    it('is like taking over from a dead worker', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const outcome = await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0)] });
      expect(await worker.alive()).toMatchObject({ ownedInstances: [claim.key], ownedTasks: [] });
      expect(await store.takeBackInstances(worker.id, [claim.key])).toEqual([
        { ...claim, status: 'Running', sequence: 2, crashCount: 1, takenOver: true },
      ]);
      // A turn that was made before cannot be committed any more.
      expect(await worker.commitOne(after(claim, outcome))).toMatchObject({ kind: 'lost' });
    });

    it('is for the owner only, and only while it owns it', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const rival = await hub.worker();
      expect(await store.takeBackInstances(rival.id, [claim.key])).toEqual([]);
      expect(await worker.commitOne(claim)).toMatchObject({ kind: 'committed' });
      expect(await store.takeBackInstances(worker.id, [claim.key, '999999999'])).toEqual([]);
      expect((await worker.alive()).ownedInstances).toEqual([]);
    });

    it('begins with being told what is owned, tasks too', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const keys = [await hub.start(), await hub.start({ owner: worker.id })];
      const [claim] = await worker.claim();
      if (claim === undefined) throw new Error('nothing was claimed');
      await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0), newTask(1)] });
      const [task] = await worker.claimTasks({ limit: 1 });
      const beat = await worker.alive();
      expect(new Set(beat.ownedInstances)).toEqual(new Set(keys));
      expect(beat.ownedTasks).toEqual([task?.id]);
    });
  });

  describe('taking over from a dead worker', () => {
    it('raises the sequence and the crash count, and shuts the dead one out', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.die();
      const heir = await hub.worker();
      expect((await heir.alive()).deadWorkers).toBe(true);
      expect(await heir.claimOnly(claim.key, { dead: true })).toEqual({
        ...claim,
        sequence: 1,
        crashCount: 1,
        takenOver: true,
      });
      expect(await worker.commitOne(claim)).toEqual({ kind: 'lost', key: claim.key });
      expect((await heir.alive()).deadWorkers).toBe(false);
    });

    it('needs no messages: local activities may have been lost', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const { messages } = await worker.read(claim.key);
      await worker.commitOne(claim, { keepOwnership: true, consumedMessages: messages.map(({ id }) => id) });
      await worker.die();
      const heir = await hub.worker();
      expect(await heir.claim()).toEqual([]);
      expect(await heir.claimOnly(claim.key, { dead: true })).toMatchObject({ takenOver: true, sequence: 2 });
    });

    it('B146: counts every death until a turn is committed', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.die();
      const second = await hub.worker();
      expect(await second.claimOnly(claim.key, { dead: true })).toMatchObject({ crashCount: 1 });
      await second.die();
      const third = await hub.worker();
      const taken = await third.claimOnly(claim.key, { dead: true });
      expect(taken).toMatchObject({ crashCount: 2, sequence: 2 });
      await third.commitOne(taken, { keepOwnership: true });
      await third.die();
      const fourth = await hub.worker();
      expect(await fourth.claimOnly(claim.key, { dead: true })).toMatchObject({ crashCount: 1, sequence: 4 });
    });

    it('leaves alone what a live worker owns, and names that were not asked for', async () => {
      const hub = await freshHub(store);
      const { claim } = await hub.claimed();
      const dead = await hub.worker({ functions: { orchestrators: ['Invoice'] } });
      const invoice = await hub.start({ name: 'Invoice' });
      await dead.claimOnly(invoice);
      await dead.die();
      const heir = await hub.worker();
      expect(await heir.claim({ dead: true })).toEqual([]);
      const printer = await hub.worker({ functions: { orchestrators: ['Invoice'] } });
      await printer.claimOnly(invoice, { dead: true });
      expect(claim.key).not.toBe(invoice);
    });

    it('by many heirs at once gives each instance to one of them', async () => {
      const hub = await freshHub(store);
      await Promise.all(Array.from({ length: 100 }, () => hub.start()));
      const dead = await hub.worker();
      expect(await dead.claim()).toHaveLength(100);
      await dead.die();
      const heirs = await Promise.all(
        Array.from({ length: 6 }, (_, index) => hub.through(index % 2 === 0 ? store : other).worker()),
      );
      const taken = (
        await Promise.all(
          heirs.map(async (heir) => {
            const mine = [];
            for (let round = 0; round < 20; round += 1) mine.push(...(await heir.claim({ dead: true, limit: 9 })));
            return mine;
          }),
        )
      ).flat();
      expect(new Set(taken.map((claim) => claim.key)).size).toBe(100);
      expect(taken).toHaveLength(100);
      expect(new Set(taken.map((claim) => claim.crashCount))).toEqual(new Set([1]));
    });

    it('is not for the dead: a worker whose lease has ended claims nothing', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const other = await hub.start();
      await worker.die();
      expect(await worker.claim({ dead: true })).toEqual([]);
      const heir = await hub.worker();
      const keys = (await heir.claim({ dead: true })).map((taken) => taken.key);
      expect(new Set(keys)).toEqual(new Set([claim.key, other]));
    });

    it('goes on after the dead worker has come to life and its row is gone', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const outcome = await worker.commitOne(claim, { keepOwnership: true });
      await worker.die();
      await store.removeDeadWorkers(hub.id);
      // It still owns the instance and may commit until somebody else has it.
      expect(await worker.commitOne(after(claim, outcome), { keepOwnership: true })).toMatchObject({
        kind: 'committed',
      });
      const heir = await hub.worker();
      expect((await heir.alive()).deadWorkers).toBe(true);
      await heir.claimOnly(claim.key, { dead: true });
    });
  });

  describe('reading what was claimed', () => {
    it('B159: of one instance is not spoiled by another whose history cannot be read', async () => {
      const hub = await freshHub(store);
      const [good, bad] = [await hub.claimed(), await hub.claimed()];
      for (const { worker, claim } of [good, bad]) await worker.commitOne(claim, { keepOwnership: true });
      await spoil(bad.claim.key);
      const contents = await store.readClaimed(
        [good.claim.key, bad.claim.key].map((key) => ({ key, withHistory: true, withTasks: false })),
      );
      const byKey = new Map(contents.map((content) => [content.key, content]));
      expect(byKey.get(good.claim.key)).toMatchObject({ history: { length: 1 }, messages: { length: 1 } });
      expect(byKey.get(good.claim.key)).not.toHaveProperty('unreadable');
      expect(byKey.get(bad.claim.key)?.unreadable).toMatch(/./);
    });

    it('is in the order asked for by nobody, complete, and by key', async () => {
      const hub = await freshHub(store);
      const keys = await Promise.all(Array.from({ length: 30 }, () => hub.start()));
      const worker = await hub.worker();
      await worker.claim();
      const contents = await store.readClaimed(keys.map((key) => ({ key, withHistory: true, withTasks: true })));
      expect(new Set(contents.map((content) => content.key))).toEqual(new Set(keys));
      for (const content of contents) expect(content).toMatchObject({ messages: { length: 1 }, history: [] });
    });

    it('tells the time of the database, in whole milliseconds, also for an empty inbox', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const { messages, readAt } = await worker.read(claim.key);
      expect(Number.isInteger(readAt)).toBe(true);
      await worker.commitOne(claim, { keepOwnership: true, consumedMessages: messages.map(({ id }) => id) });
      const later = await worker.read(claim.key);
      expect(later.messages).toEqual([]);
      expect(later.readAt).toBeGreaterThanOrEqual(readAt);
    });

    it('finds an instance that is gone to be empty', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      expect(await worker.read('999999999', { history: true, tasks: true })).toMatchObject({
        messages: [],
        history: [],
        queuedTaskIds: [],
      });
    });
  });
}
