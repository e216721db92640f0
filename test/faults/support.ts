/** Nodes to break: a hub and its HTTP front in this process, with scaled constants (decision 37), and what they log. */
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { createServer } from '../../src/http/server.ts';
import { createTaskHub, type TaskHub, type TaskHubOptions } from '../../src/task-hub.ts';
import { functions } from '../http/fixtures.ts';
import { Api } from '../http/support.ts';
import type { HttpLimits } from '../../src/http/limits.ts';
import { waitFor } from '../support/wait-for.ts';

/** L, P and B of the promises, in ms. */
export const scaled = { lease: 1_000, poll: 100, backOff: 5_000 };
/** What a busy machine may add to any time that is measured. */
export const slack = 5_000;

export interface Node {
  readonly hub: TaskHub;
  readonly api: Api;
  /** Lines of its log, warnings and worse. */
  readonly said: readonly string[];
  /** Where it answers; only when it was asked to listen. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface NodeOptions extends Partial<TaskHubOptions> {
  readonly databaseUrl: string;
  readonly limits?: Partial<HttpLimits>;
  readonly listens?: boolean;
}

/** Opens a node; stopped when the test ends. */
export async function openNode({ limits = {}, listens = false, ...options }: NodeOptions): Promise<Node> {
  const said: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void said.push(line) });
  const hub = createTaskHub({
    functions,
    pollMs: scaled.poll,
    leaseMs: scaled.lease,
    stopGraceMs: 500,
    logger,
    ...options,
  });
  onTestFinished(() => hub.stop());
  await hub.start();
  // A busy machine is not what is tested.
  const app = await createServer(hub, { limits: { maxEventLoopDelayMs: 0, ...limits }, logger });
  const stop = async (): Promise<void> => {
    await app.close();
    await hub.stop();
  };
  onTestFinished(stop);
  const url = listens ? await app.listen({ port: 0, host: '127.0.0.1' }) : '';
  return { hub, api: new Api(app), said, url, stop };
}

/** How long something takes, in ms. */
export async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const begun = performance.now();
  const value = await work;
  return { value, ms: performance.now() - begun };
}

/** Waits until a node works, from request to result. @returns after how long, in ms */
export async function untilItWorks({ api }: Node, taskHub?: string): Promise<number> {
  const begun = performance.now();
  const query = taskHub === undefined ? '' : `?taskHub=${taskHub}`;
  const id = await waitFor(
    async () => {
      const started = await api.post(`/orchestrators/Acts${query}`, { body: 'a' });
      return started.statusCode === 202 && String(started.json().id);
    },
    { timeoutMs: 30_000, what: 'a start to be accepted' },
  );
  await waitFor(async () => (await api.get(`/instances/${id}${query}`)).statusCode === 200, {
    timeoutMs: 30_000,
    what: 'the result of a start',
  });
  return performance.now() - begun;
}
