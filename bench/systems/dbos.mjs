/** DBOS Transact: workflows started and awaited in process, its fastest documented way; steps by `DBOS.runStep`. */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { chainMetrics, Counter, idleCpu, latencies, now, pause } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const poolSize = 20;
const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const waiting = new Counter();
let ticks = [];

const hello = DBOS.registerWorkflow(
  async () => {
    const greetings = [];
    for (const city of cities) greetings.push(await DBOS.runStep(async () => `Hello ${city}!`, { name: 'sayHello' }));
    return greetings;
  },
  { name: 'hello' },
);
const fanOut = DBOS.registerWorkflow(
  async (width) => {
    const steps = Array.from({ length: width }, () => DBOS.runStep(async () => null, { name: 'noop' }));
    return (await Promise.all(steps)).length;
  },
  { name: 'fanOut' },
);
const chain = DBOS.registerWorkflow(
  async (steps) => {
    for (let step = 0; step < steps; step++) await DBOS.runStep(async () => void ticks.push(now()), { name: 'tick' });
  },
  { name: 'chain' },
);
const wait = DBOS.registerWorkflow(
  async () => {
    waiting.add();
    return DBOS.recv('go', { timeoutSeconds: 600 });
  },
  { name: 'wait' },
);

async function open({ databaseUrl }) {
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: databaseUrl,
    systemDatabasePoolSize: poolSize,
    logLevel: 'error',
  });
  await DBOS.launch();
  const start = (workflow, ...args) => DBOS.startWorkflow(workflow)(...args);
  const run = async (workflow, ...args) => (await start(workflow, ...args)).getResult();
  async function runHello({ count, warmUp = 0 }) {
    if (warmUp > 0) await runHello({ count: warmUp });
    const startedAt = now();
    await Promise.all(Array.from({ length: count }, () => run(hello)));
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  const workloads = {
    hello: runHello,
    latency: async ({ count, warmUp = 0 }) => {
      const times = [];
      for (let i = -warmUp; i < count; i++) {
        const startedAt = now();
        await run(hello);
        if (i >= 0) times.push(now() - startedAt);
      }
      return latencies(times);
    },
    fanOut: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await run(fanOut, warmUp);
      const startedAt = now();
      await run(fanOut, count);
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    chain: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await run(chain, warmUp);
      ticks = [];
      const startedAt = now();
      await run(chain, count);
      return chainMetrics(ticks, startedAt);
    },
    events: async ({ count }) => {
      const allWait = waiting.after(count);
      const handles = await Promise.all(Array.from({ length: count }, () => start(wait)));
      await allWait;
      await pause(1_000);
      const results = Promise.all(handles.map((handle) => handle.getResult()));
      const startedAt = now();
      await Promise.all(handles.map((handle, index) => DBOS.send(handle.workflowID, index, 'go')));
      await results;
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    idle: ({ seconds }) => idleCpu(seconds),
  };
  return { workloads, close: () => DBOS.shutdown() };
}

export default {
  version: installedVersion('@dbos-inc/dbos-sdk'),
  settings: `in process (startWorkflow, runStep), systemDatabasePoolSize ${poolSize}`,
  open,
};
