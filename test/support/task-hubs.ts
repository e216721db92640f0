/** Task hubs for tests that run orchestrations on a real database, in this process. */
import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished } from 'vitest';
import type { OrchestrationClient, OrchestrationReference, StartOptions } from '../../src/client/client.ts';
import { isTerminal, type OrchestrationInstance, type RuntimeStatus } from '../../src/model/instance.ts';
import { createTaskHub, type TaskHubOptions } from '../../src/task-hub.ts';
import { testDatabase, type TestDatabase } from './postgres.ts';
import { waitFor } from './wait-for.ts';

/** An ended instance with its output parsed. */
export interface Ended extends Omit<OrchestrationInstance, 'output'> {
  readonly output: unknown;
}

export interface TestHub {
  readonly client: OrchestrationClient;
  /** Starts an orchestration and waits for its end. */
  run<Input>(orchestration: OrchestrationReference<Input>, options?: StartOptions<Input>): Promise<Ended>;
  /** Waits for the end of an instance. */
  finish(instanceId: string): Promise<Ended>;
  /** Waits until an instance has a status. */
  reach(instanceId: string, status: RuntimeStatus): Promise<OrchestrationInstance>;
  /** Called by itself when the test ends. */
  stop(): Promise<void>;
}

export type TestHubOptions = Omit<TaskHubOptions, 'databaseUrl' | 'schema'>;

export interface TestHubs {
  readonly database: TestDatabase;
  /** Opens a started hub; each has a name of its own unless `taskHub` is given. */
  open(options: TestHubOptions): Promise<TestHub>;
}

/**
 * Runs tests twice: with orchestrators kept in memory between turns, and with every turn replayed from history. Both
 * must look the same from outside.
 */
export function inBothModes(title: string, define: (hubs: TestHubs) => void): void {
  describe.each([
    { mode: 'kept in memory', maxLiveInstances: 10_000 },
    { mode: 'replayed every turn', maxLiveInstances: 0 },
  ])(`${title}, $mode`, async ({ maxLiveInstances }) => {
    const database = await testDatabase();
    define({ database, open: (options) => openHub(database, { maxLiveInstances, ...options }) });
  });
}

/** A hub name that no other test has. */
export function freshName(): string {
  return `hub-${randomBytes(6).toString('hex')}`;
}

async function openHub(database: TestDatabase, options: TestHubOptions): Promise<TestHub> {
  const hub = createTaskHub({
    taskHub: freshName(),
    pollMs: 200,
    stopGraceMs: 2_000,
    ...options,
    databaseUrl: database.url,
    schema: database.schema,
  });
  onTestFinished(() => hub.stop());
  await hub.start();
  const { client } = hub;
  const finish = async (instanceId: string): Promise<Ended> => {
    const instance = await client.waitForCompletion(instanceId, { timeoutMs: 15_000 });
    if (instance === undefined) throw new Error(`there is no instance ${instanceId}`);
    expect(isTerminal(instance.runtimeStatus), `${instanceId} is ${instance.runtimeStatus}, it has not ended`).toBe(
      true,
    );
    return { ...instance, output: readOutput(instance) };
  };
  return {
    client,
    finish,
    run: async (orchestration, start) =>
      finish(await client.startNew<unknown>(orchestration, ...(start === undefined ? [] : [start]))),
    reach: (instanceId, status) =>
      waitFor(
        async () => {
          const instance = await client.getStatus(instanceId);
          return instance?.runtimeStatus === status && instance;
        },
        { what: `${instanceId} to be ${status}` },
      ),
    stop: () => hub.stop(),
  };
}

/** The output of a terminated instance is its reason as it was given, no JSON. */
function readOutput({ runtimeStatus, output }: OrchestrationInstance): unknown {
  if (output === null) return undefined;
  return runtimeStatus === 'Terminated' ? output : JSON.parse(output);
}
