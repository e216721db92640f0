/** The store on Postgres while the network between them breaks: nothing is lost, nothing happens twice (F47 - F54). */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/index.ts';
import type { WorkNotification } from '../../src/model/work.ts';
import type { Store } from '../../src/store/store.ts';
import { after, freshHub, freshId, type Hub, newTask, turnOf } from '../contract/store/fixture.ts';
import { ended, raised, turnStarted } from '../support/builders.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a store behind a network that breaks', async () => {
  const database = await testDatabase();

  function open(url: string, options: Partial<PostgresStoreOptions> = {}): Store {
    const store = openPostgresStore({ connectionString: url, schema: database.schema, ...options });
    onTestFinished(() => store.close());
    return store;
  }

  /** A store through a proxy, and the same hub seen directly. */
  async function setUp(options: Partial<PostgresStoreOptions> = {}) {
    const proxy = await TcpProxy.open(database.url);
    const store = open(proxy.url, options);
    const direct = open(database.url);
    const hub = await freshHub(direct);
    return { proxy, store, direct, hub, broken: hub.through(store) };
  }

  /** An instance that a worker of the broken store has claimed, before anything broke. */
  async function claimed(hub: Hub, instanceId = freshId()) {
    const key = await hub.start({ instanceId });
    const worker = await hub.worker();
    const claim = await worker.claimOnly(key);
    const { messages } = await worker.read(key);
    return { worker, claim, consumedMessages: messages.map(({ id }) => id) };
  }

  describe('a commit whose connection is cut', () => {
    it.each([
      ['before it was sent', 'before', 1],
      ['after it was executed', 'after', 1],
      ['again and again before', 'before', 3],
      ['again and again after', 'after', 3],
    ] as const)('B147: %s is executed exactly once, and says so', async (_, cut, times) => {
      const { proxy, hub, broken } = await setUp();
      const { worker, claim, consumedMessages } = await claimed(broken);
      const done = proxy.cut('commit_turns', cut, times);
      const outcome = await worker.commitOne(claim, {
        events: [turnStarted(7)],
        consumedMessages,
        queuedTasks: [newTask(0)],
        timers: [{ timerId: 1, fireAt: 0 }],
      });
      await done;
      expect(outcome).toMatchObject({ kind: 'committed', sequence: 1 });
      expect(await hub.history(claim.instanceId)).toEqual([turnStarted(7)]);
      const heir = await hub.worker();
      expect(await heir.claimTasks()).toHaveLength(1);
      await heir.claimOnly(claim.key);
      expect((await heir.read(claim.key)).messages).toHaveLength(1);
    });

    it('knows the fence of a turn that was stored in parts', async () => {
      const { proxy, hub, broken } = await setUp();
      const { worker, claim } = await claimed(broken);
      const events = [0, 1, 2].map((part) => raised(String(part), JSON.stringify('x'.repeat(1_000_000))));
      void proxy.cut('commit_turns', 'after');
      const outcome = await worker.commitOne(claim, { events, keepOwnership: true });
      expect(outcome).toMatchObject({ kind: 'committed', sequence: 3 });
      expect(await worker.commitOne(after(claim, outcome))).toMatchObject({ kind: 'committed', sequence: 4 });
      expect((await hub.history(claim.instanceId)).slice(0, 3)).toEqual(events);
    });

    it('tells those of its turns that won from those that had lost', async () => {
      const { proxy, hub, broken } = await setUp();
      const worker = await broken.worker();
      for (let index = 0; index < 6; index += 1) await broken.start();
      const claims = await worker.claim();
      void proxy.cut('commit_turns', 'after');
      const outcomes = await worker.commit(
        claims.map((claim, index) =>
          turnOf(index % 3 === 1 ? { ...claim, sequence: 5 } : claim, {
            status: index % 3 === 2 ? 'Completed' : 'Running',
            events: [ended()],
          }),
        ),
      );
      expect(outcomes.map((outcome) => outcome.kind)).toEqual(
        claims.map((_, index) => (index % 3 === 1 ? 'lost' : 'committed')),
      );
      for (const [index, claim] of claims.entries()) {
        expect(await hub.history(claim.instanceId)).toHaveLength(index % 3 === 1 ? 0 : 1);
      }
    });

    it('waits for the database when it is away', async () => {
      const { proxy, hub, broken } = await setUp();
      const { worker, claim } = await claimed(broken);
      proxy.refuse();
      let outcome: unknown;
      const committed = worker.commitOne(claim).then((value) => (outcome = value));
      await hub.raise(claim.instanceId, 'Go');
      expect(outcome).toBeUndefined();
      proxy.heal();
      await committed;
      expect(outcome).toMatchObject({ kind: 'committed', sequence: 1 });
      expect(await hub.history(claim.instanceId)).toHaveLength(1);
    });

    it('F57: waits while the database has no space left, and callers get StorageFull', async () => {
      const { hub, broken } = await setUp();
      const { worker, claim } = await claimed(broken);
      await execute(
        database,
        `create function full_disk() returns trigger language plpgsql as
         $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$`,
      );
      await execute(database, 'create trigger full_disk before insert on history execute function full_disk()');
      let outcome: unknown;
      const committed = worker.commitOne(claim).then((value) => (outcome = value));
      await expect(
        hub.store.terminatePending({ key: await hub.start(), output: null, eventsAt: () => [] }),
      ).rejects.toMatchObject({ code: 'StorageFull' });
      expect(outcome).toBeUndefined();
      await execute(database, 'drop function full_disk cascade');
      await committed;
      expect(outcome).toMatchObject({ kind: 'committed', sequence: 1 });
    });

    it('gives up a connection that says nothing any more, and is executed exactly once', async () => {
      const { proxy, hub, broken } = await setUp({ queryTimeoutMs: 300 });
      const { worker, claim } = await claimed(broken);
      proxy.blackhole();
      const committed = worker.commitOne(claim);
      // A second one, so that more than one connection is affected.
      const read = worker.read(claim.key).catch((error: unknown) => error);
      await waitFor(async () => (await read) instanceof Error, { what: 'the read to give up' });
      proxy.heal();
      expect(await committed).toMatchObject({ kind: 'committed', sequence: 1 });
      expect(await hub.history(claim.instanceId)).toHaveLength(1);
    });

    it('F48: is true to what is stored, however often all connections are reset', async () => {
      const { proxy, hub, broken } = await setUp();
      const worker = await broken.worker();
      await Promise.all(Array.from({ length: 200 }, () => hub.start()));
      const claims = await worker.claim({ limit: 300 });
      expect(claims).toHaveLength(200);
      let over = false;
      const storm = (async () => {
        while (!over) {
          await waitFor(() => proxy.connections > 1 || over);
          proxy.resetAll();
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      let next = [...claims];
      for (let round = 0; round < 3; round += 1) {
        const batches = Array.from({ length: 10 }, (_, at) => next.slice(at * 20, at * 20 + 20));
        const commits = Promise.all(
          batches.map((batch) =>
            worker.commit(batch.map((claim) => turnOf(claim, { keepOwnership: true, events: [turnStarted(round)] }))),
          ),
        );
        // The storm has to let something through at last.
        const stopped = round === 2 ? commits : Promise.race([commits, storm]);
        await Promise.race([stopped, waitFor(() => over, { timeoutMs: 2_000 }).catch(() => (over = true))]);
        const outcomes = (await commits).flat();
        expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['committed']));
        next = next.map((claim) => ({ ...claim, sequence: claim.sequence + 1 }));
      }
      over = true;
      await storm;
      for (const claim of claims.slice(0, 40)) {
        expect((await hub.history(claim.instanceId)).map((event) => event.timestamp)).toEqual([0, 1, 2]);
      }
    });
  });

  describe('a start whose connection is cut', () => {
    it.each(['before', 'after'] as const)('%s it was executed creates one instance', async (cut) => {
      const { proxy, hub, broken } = await setUp();
      const instanceId = freshId();
      const done = proxy.cut('start_instances', cut);
      const outcome = await broken.tryStart({ instanceId, input: '5' });
      await done;
      expect(outcome).toMatchObject({ kind: 'created', key: (await hub.get(instanceId)).key });
      const worker = await hub.worker();
      const [claim] = await worker.claim();
      expect((await worker.read(claim?.key ?? '')).messages).toHaveLength(1);
      expect(await hub.tryStart({ instanceId })).toMatchObject({ kind: 'exists' });
    });

    it.each(['before', 'after'] as const)('%s it replaced an ended instance replaces it once', async (cut) => {
      const { proxy, hub, broken } = await setUp();
      const instanceId = freshId();
      const old = await hub.ended({ instanceId });
      await broken.get(instanceId);
      const done = proxy.cut('commit\u0000', cut);
      const outcome = await broken.tryStart({ instanceId });
      await done;
      const { key, runtimeStatus } = await hub.get(instanceId);
      expect(outcome).toMatchObject({ kind: 'created', key });
      expect(runtimeStatus).toBe('Pending');
      expect(key).not.toBe(old);
    });

    it('is refused as unavailable when there is no database', async () => {
      const { proxy, broken } = await setUp();
      proxy.refuse();
      await expect(broken.tryStart()).rejects.toMatchObject({ code: 'StoreUnavailable' });
    });
  });

  describe('a message whose connection is cut', () => {
    it.each([
      ['before', 1],
      ['after', 2],
    ] as const)('%s it was stored is reported as unknown, and stored at most once', async (cut, stored) => {
      const { proxy, hub, broken } = await setUp();
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      await broken.get(instanceId);
      void proxy.cut('send_messages', cut);
      await expect(broken.raise(instanceId, 'Go')).rejects.toMatchObject({ code: 'OutcomeUnknown' });
      const worker = await hub.worker();
      expect((await worker.read(key)).messages).toHaveLength(stored);
    });
  });

  describe('a purge whose connection is cut', () => {
    it.each(['before', 'after'] as const)('%s it was executed says that it purged', async (cut) => {
      const { proxy, hub, broken, store } = await setUp();
      const instanceId = freshId();
      await hub.ended({ instanceId });
      await broken.get(instanceId);
      void proxy.cut('commit\u0000', cut);
      expect(await store.purgeInstance(hub.id, instanceId)).toEqual({ kind: 'purged' });
      expect(await hub.store.getInstance(hub.id, instanceId)).toBeUndefined();
    });
  });

  describe('terminating a Pending instance over a connection that is cut', () => {
    it.each(['before', 'after'] as const)('%s it was executed ends it once', async (cut) => {
      const { proxy, hub, broken, store } = await setUp();
      const instanceId = freshId();
      const key = await hub.start({ instanceId });
      await broken.get(instanceId);
      void proxy.cut('commit\u0000', cut);
      const outcome = await store.terminatePending({ key, output: '"no"', eventsAt: () => [ended('Terminated')] });
      expect(outcome).toBe('terminated');
      expect(await hub.get(instanceId, { history: true })).toMatchObject({
        runtimeStatus: 'Terminated',
        history: { length: 1 },
      });
    });
  });

  describe('the end of an activity whose connection is cut', () => {
    it('F36 can be sent again and is stored once', async () => {
      const { proxy, hub, broken } = await setUp();
      const { worker, claim, consumedMessages } = await claimed(broken);
      await worker.commitOne(claim, { consumedMessages, queuedTasks: [newTask(0)] });
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      void proxy.cut('complete_tasks', 'after');
      await expect(worker.completeTask(task)).rejects.toThrow();
      expect(await worker.completeTask(task)).toEqual([]);
      const heir = await hub.worker();
      await heir.claimOnly(claim.key);
      expect((await heir.read(claim.key)).messages).toHaveLength(1);
    });
  });

  describe('a heartbeat whose connection is cut', () => {
    it('fails, and the next one counts', async () => {
      const { proxy, broken } = await setUp();
      const worker = await broken.worker();
      void proxy.cut('heartbeat', 'after');
      await expect(worker.beat()).rejects.toThrow();
      expect(await worker.beat()).toMatchObject({ kind: 'alive' });
    });

    it('fails in time when the connection says nothing any more', async () => {
      const { proxy, broken } = await setUp({ queryTimeoutMs: 300 });
      const worker = await broken.worker();
      await worker.beat();
      proxy.blackhole();
      await expect(worker.beat()).rejects.toThrow();
      proxy.heal();
      expect(await worker.beat()).toMatchObject({ kind: 'alive' });
    });
  });

  describe('notifications', () => {
    it('come back after their connection was lost, and make listeners look once', async () => {
      const { proxy, store, direct } = await setUp();
      const heard: WorkNotification[] = [];
      onTestFinished(store.notifications.subscribe((notification) => heard.push(notification)));
      const publish = (id: string) => {
        direct.notifications.publish({ kind: 'ended', hubId: 0, keys: [id] });
        return heard.some((notification) => notification.kind === 'ended' && notification.keys.includes(id));
      };
      await waitFor(() => publish('1'), { intervalMs: 50 });
      heard.length = 0;
      proxy.resetAll();
      await waitFor(() => heard.some((notification) => notification.kind === 'resync'));
      await waitFor(() => publish('2'), { intervalMs: 50 });
    });
  });

  describe('closing a store', () => {
    it('just opened leaves no connection behind', async () => {
      const proxy = await TcpProxy.open(database.url);
      for (let round = 0; round < 5; round += 1) {
        const store = openPostgresStore({ connectionString: proxy.url, schema: database.schema });
        if (round % 2 === 1) await waitFor(() => proxy.connections > 0);
        await store.close();
      }
      await waitFor(() => proxy.connections === 0, { what: 'the connections to end' });
    });

    it('works while the database is away', async () => {
      const proxy = await TcpProxy.open(database.url);
      const store = openPostgresStore({ connectionString: proxy.url, schema: database.schema });
      await store.ping();
      proxy.refuse();
      await store.close();
    });

    it('works while the database says nothing', async () => {
      const proxy = await TcpProxy.open(database.url);
      const store = openPostgresStore({ connectionString: proxy.url, schema: database.schema });
      await store.ping();
      proxy.blackhole();
      await store.close();
    });
  });

  describe('an error of the database', () => {
    it('that a caller cannot do anything about is not hidden', async () => {
      const store = open(database.url);
      await execute(database, 'alter table workers rename to workers_away');
      try {
        await expect(store.liveFunctionNames(1)).rejects.toMatchObject({ code: '42P01' });
      } finally {
        await execute(database, 'alter table workers_away rename to workers');
      }
    });
  });
});
