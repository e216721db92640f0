import { describe, expect, it } from 'vitest';
import type { CommitOutcome, TurnCommit } from '../../../src/model/work.ts';
import { ended, failure, raised, turnStarted } from '../../support/builders.ts';
import {
  after,
  freshHub,
  freshId,
  newTask,
  turnOf,
  type Hub,
  type StoreUnderTest,
  type TestWorker,
} from './fixture.ts';

const future = Date.now() + 3_600_000;

export function commits({ store, other, remains }: StoreUnderTest): void {
  /** Instances that one worker owns, in the order of their start. */
  async function claimedMany(hub: Hub, worker: TestWorker, count: number) {
    const keys = await Promise.all(Array.from({ length: count }, () => hub.start()));
    const claims = new Map((await worker.claim({ limit: count })).map((claim) => [claim.key, claim]));
    return keys.map((key) => {
      const claim = claims.get(key);
      if (claim === undefined) throw new Error(`${key} was not claimed`);
      return claim;
    });
  }

  describe('a commit', () => {
    it('shows the turn to readers at once', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const events = [turnStarted(5), { ...raised('Go', '"x"'), timestamp: 5 }];
      const outcome = await worker.commitOne(claim, { events, customStatus: '{"n":1}' });
      expect(outcome).toMatchObject({ kind: 'committed', key: claim.key, sequence: 1 });
      const instance = await hub.through(other).get(instanceId, { history: true });
      expect(instance).toMatchObject({ runtimeStatus: 'Running', customStatus: '{"n":1}', history: events });
      expect(instance.lastUpdatedAt.getTime()).toBeGreaterThanOrEqual(instance.createdAt.getTime());
      expect(instance.completedAt).toBeNull();
      if (outcome.kind === 'committed') {
        expect(Number.isInteger(outcome.committedAt)).toBe(true);
        expect(Math.abs(outcome.committedAt - instance.lastUpdatedAt.getTime())).toBeLessThan(2);
      }
    });

    it('adds to the history that was there, in order', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      let instance = { ...claim, sequence: 0 };
      for (let turn = 0; turn < 5; turn += 1) {
        const outcome = await worker.commitOne(instance, { events: [turnStarted(turn)], keepOwnership: true });
        instance = { ...instance, sequence: after(instance, outcome).sequence };
      }
      expect((await hub.history(instanceId)).map((event) => event.timestamp)).toEqual([0, 1, 2, 3, 4]);
      expect((await worker.read(claim.key, { history: true })).history).toHaveLength(5);
      expect((await worker.read(claim.key)).history).toEqual([]);
    });

    it('ends an instance with output, failure and time', async () => {
      const hub = await freshHub(store);
      const good = freshId();
      const bad = freshId();
      await hub.ended(
        { instanceId: good },
        { status: 'Completed', output: '[1]', customStatus: '"done"', events: [ended()] },
      );
      await hub.ended({ instanceId: bad }, { status: 'Failed', failure });
      const completed = await hub.get(good, { history: true });
      expect(completed).toMatchObject({
        runtimeStatus: 'Completed',
        output: '[1]',
        customStatus: '"done"',
        failure: null,
        history: [ended()],
      });
      expect(completed.completedAt).toEqual(completed.lastUpdatedAt);
      expect(await hub.get(bad)).toMatchObject({ runtimeStatus: 'Failed', output: null, failure });
    });

    it('takes the messages that the turn used up and no others', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      await hub.raise(instanceId, 'a');
      const { messages } = await worker.read(claim.key);
      await hub.raise(instanceId, 'b');
      const outcome = await worker.commitOne(claim, {
        keepOwnership: true,
        consumedMessages: messages.map(({ id }) => id),
      });
      expect(outcome).toMatchObject({ inboxWaiting: true });
      const left = (await worker.read(claim.key)).messages;
      expect(left.map(({ event }) => ('name' in event ? event.name : ''))).toEqual(['b']);
    });

    it('cannot take messages of another instance', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const foreign = await hub.claimed();
      const { messages } = await worker.read(foreign.claim.key);
      await worker.commitOne(claim, { consumedMessages: messages.map(({ id }) => id) });
      expect((await worker.read(foreign.claim.key)).messages).toEqual(messages);
    });

    it('that ends an instance empties its inbox', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const first = await worker.commitOne(claim, { keepOwnership: true, timers: [{ timerId: 0, fireAt: future }] });
      await hub.raise(instanceId, 'late');
      const outcome = await worker.commitOne(after(claim, first), { status: 'Completed' });
      expect(outcome).toMatchObject({ kind: 'committed', inboxWaiting: false });
      expect(await remains(claim.key)).toEqual({ instances: 1, history: 2 });
    });

    it('that terminates an instance drops its queued activities, others leave them', async () => {
      const hub = await freshHub(store);
      for (const [status, left] of [
        ['Terminated', undefined],
        ['Completed', 2],
      ] as const) {
        const { worker, claim } = await hub.claimed();
        const first = await worker.commitOne(claim, { keepOwnership: true, queuedTasks: [newTask(0), newTask(1)] });
        const [held] = await worker.claimTasks({ limit: 1 });
        await worker.commitOne(after(claim, first), { status });
        expect((await remains(claim.key))['tasks']).toBe(left);
        const { lostTasks } = await worker.alive({ claimedTasks: [held?.id ?? ''] });
        expect(lostTasks).toEqual(left === undefined ? [held?.id] : []);
        await worker.claimTasks();
      }
    });

    it('gives the instance up, or keeps it', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const rival = await hub.worker();
      await hub.raise(instanceId, 'Go');
      const kept = await worker.commitOne(claim, { keepOwnership: true });
      expect(await rival.claim()).toEqual([]);
      await worker.commitOne(after(claim, kept), { keepOwnership: false });
      expect(await rival.claimOnly(claim.key)).toMatchObject({ sequence: 2, takenOver: false });
    });

    it('never lets the time of the last update go back', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      let instance = { ...claim };
      let before = 0;
      for (let turn = 0; turn < 10; turn += 1) {
        const outcome = await worker.commitOne(instance, { keepOwnership: true });
        instance = { ...instance, sequence: after(instance, outcome).sequence };
        const now = (await hub.get(instanceId)).lastUpdatedAt.getTime();
        expect(now).toBeGreaterThanOrEqual(before);
        before = now;
      }
    });
  });

  describe('inboxWaiting', () => {
    it('says whether a turn can follow at once', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const { messages } = await worker.read(claim.key);
      const consumedMessages = messages.map(({ id }) => id);
      const none = await worker.commitOne(claim, { keepOwnership: true, consumedMessages });
      expect(none).toMatchObject({ inboxWaiting: false });
      await hub.raise(instanceId, 'Go');
      const some = await worker.commitOne(after(claim, none), { keepOwnership: true });
      expect(some).toMatchObject({ inboxWaiting: true });
    });

    it('does not count timers that are not due', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const { messages } = await worker.read(claim.key);
      const first = await worker.commitOne(claim, {
        keepOwnership: true,
        consumedMessages: messages.map(({ id }) => id),
        timers: [{ timerId: 0, fireAt: future }],
      });
      expect(first).toMatchObject({ inboxWaiting: false });
      expect(await worker.commitOne(after(claim, first))).toMatchObject({ inboxWaiting: false });
    });
  });

  describe('the fence', () => {
    it('B24: refuses a turn that replayed another sequence', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      await worker.commitOne(claim, { keepOwnership: true });
      for (const sequence of [0, 2]) {
        expect(await worker.commitOne({ ...claim, sequence })).toEqual({ kind: 'lost', key: claim.key });
      }
    });

    it('B154: refuses one who is not the owner, with or without one', async () => {
      const hub = await freshHub(store);
      const { worker, claim } = await hub.claimed();
      const rival = await hub.worker();
      expect(await rival.commitOne(claim)).toEqual({ kind: 'lost', key: claim.key });
      const outcome = await worker.commitOne(claim);
      expect(await worker.commitOne(after(claim, outcome))).toEqual({ kind: 'lost', key: claim.key });
    });

    it('refuses turns of instances that have ended, were purged or never were', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const outcome = await worker.commitOne(claim, { status: 'Completed' });
      const late = after(claim, outcome);
      for (const status of ['Running', 'Failed'] as const) {
        expect(await worker.commitOne(late, { status })).toEqual({ kind: 'lost', key: claim.key });
      }
      expect(await hub.get(instanceId)).toMatchObject({ runtimeStatus: 'Completed' });
      await store.purgeInstance(hub.id, instanceId);
      expect(await worker.commitOne(late)).toEqual({ kind: 'lost', key: claim.key });
      expect(await worker.commitOne({ ...claim, key: '999999999' })).toEqual({ kind: 'lost', key: '999999999' });
      expect(await remains(claim.key)).toEqual({});
    });

    it('lets nothing of a refused turn be seen', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const rival = await hub.worker();
      const { messages } = await worker.read(claim.key);
      const before = { instance: await hub.get(instanceId, { history: true }), remains: await remains(claim.key) };
      for (const status of ['Running', 'Terminated'] as const) {
        await rival.commitOne(claim, {
          status,
          customStatus: '"no"',
          output: '"no"',
          consumedMessages: messages.map(({ id }) => id),
          queuedTasks: [newTask(0)],
          timers: [{ timerId: 1, fireAt: future }],
          cancelledTimers: [2],
        });
      }
      expect({ instance: await hub.get(instanceId, { history: true }), remains: await remains(claim.key) }).toEqual(
        before,
      );
    });

    it('lets one of two turns win that were made from the same sequence', async () => {
      const hub = await freshHub(store);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          worker.commitOne(claim, { keepOwnership: true, events: [turnStarted(index)] }),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.kind === 'committed')).toHaveLength(1);
      expect(await hub.history(instanceId)).toHaveLength(1);
    });
  });

  describe('a batch', () => {
    it('answers in the order given, whatever the order of the keys', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const claims = await claimedMany(hub, worker, 20);
      const shuffled = [...claims].sort(() => Math.random() - 0.5);
      const outcomes = await worker.commit(shuffled.map((claim) => turnOf(claim)));
      expect(outcomes.map((outcome) => outcome.key)).toEqual(shuffled.map((claim) => claim.key));
      expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['committed']));
    });

    it('of none is nothing', async () => {
      const hub = await freshHub(store);
      expect(await (await hub.worker()).commit([])).toEqual([]);
    });

    it('loses only the members that lost their fence', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const claims = await claimedMany(hub, worker, 9);
      const turns = claims.map((claim, index) =>
        turnOf({ ...claim, sequence: index % 3 === 1 ? 7 : 0 }, { status: index % 3 === 2 ? 'Completed' : 'Running' }),
      );
      const outcomes = await worker.commit(turns);
      expect(outcomes.map((outcome) => outcome.kind)).toEqual(
        claims.map((_, index) => (index % 3 === 1 ? 'lost' : 'committed')),
      );
      for (const [index, claim] of claims.entries()) {
        expect(await hub.get(claim.instanceId, { history: true })).toMatchObject({
          runtimeStatus: (['Running', 'Pending', 'Completed'] as const)[index % 3],
          history: { length: index % 3 === 1 ? 0 : 1 },
        });
      }
    });

    it('B155: writes everything but the members that cannot be stored', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const claims = await claimedMany(hub, worker, 10);
      const bad: readonly Partial<TurnCommit>[] = [
        { customStatus: '"\u0000"' },
        { queuedTasks: [newTask(3_000_000_000)] },
        { timers: [{ timerId: 0, fireAt: 1e300 }] },
      ];
      const turns = claims.map((claim, index) => turnOf(claim, index % 3 === 0 ? (bad[index / 3] ?? {}) : {}));
      const outcomes = await worker.commit(turns);
      const kinds = outcomes.map((outcome) => outcome.kind);
      const expected: CommitOutcome['kind'][] = claims.map((_, index) =>
        index % 3 === 0 && bad[index / 3] !== undefined ? 'refused' : 'committed',
      );
      expect(kinds).toEqual(expected);
      for (const [index, claim] of claims.entries()) {
        const { length } = await hub.history(claim.instanceId);
        expect(length).toBe(expected[index] === 'refused' ? 0 : 1);
        // A refused one is as it was: its worker can still end it.
        if (expected[index] === 'refused') {
          expect(await worker.commitOne(claim, { status: 'Failed', failure })).toMatchObject({ kind: 'committed' });
        }
      }
    });

    it('of a thousand turns with all that turns can have is written', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      const claims = await claimedMany(hub, worker, 1_000);
      const started = performance.now();
      const outcomes = await worker.commit(
        claims.map((claim, index) =>
          turnOf(claim, {
            status: index % 10 === 0 ? 'Completed' : 'Running',
            queuedTasks: [newTask(0, { input: String(index) }), newTask(1)],
            timers: [{ timerId: 2, fireAt: future }],
            customStatus: String(index),
          }),
        ),
      );
      expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['committed']));
      expect(performance.now() - started).toBeLessThan(10_000);
      const tasks = await worker.claimTasks({ limit: 5_000 });
      expect(tasks).toHaveLength(2_000);
      expect(await hub.get(claims[777]?.instanceId ?? '')).toMatchObject({ customStatus: '777' });
    });

    it('and another with the same members in another order do not hold each other up', async () => {
      const hub = await freshHub(store);
      const worker = await hub.worker();
      let instances = await claimedMany(hub, worker, 50);
      for (let round = 0; round < 15; round += 1) {
        const turns = instances.map((instance) =>
          turnOf(instance, { keepOwnership: true, events: [turnStarted(round)] }),
        );
        const batches = await Promise.all([
          worker.commit(turns),
          other.commitTurns(worker.id, [...turns].reverse()),
          worker.commit([...turns].sort(() => Math.random() - 0.5)),
        ]);
        const won = batches.flat().filter((outcome) => outcome.kind === 'committed');
        expect(won).toHaveLength(50);
        expect(new Set(won.map((outcome) => outcome.key)).size).toBe(50);
        instances = instances.map((instance) => ({ ...instance, sequence: instance.sequence + 1 }));
      }
      for (const instance of instances) expect(await hub.history(instance.instanceId)).toHaveLength(15);
    });
  });
}
