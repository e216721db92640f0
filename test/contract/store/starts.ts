import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../../src/model/history.ts';
import { started } from '../../support/builders.ts';
import { waitFor } from '../../support/wait-for.ts';
import { freshHub, freshId, newTask, type StoreUnderTest } from './fixture.ts';

export function starts({ store, other, remains }: StoreUnderTest): void {
  describe('a start', () => {
    it('is Pending at once, with all that it said', async () => {
      const hub = await freshHub(store);
      const before = await hub.start();
      const instanceId = freshId();
      const key = await hub.start({ instanceId, name: 'Order', version: '2', executionId: 'e-9', input: '{"a":1}' });
      expect(BigInt(key)).toBeGreaterThan(BigInt(before));
      const instance = await hub.through(other).get(instanceId);
      expect(instance).toMatchObject({
        key,
        instanceId,
        name: 'Order',
        version: '2',
        executionId: 'e-9',
        runtimeStatus: 'Pending',
        input: '{"a":1}',
        output: null,
        customStatus: null,
        failure: null,
        completedAt: null,
        scheduledStartAt: null,
      });
      expect(instance.lastUpdatedAt).toEqual(instance.createdAt);
      expect(await hub.history(instanceId)).toEqual([]);
    });

    it('leaves its event as the first message, stamped by the store and for this execution', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed({ executionId: 'e-9', input: '5' });
      const { messages, readAt } = await worker.read(claim.key);
      expect(messages).toHaveLength(1);
      expect(messages[0]).toMatchObject({
        executionId: 'e-9',
        event: { type: 'ExecutionStarted', name: 'Order', executionId: 'e-9', input: '5' },
      });
      expect(messages[0]?.event.timestamp).toBe(messages[0]?.visibleAt);
      expect(messages[0]?.visibleAt).toBeLessThanOrEqual(readAt);
    });

    it('of an id that a live instance has changes nothing', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.start({ instanceId, input: '1' });
      const before = await hub.get(instanceId);
      expect(await hub.tryStart({ instanceId, input: '2' })).toEqual({ kind: 'exists', status: 'Pending' });
      expect(await hub.get(instanceId)).toEqual(before);

      const worker = await hub.worker();
      const [claim] = await worker.claim();
      if (claim === undefined) throw new Error('nothing was claimed');
      const { messages } = await worker.read(claim.key);
      expect(messages).toHaveLength(1);
      await worker.commitOne(claim, { status: 'Suspended', consumedMessages: messages.map(({ id }) => id) });
      expect(await hub.tryStart({ instanceId })).toEqual({ kind: 'exists', status: 'Suspended' });
    });

    it.each(['Completed', 'Failed', 'Terminated'] as const)('replaces a %s instance of its id', async (status) => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const old = await hub.ended({ instanceId, input: '1' }, { status, output: '"old"', customStatus: '"old"' });
      const before = await hub.get(instanceId);
      const key = await hub.start({ instanceId, input: '2' });
      expect(key).not.toBe(old);
      expect(await hub.get(instanceId, { history: true })).toMatchObject({
        key,
        runtimeStatus: 'Pending',
        input: '2',
        output: null,
        customStatus: null,
        completedAt: null,
        history: [],
      });
      expect((await hub.get(instanceId)).createdAt.getTime()).toBeGreaterThanOrEqual(before.createdAt.getTime());
      expect(await remains(old)).toEqual({});
    });

    it('keeps what belonged to the replaced instance away from the new one', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const first = await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0)] });
      if (first.kind !== 'committed') throw new Error(first.kind);
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      const last = { ...claim, sequence: first.sequence };
      await worker.commitOne(last, { status: 'Completed' });

      const key = await hub.start({ instanceId });
      // A turn and an activity of the old one end only now.
      expect(await worker.commitOne(last, { status: 'Failed' })).toEqual({ kind: 'lost', key: claim.key });
      await worker.completeTask(task);
      expect(await hub.get(instanceId)).toMatchObject({ key, runtimeStatus: 'Pending' });
      const again = await worker.claimOnly(key);
      expect((await worker.read(again.key)).messages.map((message) => message.event.type)).toEqual([
        'ExecutionStarted',
      ]);
      expect(await remains(claim.key)).toEqual({});
    });

    it('tells ids apart by case and by hub', async () => {
      const hub = await freshHub(store);
      const elsewhere = await freshHub(store);
      const id = freshId('Abc');
      const keys = await Promise.all([
        hub.start({ instanceId: id }),
        hub.start({ instanceId: id.toUpperCase() }),
        elsewhere.start({ instanceId: id }),
      ]);
      expect(new Set(keys).size).toBe(3);
      expect((await elsewhere.get(id)).key).toBe(keys[2]);
      expect(await store.getInstance(elsewhere.id, id.toUpperCase())).toBeUndefined();
    });

    it('harms no other of its moment when its data cannot be stored', async () => {
      const hub = await freshHub(store);
      const results = await Promise.allSettled([
        hub.tryStart({ instanceId: freshId() }),
        hub.tryStart({ input: '"\u0000"' }),
        hub.tryStart({ instanceId: freshId() }),
      ]);
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(results[1]).toMatchObject({ reason: { code: 'InvalidArgument' } });
    });
  });

  describe('a start with tags', () => {
    it('is found with them, alone, in pages and by the heir of its first owner', async () => {
      const hub = await freshHub(store);
      const tags = { team: 'payments', 'größe "x"': '', b: '1\u2028' };
      const [tagged, plain] = [freshId(), freshId()];
      await Promise.all([hub.start({ instanceId: tagged, tags }), hub.start({ instanceId: plain })]);
      expect((await hub.get(tagged)).tags).toEqual(tags);
      expect((await hub.get(plain)).tags).toBeNull();
      const { instances } = await other.listInstances(hub.id, {}, { limit: 10 });
      expect(instances.map((one) => one.tags)).toEqual(expect.arrayContaining([tags, null]));

      const worker = await hub.worker();
      const key = await hub.start({ owner: worker.id, tags });
      expect(await store.readStart(key)).toMatchObject({ tags });
    });

    it('replaces, and is replaced, like any other', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      await hub.ended({ instanceId, tags: { n: '1' } });
      await hub.ended({ instanceId, tags: { n: '2' } });
      expect((await hub.get(instanceId)).tags).toEqual({ n: '2' });
      await hub.start({ instanceId });
      expect((await hub.get(instanceId)).tags).toBeNull();
    });
  });

  describe('a start that says what may be replaced', () => {
    it.each(['Completed', 'Failed', 'Terminated'] as const)(
      'is refused by a %s instance unless it says so',
      async (status) => {
        const hub = await freshHub(store);
        const instanceId = freshId();
        const old = await hub.ended({ instanceId, input: '1' }, { status });
        const others = (['Completed', 'Failed', 'Terminated', 'Canceled', 'Pending'] as const).filter(
          (one) => one !== status,
        );
        for (const replace of [[], others]) {
          expect(await hub.tryStart({ instanceId, replace })).toEqual({ kind: 'exists', status });
          expect(await hub.get(instanceId)).toMatchObject({ key: old, input: '1', runtimeStatus: status });
        }
        expect(await hub.tryStart({ instanceId, replace: [status] })).toMatchObject({ kind: 'created' });
        expect(await remains(old)).toEqual({});
      },
    );

    it.each(['Pending', 'Running', 'Suspended'] as const)(
      'replaces a %s instance with all that it has',
      async (status) => {
        const hub = await freshHub(store);
        const instanceId = freshId();
        const { worker, claim } = await hub.claimed({ instanceId, input: '1' });
        const { messages } = await worker.read(claim.key);
        if (status !== 'Pending') {
          await worker.commitOne(claim, {
            status,
            consumedMessages: messages.map(({ id }) => id),
            queuedTasks: [newTask(0)],
            timers: [{ timerId: 1, fireAt: 0 }],
          });
        }
        await hub.raise(instanceId, 'Go');
        const others = (['Pending', 'Running', 'Suspended'] as const).filter((one) => one !== status);
        expect(await hub.tryStart({ instanceId, replace: others })).toEqual({ kind: 'exists', status });
        const outcome = await hub.tryStart({ instanceId, input: '2', replace: [status] });
        if (outcome.kind !== 'created') throw new Error(outcome.kind);
        expect(outcome.replaced).toBe(claim.key);
        expect(await remains(claim.key)).toEqual({});
        expect(await hub.get(instanceId, { history: true })).toMatchObject({
          key: outcome.key,
          input: '2',
          runtimeStatus: 'Pending',
          history: [],
        });
        const heir = await hub.worker();
        const again = await heir.claimOnly(outcome.key);
        expect((await heir.read(again.key)).messages.map(({ event }) => event.type)).toEqual(['ExecutionStarted']);
      },
    );

    it('shuts out the turn and the activities that were under way', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const first = await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0)] });
      if (first.kind !== 'committed') throw new Error(first.kind);
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      const key = await hub.start({ instanceId, replace: ['Running'] });
      for (const status of ['Running', 'Completed'] as const) {
        const late = await worker.commitOne({ ...claim, sequence: first.sequence }, { status });
        expect(late).toEqual({ kind: 'lost', key: claim.key });
      }
      expect(await worker.completeTask(task)).toEqual([]);
      expect(await worker.alive({ claimedTasks: [task.id] })).toMatchObject({ lostTasks: [task.id] });
      expect(await hub.get(instanceId)).toMatchObject({ key, runtimeStatus: 'Pending' });
      expect(await remains(claim.key)).toEqual({});
    });

    it('while turns end the instance: one of both is first, nothing is mixed, nothing stands still', async () => {
      const hub = await freshHub(store);
      for (let round = 0; round < 10; round += 1) {
        const instanceId = freshId();
        const { worker, claim } = await hub.claimed({ instanceId });
        const [commit, outcome] = await Promise.all([
          worker.commitOne(claim, { status: 'Completed', output: '"old"' }),
          hub.through(other).tryStart({ instanceId, replace: ['Pending', 'Running', 'Completed', 'Terminated'] }),
        ]);
        expect(['committed', 'lost']).toContain(commit.kind);
        if (outcome.kind !== 'created') throw new Error(outcome.kind);
        expect(await hub.get(instanceId)).toMatchObject({ key: outcome.key, runtimeStatus: 'Pending', output: null });
        expect(await remains(claim.key)).toEqual({});
      }
    });

    it('many times at once leaves one instance', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const replace = ['Pending', 'Terminated'] as const;
      const outcomes = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          hub.through(index % 2 === 0 ? store : other).tryStart({ instanceId, replace }),
        ),
      );
      const keys = outcomes.map((outcome) => (outcome.kind === 'created' ? outcome.key : outcome.kind));
      const { key } = await hub.get(instanceId);
      expect(keys).toContain(key);
      for (const gone of keys.filter((one) => one !== key)) expect(await remains(gone)).toEqual({});
    });
  });

  it('tells the time that it goes by', async () => {
    const hub = await freshHub(store);
    const before = await store.now();
    const { createdAt } = await hub.get(await idOf(hub));
    const after = await other.now();
    expect(createdAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(createdAt.getTime()).toBeLessThanOrEqual(after + 1);

    async function idOf(where: typeof hub): Promise<string> {
      const instanceId = freshId();
      await where.start({ instanceId });
      return instanceId;
    }
  });

  describe('with a first turn', () => {
    const events: readonly HistoryEvent[] = [
      { type: 'OrchestratorStarted', timestamp: 1_700_000_000_000 },
      {
        type: 'ExecutionStarted',
        timestamp: 1_700_000_000_000,
        name: 'Order',
        executionId: 'e-1',
        input: '"a \\u001e"',
      },
      { type: 'TaskScheduled', timestamp: 1_700_000_000_000, eventId: 0, name: 'Pay' },
    ];
    const firstTurn = { events, customStatus: '"new"', keepOwnership: true };

    it('is Running with that history at once, and its worker goes on with it', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const worker = await hub.worker();
      const key = await hub.start({ instanceId, owner: worker.id, executionId: 'e-1', firstTurn });
      const instance = await store.getInstance(hub.id, instanceId, { history: true });
      expect(instance).toMatchObject({ key, runtimeStatus: 'Running', customStatus: '"new"', history: events });
      expect(instance?.createdAt.getTime()).toBe(1_700_000_000_000);
      expect(instance?.lastUpdatedAt.getTime()).toBeGreaterThan(1_700_000_000_000);
      expect((await worker.read(key)).messages).toEqual([]);
      expect(await (await hub.worker()).claim()).toEqual([]);
      const { claim: claimed } = await hub.claimed();
      const next = await worker.commitOne(
        { ...claimed, key, executionId: 'e-1', sequence: 1 },
        { status: 'Completed', output: '1' },
      );
      expect(next).toMatchObject({ kind: 'committed', sequence: 2 });
    });

    it('that leaves it to wait belongs to nobody, and is claimed with its history by whoever has a message for it', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const worker = await hub.worker();
      const key = await hub.start({
        instanceId,
        owner: worker.id,
        executionId: 'e-1',
        firstTurn: { ...firstTurn, keepOwnership: false },
      });
      const other = await hub.worker();
      expect(await other.claim()).toEqual([]);
      await hub.raise(instanceId, 'go');
      const claim = await other.claimOnly(key);
      expect(claim).toMatchObject({ sequence: 1, status: 'Running', customStatus: '"new"' });
      expect((await other.read(key, { history: true })).history).toEqual(events);
    });

    it('under a lease that has ended is stored without it, for whoever comes', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      await store.deregisterWorker(worker.id);
      const instanceId = freshId();
      const outcome = await hub.tryStart({ instanceId, owner: worker.id, executionId: 'e-1', firstTurn });
      expect(outcome).toMatchObject({ kind: 'created', owner: null });
      expect(await hub.get(instanceId)).toMatchObject({ runtimeStatus: 'Pending', customStatus: null });
      const heir = await hub.worker();
      const claim = await heir.claimOnly(outcome.kind === 'created' ? outcome.key : '');
      expect(claim.sequence).toBe(0);
      expect((await heir.read(claim.key)).messages.map(({ event }) => event.type)).toEqual(['ExecutionStarted']);
    });

    it('shares a batch with starts of every other kind', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const ids = Array.from({ length: 40 }, () => freshId());
      await Promise.all(
        ids.map((instanceId, n) =>
          hub.start({
            instanceId,
            ...(n % 2 === 0 ? { owner: worker.id } : {}),
            ...(n % 4 === 0 ? { firstTurn, executionId: freshId('e') } : {}),
            ...(n % 5 === 0 ? { tags: { n: String(n) } } : {}),
          }),
        ),
      );
      for (const [n, instanceId] of ids.entries()) {
        expect(await hub.get(instanceId)).toMatchObject({
          runtimeStatus: n % 4 === 0 ? 'Running' : 'Pending',
          customStatus: n % 4 === 0 ? '"new"' : null,
          tags: n % 5 === 0 ? { n: String(n) } : null,
        });
      }
      const other = await hub.worker();
      expect(await other.claim({ limit: 100 })).toHaveLength(20);
    });
  });

  describe('many starts at once', () => {
    it('of one id create one instance, whichever process they come from', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, index) => hub.through(index % 2 === 0 ? store : other).tryStart({ instanceId })),
      );
      expect(outcomes.filter((outcome) => outcome.kind === 'created')).toHaveLength(1);
      const worker = await hub.worker();
      const [claim, ...more] = await worker.claim();
      expect(more).toEqual([]);
      expect((await worker.read(claim?.key ?? '')).messages).toHaveLength(1);
    });

    it('of the id of an ended instance replace it once', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const old = await hub.ended({ instanceId });
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => hub.through(index % 2 === 0 ? store : other).tryStart({ instanceId })),
      );
      const created = outcomes.flatMap((outcome) => (outcome.kind === 'created' ? [outcome.key] : []));
      expect(created).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome.kind === 'exists' && outcome.status === 'Pending')).toHaveLength(19);
      expect((await hub.get(instanceId)).key).toBe(created[0]);
      expect(await remains(old)).toEqual({});
    });

    it('of the same ids in opposite orders all come to an end', async () => {
      const hub = await freshHub(store);
      const ids = Array.from({ length: 300 }, () => freshId());
      const outcomes = await Promise.all([
        ...ids.map((instanceId) => hub.tryStart({ instanceId })),
        ...[...ids].reverse().map((instanceId) => hub.through(other).tryStart({ instanceId })),
      ]);
      expect(outcomes.filter((outcome) => outcome.kind === 'created')).toHaveLength(300);
    });

    it('of more ids than fit into one batch all are created', async () => {
      const hub = await freshHub(store);
      const keys = await Promise.all(Array.from({ length: 1_200 }, () => hub.start()));
      expect(new Set(keys).size).toBe(1_200);
    });
  });

  describe('a scheduled start', () => {
    it('is Pending and not to be claimed before its time', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const at = new Date(Date.now() + 3_600_000);
      await hub.start({ instanceId, scheduledStartAt: at });
      expect(await hub.get(instanceId)).toMatchObject({ runtimeStatus: 'Pending', scheduledStartAt: at });
      const worker = await hub.worker();
      expect(await worker.claim()).toEqual([]);
      const beat = await worker.alive();
      expect(beat).toMatchObject({ instancesReady: false, nextDueAt: at.getTime() });
    });

    it('becomes claimable at its time', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const { now } = await worker.alive();
      const at = new Date(now + 150);
      const key = await hub.start({ scheduledStartAt: at });
      const [claim] = await waitFor(async () => {
        const claims = await worker.claim();
        return claims.length > 0 && claims;
      });
      expect(claim?.key).toBe(key);
      const { readAt } = await worker.read(key);
      expect(readAt).toBeGreaterThanOrEqual(at.getTime());
    });

    it('in the past is a start like any other', async () => {
      const hub = await freshHub(store);
      const key = await hub.start({ scheduledStartAt: new Date(0) });
      const worker = await hub.worker();
      await worker.claimOnly(key);
    });
  });

  describe('a start that a worker takes at once', () => {
    it('belongs to that worker from birth: nobody else can claim it', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const rival = await hub.worker();
      const executionId = freshId('execution');
      const outcome = await hub.tryStart({ owner: worker.id, executionId });
      if (outcome.kind !== 'created') throw new Error(outcome.kind);
      expect(outcome.owner).toBe(worker.id);
      const { key } = outcome;
      await hub.raise((await findById(key)).instanceId, 'Go');
      expect(await rival.claim({ dead: true })).toEqual([]);
      const instance = { ...(await findById(key)), executionId };
      expect(await worker.commitOne(owned(instance))).toMatchObject({ kind: 'committed', sequence: 1 });

      async function findById(wanted: string) {
        const { instances } = await store.listInstances(hub.id, {}, { limit: 10 });
        const found = instances.find((candidate) => candidate.key === wanted);
        if (found === undefined) throw new Error('not listed');
        return found;
      }
    });

    it('has no message, and its start can be read when its worker has died', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const key = await hub.start({ owner: worker.id, executionId: 'e-9', version: '2', input: '""' });
      await worker.die();
      const heir = await hub.worker();
      const claim = await heir.claimOnly(key, { dead: true });
      expect(claim).toMatchObject({ takenOver: true, status: 'Pending' });
      expect((await heir.read(key, { history: true, tasks: true })).messages).toEqual([]);
      const { timestamp: _, ...start } = started({ executionId: 'e-9', version: '2', input: '""' });
      expect(await store.readStart(key)).toEqual(start);
    });

    it.each(['an id that is free', 'the id of an ended instance'])(
      'of %s is left to everybody when the lease of that worker has ended, or nobody knows it',
      async (which) => {
        const hub = await freshHub(store);
        const dead = await hub.worker();
        await dead.die();
        for (const owner of [dead.id, '999999999999']) {
          const instanceId = freshId();
          const old = which.startsWith('the') ? await hub.ended({ instanceId }) : '0';
          const outcome = await hub.tryStart({ instanceId, owner });
          expect(outcome).toMatchObject({ kind: 'created', owner: null });
          const worker = await hub.worker();
          const claim = await worker.claimOnly((await hub.get(instanceId)).key);
          expect((await worker.read(claim.key)).messages).toMatchObject([{ event: { type: 'ExecutionStarted' } }]);
          expect(await remains(old)).toEqual({});
        }
      },
    );

    it('replaces an ended instance of its id', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const old = await hub.ended({ instanceId });
      const worker = await hub.worker();
      const outcome = await hub.tryStart({ instanceId, owner: worker.id });
      if (outcome.kind !== 'created') throw new Error(outcome.kind);
      expect(await remains(old)).toEqual({});
      // It may be left to everybody, as long as the starter is told.
      expect(await worker.claim({ dead: true })).toHaveLength(outcome.owner === null ? 1 : 0);
    });
  });

  describe('task hubs', () => {
    it('are known by name without regard to case, once somebody used them', async () => {
      const name = freshId('Hub');
      expect(await store.findHub(name)).toBeUndefined();
      const ids = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? store : other).ensureHub(index % 3 === 0 ? name.toUpperCase() : name),
        ),
      );
      expect(new Set(ids).size).toBe(1);
      expect(await other.findHub(name.toLowerCase())).toBe(ids[0]);
    });
  });
}

function owned(instance: { readonly key: string; readonly executionId: string; readonly instanceId: string }) {
  return {
    ...instance,
    name: 'Order',
    version: null,
    status: 'Pending' as const,
    sequence: 0,
    crashCount: 0,
    customStatus: null,
    parent: null,
  };
}
