import { describe, expect, it } from 'vitest';
import type { TurnCommit } from '../../../src/model/work.ts';
import { failure } from '../../support/builders.ts';
import { waitFor } from '../../support/wait-for.ts';
import { after, freshHub, freshId, newTask, type Hub, type StoreUnderTest } from './fixture.ts';

export function queue({ store, other, remains }: StoreUnderTest): void {
  /** An instance with its first turn committed: nothing in its inbox, these tasks in the queue. */
  async function waiting(hub: Hub, tasks: TurnCommit['queuedTasks'], given: Partial<TurnCommit> = {}) {
    const instanceId = freshId();
    const { worker, claim } = await hub.claimed({ instanceId });
    const { messages } = await worker.read(claim.key);
    const outcome = await worker.commitOne(claim, {
      consumedMessages: messages.map(({ id }) => id),
      queuedTasks: tasks,
      ...given,
    });
    return { worker, instance: after(claim, outcome) };
  }

  describe('a queued activity', () => {
    it('comes with all that the call said', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [
        newTask(3, {
          name: 'CHARGE',
          version: '2',
          input: '""',
          attempt: 4,
          firstScheduledId: 1,
          redelivery: 2,
          tags: { a: '"é' },
        }),
        newTask(4, { name: 'Ship' }),
      ]);
      expect((await worker.alive()).activitiesReady).toBe(true);
      const tasks = await worker.claimTasks();
      const common = {
        instanceKey: instance.key,
        instanceId: instance.instanceId,
        executionId: instance.executionId,
      };
      expect(tasks.map(({ id: _, ...task }) => task)).toEqual([
        {
          ...common,
          taskScheduledId: 3,
          name: 'CHARGE',
          version: '2',
          input: '""',
          attempt: 4,
          firstScheduledId: 1,
          redelivery: 2,
          tags: { a: '"é' },
        },
        { ...common, taskScheduledId: 4, name: 'Ship', attempt: 1, firstScheduledId: 4, redelivery: 0 },
      ]);
      expect((await worker.alive()).activitiesReady).toBe(false);
    });

    it('is taken first in, first out, at most as many as asked for', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(
        hub,
        Array.from({ length: 250 }, (_, id) => newTask(id)),
      );
      const seen: number[] = [];
      for (let round = 0; round < 3; round += 1) {
        seen.push(...(await worker.claimTasks({ limit: 100 })).map((task) => task.taskScheduledId));
      }
      expect(seen).toEqual(Array.from({ length: 250 }, (_, id) => id));
    });

    it('is taken only by those who ask for its name, in its hub', async () => {
      const hub = await freshHub(store);
      const elsewhere = await freshHub(store);
      await waiting(elsewhere, [newTask(0)]);
      await waiting(hub, [newTask(0, { name: 'Ship' }), newTask(1, { name: 'Übergabe' })]);
      const worker = await hub.worker({ functions: { activities: ['Charge'] } });
      expect(await worker.claimTasks()).toEqual([]);
      expect((await worker.alive()).activitiesReady).toBe(false);
      const able = await hub.worker({ functions: { activities: ['ship', 'Übergabe'] } });
      expect((await able.alive()).activitiesReady).toBe(true);
      expect(await able.claimTasks()).toHaveLength(2);
    });

    it('goes to one of many workers that ask at the same time', async () => {
      const hub = await freshHub(store);
      await waiting(
        hub,
        Array.from({ length: 400 }, (_, id) => newTask(id)),
      );
      const workers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => hub.through(index % 2 === 0 ? store : other).worker()),
      );
      const taken = (
        await Promise.all(
          workers.map(async (worker) => {
            const mine: number[] = [];
            for (let dry = 0; dry < 2;) {
              const tasks = await worker.claimTasks({ limit: 9 });
              mine.push(...tasks.map((task) => task.taskScheduledId));
              dry = tasks.length === 0 ? dry + 1 : 0;
            }
            return mine;
          }),
        )
      ).flat();
      expect([...taken].sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, id) => id));
    });
  });

  describe('a completion', () => {
    it('removes the task and leaves its result in the inbox of its execution', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0), newTask(1), newTask(2)]);
      const tasks = await worker.claimTasks();
      const ids = await store.completeActivities(
        worker.id,
        tasks.map((task) => ({
          task,
          outcome:
            task.taskScheduledId === 0
              ? { kind: 'completed', result: '{"ok":true}' }
              : task.taskScheduledId === 1
                ? { kind: 'failed', failure }
                : { kind: 'completed' },
        })),
      );
      expect(new Set(ids)).toEqual(new Set(tasks.map((task) => task.id)));
      expect(await remains(instance.key)).not.toHaveProperty('tasks');
      await worker.claimOnly(instance.key);
      const { messages } = await worker.read(instance.key);
      expect(
        messages.map(({ executionId, event: { timestamp: _, ...event } }) => {
          expect(executionId).toBe(instance.executionId);
          return event;
        }),
      ).toEqual([
        { type: 'TaskCompleted', taskScheduledId: 0, result: '{"ok":true}' },
        { type: 'TaskFailed', taskScheduledId: 1, failure },
        { type: 'TaskCompleted', taskScheduledId: 2 },
      ]);
    });

    it('F44 counts once', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0)]);
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      const ids = await Promise.all(Array.from({ length: 5 }, () => worker.completeTask(task)));
      expect(ids.flat()).toEqual([task.id]);
      expect(await worker.completeTask(task)).toEqual([]);
      expect(await remains(instance.key)).toMatchObject({ messages: 1 });
    });

    it('counts only from the holder', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0)]);
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      const rival = await hub.worker();
      expect(await rival.completeTask(task)).toEqual([]);
      expect(await remains(instance.key)).toMatchObject({ tasks: 1 });
      expect(await worker.completeTask(task)).toEqual([task.id]);
    });

    it.each(['Completed', 'Failed', 'Terminated'] as const)('for a %s instance is dropped', async (status) => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0)], { keepOwnership: true });
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      await worker.commitOne(instance, { status });
      await worker.completeTask(task);
      expect(await remains(instance.key)).toEqual({ instances: 1, history: 2 });
      expect((await worker.alive({ claimedTasks: [task.id] })).lostTasks).toEqual([task.id]);
    });

    it('for a purged instance is dropped', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0)], { status: 'Completed' });
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      await store.purgeInstance(hub.id, instance.instanceId);
      expect(await worker.completeTask(task)).toEqual([]);
      expect(await remains(instance.key)).toEqual({});
    });

    it('of many tasks of many instances is one call', async () => {
      const hub = await freshHub(store);
      const instances = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const key = await hub.start();
          return key;
        }),
      );
      const worker = await hub.worker();
      const claims = await worker.claim();
      await worker.commit(
        claims.map((claim) => ({
          key: claim.key,
          executionId: claim.executionId,
          fence: 0,
          events: [],
          status: 'Running',
          customStatus: null,
          output: null,
          failure: null,
          consumedMessages: [],
          queuedTasks: Array.from({ length: 50 }, (_, id) => newTask(id)),
          timers: [],
          cancelledTimers: [],
          messages: [],
          children: [],
          next: null,
          keepOwnership: false,
        })),
      );
      const tasks = await worker.claimTasks({ limit: 2_000 });
      expect(tasks).toHaveLength(1_000);
      const reversed = [...tasks].reverse();
      const ids = await store.completeActivities(
        worker.id,
        reversed.map((task) => ({ task, outcome: { kind: 'completed' } })),
      );
      expect(ids).toHaveLength(1_000);
      for (const key of instances.slice(0, 3)) expect(await remains(key)).toMatchObject({ messages: 51 });
    });
  });

  describe('an activity with a limit for the hub', () => {
    const many = (count: number) => Array.from({ length: count }, (_, id) => newTask(id));
    const limited = { names: ['cHARGE'], hubLimit: 3 };

    it('is claimed up to the limit, by all workers together, and again when one has ended', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, [...many(5), newTask(9, { name: 'Ship' })]);
      const rival = await hub.through(other).worker();
      const mine = await worker.claimTasks({ ...limited, limit: 2 });
      const theirs = await rival.claimTasks({ ...limited, limit: 100 });
      expect([mine, theirs].map((tasks) => tasks.map((task) => task.taskScheduledId))).toEqual([[0, 1], [2]]);
      expect(await worker.claimTasks(limited)).toEqual([]);
      // Others are not held up by it.
      expect(await worker.claimTasks({ names: ['Ship'] })).toHaveLength(1);
      await rival.completeTask(theirs[0]!);
      expect((await worker.claimTasks(limited)).map((task) => task.taskScheduledId)).toEqual([3]);
    });

    it('is never claimed more often than that, however many ask at the same time', async () => {
      const hub = await freshHub(store);
      await waiting(hub, many(20));
      const workers = await Promise.all(
        Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? hub : hub.through(other)).worker()),
      );
      const claimed = await Promise.all(workers.map((worker) => worker.claimTasks(limited)));
      expect(claimed.flat()).toHaveLength(3);
    });

    it('counts what a dead worker held until another one has taken it, which then keeps the place', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, many(5));
      expect(await worker.claimTasks(limited)).toHaveLength(3);
      await worker.die();
      const heir = await hub.worker();
      expect(await heir.claimTasks(limited)).toEqual([]);
      const taken = await heir.claimTasks({ ...limited, dead: true });
      expect(taken.map(({ taskScheduledId, redelivery }) => [taskScheduledId, redelivery])).toEqual([
        [0, 1],
        [1, 1],
        [2, 1],
      ]);
    });

    it('is not claimed for a worker whose lease has ended', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, many(1));
      await worker.die();
      expect(await worker.claimTasks(limited)).toEqual([]);
    });
  });

  describe('activities that a commit gives up', () => {
    it('leave the queue, claimed or not, and nobody can complete them', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0), newTask(1), newTask(2)], { keepOwnership: true });
      const [held] = await worker.claimTasks({ limit: 1 });
      if (held === undefined) throw new Error('no task');
      const outcome = await worker.commitOne(instance, { cancelledTasks: [0, 2, 77] });
      expect(outcome.kind).toBe('committed');
      expect((await worker.alive({ claimedTasks: [held.id] })).lostTasks).toEqual([held.id]);
      expect(await worker.completeTask(held)).toEqual([]);
      expect((await worker.claimTasks()).map((task) => task.taskScheduledId)).toEqual([1]);
    });

    it('stay when the commit is lost', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0)], { keepOwnership: true });
      expect((await worker.commitOne({ ...instance, sequence: 99 }, { cancelledTasks: [0] })).kind).toBe('lost');
      expect(await worker.claimTasks()).toHaveLength(1);
    });

    it('are those of the instance alone', async () => {
      const hub = await freshHub(store);
      const one = await waiting(hub, [newTask(0)], { keepOwnership: true });
      await waiting(hub, [newTask(0)]);
      await one.worker.commitOne(one.instance, { cancelledTasks: [0], status: 'Completed' });
      expect(await one.worker.claimTasks()).toHaveLength(1);
    });
  });

  describe('giving tasks back', () => {
    it('B156: counts no redelivery and leaves them to the next', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, [newTask(0)]);
      const tasks = await worker.claimTasks();
      await store.releaseActivities(worker.id, [...tasks.map((task) => task.id), '999999999']);
      expect(await (await hub.worker()).claimTasks()).toEqual(tasks);
    });

    it('is for the holder only', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, [newTask(0)]);
      const [task] = await worker.claimTasks();
      const rival = await hub.worker();
      await store.releaseActivities(rival.id, [task?.id ?? '']);
      expect(await rival.claimTasks({ dead: true })).toEqual([]);
      expect((await worker.alive({ claimedTasks: [task?.id ?? ''] })).lostTasks).toEqual([]);
    });
  });

  describe('tasks of a dead worker', () => {
    it('go to another with a redelivery more, and the dead one cannot complete them', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0, { redelivery: 1 })]);
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      await worker.die();
      const heir = await hub.worker();
      expect((await heir.alive()).deadWorkers).toBe(true);
      expect(await heir.claimTasks()).toEqual([]);
      expect(await heir.claimTasks({ dead: true })).toEqual([{ ...task, redelivery: 2, crashCount: 1 }]);
      expect(await worker.completeTask(task)).toEqual([]);
      expect(await heir.completeTask(task)).toEqual([task.id]);
      expect(await remains(instance.key)).toMatchObject({ messages: 1 });
    });

    it('may still be completed by it while nobody has taken them', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, [newTask(0)]);
      const [task] = await worker.claimTasks();
      if (task === undefined) throw new Error('no task');
      await worker.die();
      expect(await worker.completeTask(task)).toEqual([task.id]);
    });

    it('are not taken by a worker whose lease has ended', async () => {
      const hub = await freshHub(store);
      const { worker } = await waiting(hub, [newTask(0), newTask(1)]);
      await worker.claimTasks({ limit: 1 });
      await worker.die();
      expect(await worker.claimTasks({ dead: true })).toEqual([]);
      expect(await (await hub.worker()).claimTasks({ dead: true })).toHaveLength(2);
    });
  });

  describe('what a taken-over instance still has in the queue', () => {
    it('is told, and what of it has ended, so that only lost activities run again', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0), newTask(1), newTask(2)], { keepOwnership: true });
      const runner = await hub.worker();
      const [first] = await runner.claimTasks({ limit: 2 });
      if (first === undefined) throw new Error('no task');
      await runner.completeTask(first);
      await worker.die();
      const heir = await hub.worker();
      await heir.claimOnly(instance.key, { dead: true });
      const { queuedTaskIds, messages } = await heir.read(instance.key, { tasks: true });
      expect(new Set(queuedTaskIds)).toEqual(new Set([0, 1, 2]));
      expect(messages.map(({ event }) => ('taskScheduledId' in event ? event.taskScheduledId : event.type))).toEqual([
        0,
      ]);
      expect((await heir.read(instance.key)).queuedTaskIds).toEqual([]);
    });
  });

  describe('activities that nobody registers', () => {
    it('fail after the grace time, with a reason, and are not tried again', async () => {
      const hub = await freshHub(store);
      const { worker, instance } = await waiting(hub, [newTask(0, { name: 'Fly' }), newTask(1, { name: 'Charge' })]);
      const grace = { hubId: hub.id, graceMs: 60_000 };
      expect(await store.failUnregisteredActivities(grace)).toEqual([]);
      const names = await waitFor(async () => {
        const found = await store.failUnregisteredActivities({ ...grace, graceMs: 1 });
        return found.length > 0 && found;
      });
      expect(names).toEqual(['Fly']);
      await worker.claimOnly(instance.key);
      const { messages } = await worker.read(instance.key);
      expect(messages).toMatchObject([
        {
          executionId: instance.executionId,
          event: {
            type: 'TaskFailed',
            taskScheduledId: 0,
            failure: { errorType: 'ActivityNotRegistered', isNonRetriable: true },
          },
        },
      ]);
      expect(await remains(instance.key)).toMatchObject({ tasks: 1 });
      expect(await store.failUnregisteredActivities({ ...grace, graceMs: 1 })).toEqual([]);
    });

    it('wait while a worker that lists them was alive within the grace time', async () => {
      const hub = await freshHub(store);
      const { instance } = await waiting(hub, [newTask(0, { name: 'Fly' })]);
      const pilot = await hub.worker({ functions: { activities: ['FLY'] } });
      await pilot.die();
      await store.removeDeadWorkers(hub.id);
      expect(await store.failUnregisteredActivities({ hubId: hub.id, graceMs: 60_000 })).toEqual([]);
      const other = await hub.worker({ functions: { activities: ['fly'] } });
      await store.deregisterWorker(other.id);
      // The task is older than this grace time, its last worker is not.
      await waitFor(
        async () => (await hub.store.failUnregisteredActivities({ hubId: hub.id, graceMs: 50 })).length > 0,
      );
      expect(await remains(instance.key)).toMatchObject({ messages: 1 });
    });

    it('have names with quotes and other marks without harm', async () => {
      const hub = await freshHub(store);
      const name = `it's "a" {name}, \\ and 'more'`;
      const { worker, instance } = await waiting(hub, [newTask(0, { name })]);
      await waitFor(async () => (await store.failUnregisteredActivities({ hubId: hub.id, graceMs: 1 })).length > 0);
      await worker.claimOnly(instance.key);
      const [message] = (await worker.read(instance.key)).messages;
      expect(message?.event).toMatchObject({ failure: { message: expect.stringContaining(name) } });
    });
  });
}
