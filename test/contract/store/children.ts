import { describe, expect, it } from 'vitest';
import type { NewChild, OwnedInstance } from '../../../src/model/work.ts';
import { after, freshHub, freshId, turnOf, type StoreUnderTest } from './fixture.ts';

function childOf(parent: OwnedInstance, given: Partial<NewChild> = {}, call = 0): NewChild {
  const { key, instanceId, executionId, name } = parent;
  return {
    instanceId: freshId('child'),
    mayExist: false,
    owned: false,
    start: {
      type: 'ExecutionStarted',
      name: 'Order',
      executionId: freshId('execution'),
      input: '{"n":0}',
      version: '1.2',
      tags: { team: 'a' },
      parent: { key, instanceId, executionId, name, taskScheduledId: call },
    },
    ...given,
  };
}

export function children({ store, remains }: StoreUnderTest): void {
  describe('a sub-orchestration', () => {
    it('is born with the turn that calls it, Pending, and can be claimed with its parent', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const child = childOf(claim);
      const outcome = await worker.commitOne(claim, { children: [child] });
      if (outcome.kind !== 'committed') throw new Error(outcome.kind);
      const instance = await hub.get(child.instanceId);
      expect(instance).toMatchObject({
        ...{ name: 'Order', version: '1.2', input: '{"n":0}', runtimeStatus: 'Pending', tags: { team: 'a' } },
        executionId: child.start.executionId,
        parent: child.start.parent,
      });
      expect(outcome.born).toEqual([{ key: instance.key, executionId: child.start.executionId }]);
      const claimed = (await worker.claim()).find(({ key }) => key === instance.key);
      expect(claimed).toMatchObject({ sequence: 0, status: 'Pending', parent: child.start.parent });
      const { messages } = await worker.read(instance.key);
      expect(messages.map(({ event: { timestamp: _, ...event } }) => event)).toEqual([child.start]);
    });

    it('may belong to the committing worker from birth: nobody else can claim it, and its start can be found', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const rival = await hub.worker();
      const child = childOf(claim, { owned: true });
      await worker.commitOne(claim, { children: [child], keepOwnership: true });
      const { key } = await hub.get(child.instanceId);
      expect((await rival.claim({ dead: true })).map((other) => other.key)).not.toContain(key);
      expect((await worker.alive()).ownedInstances).toContain(key);
      expect((await worker.read(key)).messages).toEqual([]);
      expect(await store.readStart(key)).toEqual(child.start);
      const [again] = await store.takeBackInstances(worker.id, [key]);
      expect(again).toMatchObject({ key, parent: child.start.parent, takenOver: true });
    });

    it('is not born of a turn that lost its fence', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const [plain, given] = [childOf(claim), childOf(claim, { mayExist: true })];
      const late = { ...claim, sequence: 7 };
      expect(await worker.commit([turnOf(late, { children: [plain] })])).toMatchObject([{ kind: 'lost' }]);
      expect(await worker.commit([turnOf(late, { children: [given] })])).toMatchObject([{ kind: 'lost' }]);
      for (const { instanceId } of [plain, given]) {
        expect(await store.getInstance(hub.id, instanceId)).toBeUndefined();
      }
    });

    it('replaces an ended instance of an id that was given', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const old = await hub.ended({ instanceId });
      const { worker, claim } = await hub.claimed();
      const child = childOf(claim, { instanceId, mayExist: true });
      const outcome = await worker.commitOne(claim, { children: [child] });
      const now = await hub.get(instanceId);
      expect(outcome).toMatchObject({ born: [{ key: now.key }] });
      expect(now).toMatchObject({ executionId: child.start.executionId, runtimeStatus: 'Pending' });
      expect(now.key).not.toBe(old);
      expect(await remains(old)).toEqual({});
    });

    it.each([
      ['live', true],
      ['live', false],
      ['ended', false],
    ] as const)(
      'is refused while a %s instance has its id (given: %s); its parent is told',
      async (state, mayExist) => {
        const hub = await freshHub(store);
        const instanceId = freshId();
        const key = state === 'live' ? await hub.start({ instanceId }) : await hub.ended({ instanceId });
        const { worker, claim } = await hub.claimed();
        const { messages } = await worker.read(claim.key);
        const outcome = await worker.commitOne(claim, {
          children: [childOf(claim, { instanceId, mayExist }, 7), childOf(claim, { mayExist })],
          consumedMessages: messages.map(({ id }) => id),
          keepOwnership: true,
        });
        expect(outcome).toMatchObject({ kind: 'committed', born: [{}] });
        expect((await hub.get(instanceId)).key).toBe(key);
        expect((await worker.read(claim.key)).messages).toMatchObject([
          {
            executionId: claim.executionId,
            event: {
              type: 'SubOrchestrationInstanceFailed',
              taskScheduledId: 7,
              failure: { errorType: 'OrchestrationAlreadyExists' },
            },
          },
        ]);
      },
    );

    it('is told of by one of two calls of one id in one turn', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const twin = childOf(claim, { mayExist: true }, 1);
      const { instanceId } = twin;
      const outcome = await worker.commitOne(claim, {
        children: [twin, childOf(claim, { instanceId, mayExist: true }, 2)],
      });
      expect(outcome).toMatchObject({ kind: 'committed', born: [{}] });
      const failed = (await worker.read(claim.key)).messages.filter(
        ({ event }) => event.type === 'SubOrchestrationInstanceFailed',
      );
      expect(failed).toHaveLength(1);
    });

    it('can be told something by the turn that creates it', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const child = childOf(claim);
      const outcome = await worker.commitOne(claim, {
        children: [child],
        messages: [
          { target: { kind: 'id', instanceId: child.instanceId }, event: { type: 'EventRaised', name: 'Go' } },
        ],
      });
      const { key } = await hub.get(child.instanceId);
      expect(outcome).toMatchObject({ told: [{ key }] });
      const types = (await worker.read(key)).messages.map(({ event }) => event.type);
      expect(types.toSorted()).toEqual(['EventRaised', 'ExecutionStarted']);
    });

    it('is told something as a child only by its own parent', async () => {
      const hub = await freshHub(store);
      const [one, other] = [await hub.claimed(), await hub.claimed()];
      const child = childOf(one.claim);
      const born = await one.worker.commitOne(one.claim, { children: [child], keepOwnership: true });
      const messages = [
        { target: { kind: 'child', instanceId: child.instanceId }, event: { type: 'ExecutionTerminated' } } as const,
      ];
      expect(await other.worker.commitOne(other.claim, { messages })).toMatchObject({ told: [] });
      const { key } = await hub.get(child.instanceId);
      expect(await one.worker.commitOne(after(one.claim, born), { messages })).toMatchObject({ told: [{ key }] });
    });

    it('that is ended before anybody begins it tells its parent', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const child = childOf(claim);
      await worker.commitOne(claim, { children: [child], keepOwnership: true });
      const { key } = await hub.get(child.instanceId);
      const event = {
        type: 'SubOrchestrationInstanceFailed',
        taskScheduledId: 0,
        failure: { errorType: 'OrchestrationTerminated', message: 'no' },
      } as const;
      const { executionId } = claim;
      await store.terminatePending({
        key,
        output: 'no',
        eventsAt: () => [],
        report: { target: { kind: 'key', key: claim.key }, executionId, event },
      });
      const { messages } = await worker.read(claim.key);
      expect(messages.at(-1)).toMatchObject({ executionId, event });
    });

    it('goes with the tree that it belongs to, if all of that has ended', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const child = childOf(claim);
      const born = await worker.commitOne(claim, { children: [child], status: 'Completed' });
      expect(born.kind).toBe('committed');
      expect(await store.purgeTree(hub.id, instanceId)).toEqual({
        ...{ kind: 'not-terminal', instanceId: child.instanceId, status: 'Pending' },
      });
      const { key } = await hub.get(child.instanceId);
      await store.terminatePending({ key, output: null, eventsAt: () => [] });
      expect(await store.purgeTree(hub.id, instanceId)).toEqual({ kind: 'purged', instances: 2 });
      expect([await remains(key), await remains(claim.key)]).toEqual([{}, {}]);
      expect(await store.purgeTree(hub.id, instanceId)).toEqual({ kind: 'not-found' });
    });
  });
}
