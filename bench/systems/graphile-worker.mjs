/** graphile-worker: a queue. A sequence of five is five jobs, each adding the next; there is no join. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { chainMetrics, Counter, each, idleCpu, latencies, now, openQuestions } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const ended = new Counter();
let ticks = [];
const empty = 'select not exists (select from graphile_worker._private_jobs)';

async function open({ databaseUrl }) {
  const questions = await openQuestions(databaseUrl);
  const logger = new Logger(() => () => undefined);
  const preset = {
    worker: {
      connectionString: databaseUrl,
      // The configuration of its own performance page.
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      gracefulShutdownAbortTimeout: 50,
      logger,
    },
  };
  const utils = await makeWorkerUtils({ preset });
  await utils.migrate();
  const runner = await run({
    preset,
    noHandleSignals: true,
    taskList: {
      hello: async ({ step }, { addJob }) => {
        void `Hello ${cities[step]}!`;
        if (step + 1 < cities.length) await addJob('hello', { step: step + 1 });
        else ended.add();
      },
      noop: () => ended.add(),
      tick: async ({ left }, { addJob }) => {
        ticks.push(now());
        if (left > 1) await addJob('tick', { left: left - 1 });
        else ended.add();
      },
    },
  });
  async function runHello({ count, warmUp = 0 }) {
    if (warmUp > 0) await runHello({ count: warmUp });
    const counted = ended.after(count);
    const startedAt = now();
    await utils.addJobs(Array.from({ length: count }, () => ({ identifier: 'hello', payload: { step: 0 } })));
    await counted;
    await questions.until(empty);
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  async function runFanOut({ count, warmUp = 0 }) {
    if (warmUp > 0) await runFanOut({ count: warmUp });
    const counted = ended.after(count);
    const startedAt = now();
    await each(Math.ceil(count / 5_000), 1, (index) =>
      utils.addJobs(
        Array.from({ length: Math.min(5_000, count - index * 5_000) }, () => ({ identifier: 'noop', payload: {} })),
      ),
    );
    await counted;
    await questions.until(empty);
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  const runChain = async (count) => {
    ticks = [];
    const counted = ended.after(1);
    const startedAt = now();
    await utils.addJob('tick', { left: count });
    await counted;
    return chainMetrics(ticks, startedAt);
  };
  const workloads = {
    hello: runHello,
    latency: async ({ count, warmUp = 0 }) => {
      const times = [];
      for (let i = -warmUp; i < count; i++) {
        const counted = ended.after(1);
        const startedAt = now();
        await utils.addJob('hello', { step: 0 });
        await counted;
        if (i >= 0) times.push(now() - startedAt);
      }
      return latencies(times);
    },
    fanOut: runFanOut,
    chain: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await runChain(warmUp);
      return runChain(count);
    },
    idle: ({ seconds }) => idleCpu(seconds),
  };
  return {
    workloads,
    close: async () => {
      await runner.stop();
      await utils.release();
      await questions.close();
    },
  };
}

export default {
  version: installedVersion('graphile-worker'),
  settings:
    'its performance page: concurrentJobs 24, maxPoolSize 25, localQueue 500, completeJobBatchDelay 0; addJobs for starts',
  open,
};
