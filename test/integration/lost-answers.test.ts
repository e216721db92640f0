/** A worker whose statements are executed though their answers get lost: nothing that it took may be forgotten (P6). */
import { describe, expect, it, onTestFinished } from 'vitest';
import { activity, orchestration, type FunctionDefinition } from '../../src/model/functions.ts';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { createTaskHub, type TaskHub, type TaskHubOptions } from '../../src/task-hub.ts';
import { gate } from '../support/gate.ts';
import { testDatabase } from '../support/postgres.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a worker whose answers get lost', async () => {
  const database = await testDatabase();

  async function open(url: string, options: Partial<TaskHubOptions>): Promise<TaskHub> {
    const hub = createTaskHub({
      databaseUrl: url,
      schema: database.schema,
      pollMs: 100,
      leaseMs: 60_000,
      stopGraceMs: 500,
      ...options,
    });
    onTestFinished(() => hub.stop());
    await hub.start();
    return hub;
  }

  /** A worker behind a proxy, and a client that reaches the database directly. */
  async function setUp(functions: readonly FunctionDefinition[], options: Partial<TaskHubOptions> = {}) {
    const proxy = await TcpProxy.open(database.url);
    const taskHub = freshName();
    const hub = await open(proxy.url, { functions, taskHub, ...options });
    const { client } = await open(database.url, { taskHub, worker: false });
    return { proxy, hub, client, taskHub };
  }

  const finished = { timeoutMs: 15_000 };
  const echo = activity('Echo', (input: unknown) => input);
  const twice = orchestration('Twice', async (ctx) => [
    await ctx.callActivity(echo, 1),
    await ctx.callActivity(echo, 2),
  ]);

  it.each(['perdure_claim', 'read_messages', 'commit_turns', 'discard_messages'])(
    'F16 F19 goes on with the instances that it had claimed (%s)',
    async (statement) => {
      const { proxy, client } = await setUp([twice, echo]);
      for (const cut of ['after', 'before'] as const) {
        void proxy.cut(statement, cut);
        const ids = await Promise.all(Array.from({ length: 5 }, () => client.startNew(twice)));
        for (const id of ids) {
          expect(await client.waitForCompletion(id, finished)).toMatchObject({
            runtimeStatus: 'Completed',
            output: '[1,2]',
          });
        }
      }
    },
  );

  it('F34 F36 goes on with the activities that it had claimed', async () => {
    const taskHub = freshName();
    const { client } = await open(database.url, { taskHub, functions: [twice] });
    const { proxy } = await setUp([echo], { taskHub });
    for (const cut of ['after', 'before'] as const) {
      void proxy.cut('claim_tasks', cut);
      void proxy.cut('complete_tasks', cut);
      const id = await client.startNew(twice);
      expect(await client.waitForCompletion(id, finished)).toMatchObject({ output: '[1,2]' });
    }
  });

  it('goes on with what it had taken over', async () => {
    const taskHub = freshName();
    const [begun, never] = [gate(), gate()];
    const slow = activity('Slow', async (_input, { redelivery }) => {
      begun.open();
      if (redelivery === 0) await never.passed;
      return redelivery;
    });
    const body = orchestration('Body', (ctx) => ctx.callActivity(slow));
    const victim = await TcpProxy.open(database.url);
    const first = await open(victim.url, { taskHub, functions: [body, slow], leaseMs: 1_000 });
    const { client } = await open(database.url, { taskHub, worker: false });
    const id = await first.client.startNew(body);
    await begun.passed;
    victim.refuse();
    const { proxy } = await setUp([body, slow], { taskHub });
    void proxy.cut('take_over', 'after');
    expect(await client.waitForCompletion(id, finished)).toMatchObject({ runtimeStatus: 'Completed', output: '1' });
    victim.heal();
    never.open();
  });

  it('goes on with a start of its own though the caller could not be told', async () => {
    const { proxy, hub, client } = await setUp([twice, echo]);
    // One that works first: connections are open then.
    await hub.client.waitForCompletion(await hub.client.startNew(twice), finished);
    void proxy.cut('start_instances', 'after', 100);
    const instanceId = freshName();
    await expect(hub.client.startNew(twice, { instanceId })).rejects.toMatchObject({ code: 'OutcomeUnknown' });
    proxy.heal();
    expect(await client.waitForCompletion(instanceId, finished)).toMatchObject({ output: '[1,2]' });
  });

  it.each(['before', 'after'] as const)(
    'goes on with its activities when throwing messages away fails (%s)',
    async (cut) => {
      const release = gate();
      let runs = 0;
      const held = activity('Held', async () => {
        runs += 1;
        await release.passed;
        return runs;
      });
      const body = orchestration('Body', (ctx) => ctx.callActivity(held));
      const { proxy, client, taskHub } = await setUp([body, held]);
      const id = await client.startNew(body);
      await waitFor(() => runs === 1);
      const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
      onTestFinished(() => store.close());
      const done = proxy.cut('discard_messages', cut);
      // It is not suspended: there is nothing to resume.
      await store.sendMessage({
        hubId: await store.ensureHub(taskHub),
        instanceId: id,
        event: { type: 'ExecutionResumed' },
      });
      await done;
      release.open();
      expect(await client.waitForCompletion(id, finished)).toMatchObject({ output: '1' });
      expect(runs).toBe(1);
    },
  );

  it.each([
    ['kept in memory', 10_000],
    ['replayed every turn', 0],
  ])('does not lose activities that it runs when a read fails (%s)', async (_, maxLiveInstances) => {
    const release = gate();
    let runs = 0;
    const held = activity('Held', async () => {
      runs += 1;
      await release.passed;
      return 'held';
    });
    const body = orchestration('Body', async (ctx) => {
      const task = ctx.callActivity(held);
      const event = await ctx.waitForExternalEvent('Go');
      return [event, await task];
    });
    const { proxy, client } = await setUp([body, held], { maxLiveInstances });
    const id = await client.startNew(body);
    await waitFor(() => runs === 1);
    const cut = proxy.cut('read_messages', 'before');
    await client.raiseEvent(id, 'Go', 'went');
    await cut;
    release.open();
    expect(await client.waitForCompletion(id, finished)).toMatchObject({ output: '["went","held"]' });
  });

  it.each(['refuses', 'says nothing'])(
    'stops in time while the database %s, and another worker goes on',
    async (how) => {
      const [begun, never] = [gate(), gate()];
      const slow = activity('Slow', async (_input, { redelivery }) => {
        begun.open();
        if (redelivery === 0) await never.passed;
        return redelivery;
      });
      const body = orchestration('Body', (ctx) => ctx.callActivity(slow));
      const { proxy, hub, client, taskHub } = await setUp([body, slow, twice, echo], { leaseMs: 2_000 });
      const id = await hub.client.startNew(body);
      await begun.passed;
      const others = await Promise.all(Array.from({ length: 20 }, () => client.startNew(twice)));
      if (how === 'refuses') proxy.refuse();
      else proxy.blackhole();
      const startedAt = performance.now();
      await hub.stop();
      expect(performance.now() - startedAt).toBeLessThan(13_000);
      never.open();
      await open(database.url, { taskHub, functions: [body, slow, twice, echo] });
      expect(await client.waitForCompletion(id, finished)).toMatchObject({ output: '1' });
      for (const other of others)
        expect(await client.waitForCompletion(other, finished)).toMatchObject({ output: '[1,2]' });
    },
  );

  it('lives through a database that is away for a while, with all that it had in hand', async () => {
    const { proxy, hub, client } = await setUp([twice, echo]);
    const ids = await Promise.all(Array.from({ length: 50 }, () => hub.client.startNew(twice)));
    for (let round = 0; round < 3; round += 1) {
      proxy.refuse();
      ids.push(await client.startNew(twice));
      proxy.heal();
      await waitFor(() => proxy.connections > 0);
    }
    for (const id of ids) {
      expect(await client.waitForCompletion(id, finished)).toMatchObject({ output: '[1,2]' });
    }
  });
});
