import { describe, expect, it } from 'vitest';
import type { EntityCommit, EntityRecord, EntityRequest } from '../../../src/model/entity-work.ts';
import type { Claim, CommitOutcome } from '../../../src/model/work.ts';
import { freshHub, freshId, type Hub, type StoreUnderTest, type TestWorker } from './fixture.ts';

const name = '@counter';

function freshEntity(): string {
  return `@counter@${freshId('key')}`;
}

function signal(operation = 'add', scheduledTime?: number): EntityRequest {
  const given = scheduledTime === undefined ? {} : { scheduledTime };
  return { type: 'EntityOperationSignaled', requestId: operation, operation, input: '1', ...given };
}

const some: EntityRecord = { state: '{"n":1}', lock: null, parked: 0 };
const lock = { criticalSectionId: 'section', instanceId: 'holder', executionId: 'holder-1' };

export function entities({ store, other, remains }: StoreUnderTest): void {
  const send = (hub: Hub, instanceId: string, event = signal(), through = store): Promise<void> =>
    through.sendToEntity({ hubId: hub.id, instanceId, event });

  /** Claims the entities of a hub for a new worker. */
  async function claimed(hub: Hub): Promise<{ readonly worker: TestWorker; readonly claims: readonly Claim[] }> {
    const worker = await hub.worker();
    return { worker, claims: await worker.claim({ names: [name], limit: 1_000 }) };
  }

  async function claimOne(
    hub: Hub,
    instanceId: string,
  ): Promise<{ readonly worker: TestWorker; readonly claim: Claim }> {
    const { worker, claims } = await claimed(hub);
    const claim = claims.find((one) => one.instanceId === instanceId);
    if (claim === undefined) throw new Error(`${instanceId} was not claimed`);
    return { worker, claim };
  }

  async function commit(worker: TestWorker, claim: Claim, given: Partial<EntityCommit> = {}): Promise<CommitOutcome> {
    const [outcome] = await store.commitEntities(worker.id, [
      {
        key: claim.key,
        fence: claim.sequence,
        record: some,
        consumedMessages: [],
        parkedMessages: [],
        unpark: false,
        outgoing: [],
        starts: [],
        keepOwnership: false,
        ...given,
      },
    ]);
    if (outcome === undefined) throw new Error('a commit has no outcome');
    return outcome;
  }

  async function read(claim: Claim) {
    const [contents] = await store.readEntities([{ key: claim.key, withRecord: true }]);
    if (contents === undefined) throw new Error('nothing was read');
    return contents;
  }

  /** Writes a record for an entity whose messages are used up. */
  async function written(hub: Hub, instanceId: string, record: EntityRecord = some): Promise<Claim> {
    await send(hub, instanceId);
    const { worker, claim } = await claimOne(hub, instanceId);
    const { messages } = await read(claim);
    await commit(worker, claim, { record, consumedMessages: messages.map((message) => message.id) });
    return claim;
  }

  describe('a message to an entity', () => {
    it('creates it, once, whoever else does so at the same time; none is lost, and each sender keeps its order', async () => {
      const hub = await freshHub(store);
      const ids = Array.from({ length: 5 }, freshEntity);
      const rounds = Array.from({ length: 20 }, (_, round) => round);
      await Promise.all(
        [store, other].flatMap((through, sender) =>
          rounds.map((round) =>
            Promise.all(
              (sender === 0 ? ids : ids.toReversed()).map((id) => send(hub, id, signal(`${sender}-${round}`), through)),
            ),
          ),
        ),
      );
      const { claims } = await claimed(hub);
      expect(claims.map((claim) => claim.instanceId).sort()).toEqual(ids.sort());
      for (const claim of claims) {
        const { messages } = await read(claim);
        const operations = messages.map(({ event }) => ('operation' in event ? event.operation : ''));
        for (const sender of [0, 1]) {
          const mine = operations.filter((operation) => operation.startsWith(`${sender}-`));
          expect(mine).toEqual(rounds.map((round) => `${sender}-${round}`));
        }
      }
    });

    it('has no record before its first batch, and is claimed under the name of its kind only', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      await send(hub, id);
      expect(await (await hub.worker()).claim({ names: ['counter', '@gauge'] })).toEqual([]);
      const { claim } = await claimOne(hub, id);
      expect(claim).toMatchObject({ instanceId: id, name, status: 'Running', sequence: 0, takenOver: false });
      const contents = await read(claim);
      expect(contents.record).toBeUndefined();
      expect(contents.messages).toMatchObject([{ event: signal() }]);
    });

    it('that is scheduled is not visible before its time', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      await send(hub, id, signal('later', Date.now() + 3_600_000));
      expect((await claimed(hub)).claims).toEqual([]);
      await send(hub, id, signal('past', 1));
      const { claim } = await claimOne(hub, id);
      expect((await read(claim)).messages).toMatchObject([{ event: { operation: 'past' } }]);
    });
  });

  describe('a batch of an entity', () => {
    it('writes its record, and gives it back', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      await send(hub, id);
      const { worker, claim } = await claimOne(hub, id);
      const [message] = (await read(claim)).messages;
      const record = { state: '{"text":"\\u0000 é"}', lock, parked: 0 };
      const outcome = await commit(worker, claim, { record, consumedMessages: [message?.id ?? ''] });
      expect(outcome).toMatchObject({ kind: 'committed', sequence: 1, inboxWaiting: false, told: [] });
      const contents = await read(claim);
      expect(contents).toMatchObject({ record, messages: [] });
    });

    it('that lost its fence leaves nothing', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      const target = freshEntity();
      await send(hub, id);
      const { worker, claim } = await claimOne(hub, id);
      const [message] = (await read(claim)).messages;
      const late: Partial<EntityCommit> = {
        fence: 7,
        consumedMessages: [message?.id ?? ''],
        outgoing: [{ kind: 'entity', instanceId: target, event: signal() }],
        starts: [{ instanceId: freshId(), event: { type: 'ExecutionStarted', name: 'Order', executionId: 'e' } }],
      };
      expect(await commit(worker, claim, late)).toEqual({ kind: 'lost', key: claim.key });
      expect(await commit(await hub.worker(), claim, { ...late, fence: 0 })).toEqual({ kind: 'lost', key: claim.key });
      expect((await read(claim)).messages).toHaveLength(1);
      expect(await store.getEntity(hub.id, target, { includeState: true })).toBeUndefined();
      expect(await (await hub.worker()).claim()).toEqual([]);
    });

    it('parks messages, and brings them back into their place', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      for (const operation of ['a', 'b', 'c']) await send(hub, id, signal(operation));
      const { worker, claim } = await claimOne(hub, id);
      const before = (await read(claim)).messages;
      const [a, b] = before;
      const parked = await commit(worker, claim, {
        record: { ...some, lock, parked: 2 },
        parkedMessages: [a?.id ?? '', b?.id ?? ''],
        keepOwnership: true,
      });
      expect(parked).toMatchObject({ kind: 'committed', inboxWaiting: true });
      expect((await read(claim)).messages.map((message) => message.id)).toEqual([before[2]?.id]);
      expect(await store.getEntity(hub.id, id, { includeState: false })).toMatchObject({
        backlogSize: 3,
        lockedBy: 'holder',
      });
      // What waits for a lock is nothing that becomes due.
      expect(await worker.alive()).not.toMatchObject({ nextDueAt: expect.any(Number) });
      await send(hub, id, signal('d'));
      const back = await commit(worker, claim, { fence: 1, unpark: true, keepOwnership: true });
      expect(back).toMatchObject({ kind: 'committed', inboxWaiting: true });
      const after = (await read(claim)).messages;
      expect(after.slice(0, 3)).toEqual(before);
      expect(after).toHaveLength(4);
    });

    it('creates the entities that it tells, and says who was told', async () => {
      const hub = await freshHub(store);
      const [id, target, later] = [freshEntity(), freshEntity(), freshEntity()];
      await send(hub, id);
      const { worker, claim } = await claimOne(hub, id);
      const due = Date.now() + 3_600_000;
      const outcome = await commit(worker, claim, {
        outgoing: [
          { kind: 'entity', instanceId: target, event: signal('first') },
          { kind: 'entity', instanceId: target, event: signal('second') },
          { kind: 'entity', instanceId: later, event: signal('later', due) },
          { kind: 'entity', instanceId: id, event: signal('myself') },
        ],
      });
      const { worker: second, claims } = await claimed(hub);
      const created = claims.find((one) => one.instanceId === target);
      if (created === undefined) throw new Error('not created');
      expect((await read(created)).messages.map(({ event }) => ('operation' in event ? event.operation : ''))).toEqual([
        'first',
        'second',
      ]);
      const told = outcome.kind === 'committed' ? outcome.told : [];
      expect(new Set(told.map(({ key }) => key)).size).toBe(3);
      expect(told.find(({ key }) => key === created.key)?.visibleAt).toBeLessThan(due);
      expect(told.some(({ visibleAt }) => visibleAt === due)).toBe(true);
      expect(claims.map((one) => one.instanceId).sort()).toEqual([id, target].sort());
      await second.die();
    });

    it('answers the execution that asked, and no other', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      const caller = freshId();
      await hub.start({ instanceId: caller });
      const { executionId } = await hub.get(caller);
      await send(hub, id);
      const { worker, claim } = await claimOne(hub, id);
      const event = { type: 'EntityOperationCompleted', requestId: 'r', result: '1' } as const;
      const outcome = await commit(worker, claim, {
        outgoing: [
          { kind: 'orchestration', instanceId: caller, executionId, event },
          { kind: 'orchestration', instanceId: caller, executionId: 'before', event },
          { kind: 'orchestration', instanceId: freshId(), executionId, event },
        ],
      });
      const [asking] = await worker.claim();
      if (asking === undefined) throw new Error('the caller was not claimed');
      const { messages } = await worker.read(asking.key);
      expect(messages.filter((message) => message.event.type !== 'ExecutionStarted')).toMatchObject([
        { executionId, event },
      ]);
      expect(outcome).toMatchObject({ told: [{ key: asking.key }] });
    });

    it('starts orchestrations, and leaves those alone that are there', async () => {
      const hub = await freshHub(store);
      const [fresh, taken] = [freshId(), freshId()];
      const key = await hub.start({ instanceId: taken });
      const id = freshEntity();
      await send(hub, id);
      const { worker, claim } = await claimOne(hub, id);
      const start = { type: 'ExecutionStarted', name: 'Order', executionId: 'e-new', input: '{"a":1}' } as const;
      await commit(worker, claim, {
        starts: [
          { instanceId: fresh, event: start },
          { instanceId: taken, event: start },
          { instanceId: fresh, event: { ...start, executionId: 'e-twice' } },
        ],
      });
      expect(await hub.get(fresh)).toMatchObject({
        name: 'Order',
        executionId: 'e-new',
        input: '{"a":1}',
        runtimeStatus: 'Pending',
      });
      expect((await hub.get(taken)).key).toBe(key);
      expect((await worker.claim()).map((one) => one.instanceId)).toContain(fresh);
    });

    it('of many entities is one statement, in which each has its own fence', async () => {
      const hub = await freshHub(store);
      const ids = Array.from({ length: 50 }, freshEntity);
      await Promise.all(ids.map((id) => send(hub, id)));
      const { worker, claims } = await claimed(hub);
      expect(claims).toHaveLength(50);
      const contents = await store.readEntities(claims.map(({ key }) => ({ key, withRecord: true })));
      const outcomes = await store.commitEntities(
        worker.id,
        claims.map((claim, index) => ({
          key: claim.key,
          fence: index % 5 === 0 ? claim.sequence + 1 : claim.sequence,
          record: { ...some, state: String(index) },
          consumedMessages: contents[index]?.messages.map((message) => message.id) ?? [],
          parkedMessages: [],
          unpark: false,
          outgoing: [],
          starts: [],
          keepOwnership: false,
        })),
      );
      expect(outcomes.map((outcome) => outcome.kind)).toEqual(
        claims.map((_, index) => (index % 5 === 0 ? 'lost' : 'committed')),
      );
    });
  });

  describe('an empty entity', () => {
    const empty: EntityRecord = { state: null, lock: null, parked: 0 };

    it('is found, and removed with all that it left', async () => {
      const hub = await freshHub(store);
      const claim = await written(hub, freshEntity(), empty);
      await written(hub, freshEntity());
      await written(hub, freshEntity(), { ...empty, lock });
      const found = await store.findEmptyEntities(hub.id, { after: '0', limit: 10 });
      expect(found).toEqual([{ key: claim.key, fence: 1 }]);
      expect(await store.removeEmptyEntities(found)).toEqual([claim.key]);
      expect(await remains(claim.key)).toEqual({});
      expect(await store.removeEmptyEntities(found)).toEqual([]);
    });

    it('stays while a worker has it, when it has changed, or when a message waits, due or not', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      const { key } = await written(hub, id, empty);
      await send(hub, id, signal('later', Date.now() + 3_600_000));
      expect(await store.removeEmptyEntities([{ key, fence: 1 }])).toEqual([]);
      await send(hub, id);
      expect(await store.removeEmptyEntities([{ key, fence: 1 }])).toEqual([]);
      const { worker, claim } = await claimOne(hub, id);
      expect(await store.removeEmptyEntities([{ key, fence: 1 }])).toEqual([]);
      await commit(worker, claim, { record: empty });
      expect(await store.removeEmptyEntities([{ key, fence: 1 }])).toEqual([]);
      expect(await store.findEmptyEntities(hub.id, { after: '0', limit: 10 })).toEqual([]);
    });

    it('that is removed while messages are sent to it loses none of them', async () => {
      const hub = await freshHub(store);
      const ids = Array.from({ length: 20 }, freshEntity);
      const keys: string[] = [];
      for (const id of ids) keys.push((await written(hub, id, empty)).key);
      await Promise.all([
        ...keys.map((key) => other.removeEmptyEntities([{ key, fence: 1 }])),
        ...ids.map((id) => send(hub, id, signal('late'))),
      ]);
      const { claims } = await claimed(hub);
      expect(claims.map((claim) => claim.instanceId).sort()).toEqual(ids.sort());
      for (const claim of claims)
        expect((await read(claim)).messages).toMatchObject([{ event: { operation: 'late' } }]);
    });

    it('is looked for in pages', async () => {
      const hub = await freshHub(store);
      const keys: string[] = [];
      for (let n = 0; n < 5; n += 1) keys.push((await written(hub, freshEntity(), empty)).key);
      const first = await store.findEmptyEntities(hub.id, { after: '0', limit: 3 });
      const second = await store.findEmptyEntities(hub.id, { after: first.at(-1)?.key ?? '', limit: 3 });
      expect([...first, ...second].map(({ key }) => key)).toEqual(keys);
    });
  });

  it('locks are orphaned when their holder has ended, has continued as new or is gone', async () => {
    const hub = await freshHub(store);
    const running = freshId();
    await hub.start({ instanceId: running });
    const { executionId } = await hub.get(running);
    const ended = freshId();
    await hub.ended({ instanceId: ended });
    const held = async (by: { readonly instanceId: string; readonly executionId: string }): Promise<string> => {
      const id = freshEntity();
      await written(hub, id, { ...some, lock: { ...lock, ...by } });
      return id;
    };
    await held({ instanceId: running, executionId });
    const orphans = [
      await held({ instanceId: running, executionId: 'before' }),
      await held({ instanceId: ended, executionId: (await hub.get(ended)).executionId }),
      await held({ instanceId: freshId(), executionId }),
    ];
    const found = await store.findOrphanedLocks(hub.id, { after: '0', limit: 10 });
    expect(found.map((one) => one.instanceId)).toEqual(orphans);
    expect(found[0]?.lock).toEqual({ criticalSectionId: 'section', instanceId: running, executionId: 'before' });
  });

  it('kinds of entities that nobody runs are named once something has waited long enough', async () => {
    const hub = await freshHub(store);
    await hub.worker({ functions: { entities: ['Known'] } });
    await send(hub, '@known@a');
    await send(hub, '@unknown@a');
    expect(await store.findUnregisteredEntities({ hubId: hub.id, graceMs: 60_000 })).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await store.findUnregisteredEntities({ hubId: hub.id, graceMs: 1 })).toEqual(['@unknown']);
  });

  describe('looking at entities', () => {
    it('shows what they are, with and without the state', async () => {
      const hub = await freshHub(store);
      const id = freshEntity();
      const from = Date.now() - 5_000;
      await written(hub, id, { ...some, lock });
      await send(hub, id);
      const seen = await other.getEntity(hub.id, id, { includeState: true });
      expect(seen).toEqual({
        instanceId: id,
        name: 'counter',
        key: id.slice('@counter@'.length),
        lastModifiedAt: expect.any(Date),
        backlogSize: 1,
        lockedBy: 'holder',
        exists: true,
        state: some.state,
      });
      expect(seen?.lastModifiedAt.getTime()).toBeGreaterThan(from);
      expect(await store.getEntity(hub.id, id, { includeState: false })).not.toHaveProperty('state');
      expect(await store.getEntity(hub.id, freshEntity(), { includeState: true })).toBeUndefined();
    });

    it('B188: lists those with a state by prefix, in pages; the others only when they are asked for', async () => {
      const hub = await freshHub(store);
      const ids = ['@counter@a1', '@counter@a2', '@counter@b', '@gauge@a', '@counters@a'];
      for (const id of ids) {
        await send(hub, id);
        const worker = await hub.worker();
        const [claim] = await worker.claim({ names: ['@counter', '@gauge', '@counters'] });
        if (claim === undefined) throw new Error('not claimed');
        const [message] = (await read(claim)).messages;
        await commit(worker, claim, { consumedMessages: [message?.id ?? ''] });
      }
      await send(hub, '@counter@a3');
      await hub.start({ instanceId: 'a-not-an-entity' });
      const list = async (filter: Parameters<typeof store.listEntities>[1], limit = 100) =>
        store.listEntities(hub.id, filter, { limit });
      const idsOf = (page: Awaited<ReturnType<typeof list>>) => page.entities.map((one) => one.instanceId);
      expect(idsOf(await list({}))).toEqual([...ids].sort());
      expect(idsOf(await list({ instanceIdPrefix: '@counter@a' }))).toEqual(['@counter@a1', '@counter@a2']);
      const transient = await list({ instanceIdPrefix: '@counter@a', includeTransient: true });
      expect(idsOf(transient)).toEqual(['@counter@a1', '@counter@a2', '@counter@a3']);
      expect(transient.entities.map((one) => one.exists)).toEqual([true, true, false]);
      expect(transient.continuationToken).toBeUndefined();
      expect((await list({ includeState: false })).entities[0]).not.toHaveProperty('state');
      const first = await list({ instanceIdPrefix: '@counter@' }, 2);
      expect(idsOf(first)).toEqual(['@counter@a1', '@counter@a2']);
      const token = first.continuationToken ?? '';
      const page = { limit: 2, continuationToken: token };
      const second = await store.listEntities(hub.id, { instanceIdPrefix: '@counter@' }, page);
      expect(idsOf(second)).toEqual(['@counter@b']);
      expect(second.continuationToken).toBeUndefined();
      await expect(store.listEntities(hub.id, { instanceIdPrefix: '@gauge' }, page)).rejects.toMatchObject({
        code: 'InvalidArgument',
      });
      const soon = new Date(Date.now() + 3_600_000);
      expect(idsOf(await list({ lastModifiedFrom: soon }))).toEqual([]);
      expect(idsOf(await list({ lastModifiedTo: soon, lastModifiedFrom: new Date(0) }))).toHaveLength(5);
    });
  });

  it('a purge removes an entity as it is', async () => {
    const hub = await freshHub(store);
    const id = freshEntity();
    const { key } = await written(hub, id, { ...some, lock });
    await send(hub, id);
    expect(await store.purgeInstance(hub.id, id)).toMatchObject({ kind: 'purged' });
    expect(await remains(key)).toEqual({});
    expect(await store.purgeInstance(hub.id, id)).toEqual({ kind: 'not-found' });
  });
}
