/** pg-boss: a queue. A sequence of five is five jobs; a batch's handler inserts the next jobs as one batch. */
import { PgBoss } from 'pg-boss';
import { chainMetrics, Counter, each, idleCpu, latencies, now } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const batchSize = 1_000;
const localConcurrency = 2;
const poolSize = 10;
const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const ended = new Counter();
let ticks = [];

async function open({ databaseUrl }) {
  const boss = new PgBoss({ connectionString: databaseUrl, max: poolSize, useListenNotify: true, schedule: false });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  const work = async (queue, handler) => {
    await boss.createQueue(queue, { notify: true });
    await boss.work(
      queue,
      { batchSize, localConcurrency, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
      handler,
    );
  };
  await work('hello', async (jobs) => {
    const next = jobs.filter(({ data }) => data.step + 1 < cities.length);
    if (next.length > 0)
      await boss.insert(
        'hello',
        next.map(({ data }) => ({ data: { step: data.step + 1 } })),
      );
    for (let i = next.length; i < jobs.length; i++) ended.add();
  });
  await work('noop', async (jobs) => {
    for (const _ of jobs) ended.add();
  });
  await work('tick', async ([{ data }]) => {
    ticks.push(now());
    if (data.left > 1) await boss.insert('tick', [{ data: { left: data.left - 1 } }]);
    else ended.add();
  });
  const insert = (queue, count, data) =>
    each(Math.ceil(count / 1_000), 4, (index) =>
      boss.insert(
        queue,
        Array.from({ length: Math.min(1_000, count - index * 1_000) }, () => ({ data })),
      ),
    );
  const through = (queue, data) =>
    async function through({ count, warmUp = 0 }) {
      if (warmUp > 0) await through({ count: warmUp });
      const counted = ended.after(count);
      const startedAt = now();
      await insert(queue, count, data);
      await counted;
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    };
  const runChain = async (count) => {
    ticks = [];
    const counted = ended.after(1);
    const startedAt = now();
    await boss.send('tick', { left: count });
    await counted;
    return chainMetrics(ticks, startedAt);
  };
  const workloads = {
    hello: through('hello', { step: 0 }),
    latency: async ({ count, warmUp = 0 }) => {
      const times = [];
      for (let i = -warmUp; i < count; i++) {
        const counted = ended.after(1);
        const startedAt = now();
        await boss.send('hello', { step: 0 });
        await counted;
        if (i >= 0) times.push(now() - startedAt);
      }
      return latencies(times);
    },
    fanOut: through('noop', {}),
    chain: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await runChain(warmUp);
      return runChain(count);
    },
    idle: ({ seconds }) => idleCpu(seconds),
  };
  return { workloads, close: () => boss.stop({ graceful: false }) };
}

export default {
  version: installedVersion('pg-boss'),
  settings: `batchSize ${batchSize}, localConcurrency ${localConcurrency}, useListenNotify, pollingIntervalSeconds 0.5, burstWhenBatchFull, pool ${poolSize}; insert() for starts`,
  open,
};
