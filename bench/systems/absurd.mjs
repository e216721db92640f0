/** absurd: tasks with checkpointed steps; the schema is the one that its `absurdctl init` applies. */
import { readFileSync } from 'node:fs';
import { Absurd } from 'absurd-sdk';
import pg from 'pg';
import { chainMetrics, Counter, each, idleCpu, latencies, now, openQuestions, pause } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const concurrency = 100;
const poolSize = 20;
const pollInterval = 0.02;
const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const ended = new Counter();
const waiting = new Counter();
let ticks = [];
const allEnded = `select not exists (
  select from absurd.t_default where state not in ('completed', 'failed', 'cancelled')
)`;

async function open({ databaseUrl }) {
  const questions = await openQuestions(databaseUrl);
  await questions.rows(readFileSync(new URL('./absurd.sql', import.meta.url), 'utf8'));
  const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize });
  const log = { log() {}, info() {}, warn() {}, error: (...text) => console.error(...text) };
  const app = new Absurd({ db: pool, queueName: 'default', log });
  await app.createQueue();
  app.registerTask({ name: 'hello' }, async (_, ctx) => {
    const greetings = [];
    for (const city of cities) greetings.push(await ctx.step(`hello ${city}`, async () => `Hello ${city}!`));
    ended.add();
    return greetings;
  });
  app.registerTask({ name: 'fan-out' }, async (width, ctx) => {
    const steps = Array.from({ length: width }, (_, index) => ctx.step(`n${index}`, async () => null));
    return (await Promise.all(steps)).length;
  });
  app.registerTask({ name: 'chain' }, async (steps, ctx) => {
    for (let index = 0; index < steps; index++) {
      await ctx.step(`s${index}`, async () => {
        ticks.push(now());
        return null;
      });
    }
    return steps;
  });
  app.registerTask({ name: 'wait' }, async (number, ctx) => {
    waiting.add();
    const value = await ctx.awaitEvent(`go-${number}`);
    ended.add();
    return value;
  });
  const worker = await app.startWorker({ concurrency, batchSize: concurrency, pollInterval, claimTimeout: 600 });
  /** `awaitTaskResult` backs off while it polls; looking at a steady 2 ms is in its favour. */
  const run = async (name, params) => {
    const { taskID } = await app.spawn(name, params);
    for (;;) {
      const result = await app.fetchTaskResult(taskID);
      if (result?.state === 'completed') return;
      if (result?.state === 'failed') throw new Error(`task failed: ${JSON.stringify(result.failure)}`);
      await pause(2);
    }
  };
  async function runHello({ count, warmUp = 0 }) {
    if (warmUp > 0) await runHello({ count: warmUp });
    const counted = ended.after(count);
    const startedAt = now();
    await each(count, 100, () => app.spawn('hello', {}));
    await counted;
    await questions.until(allEnded);
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  const workloads = {
    hello: runHello,
    latency: async ({ count, warmUp = 0 }) => {
      const times = [];
      for (let i = -warmUp; i < count; i++) {
        const startedAt = now();
        await run('hello', {});
        if (i >= 0) times.push(now() - startedAt);
      }
      return latencies(times);
    },
    fanOut: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await run('fan-out', warmUp);
      const startedAt = now();
      await run('fan-out', count);
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    chain: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await run('chain', warmUp);
      ticks = [];
      const startedAt = now();
      await run('chain', count);
      return chainMetrics(ticks, startedAt);
    },
    events: async ({ count }) => {
      const allWait = waiting.after(count);
      await each(count, 100, (index) => app.spawn('wait', index));
      await allWait;
      await pause(1_000);
      const counted = ended.after(count);
      const startedAt = now();
      await each(count, 100, (index) => app.emitEvent(`go-${index}`, index));
      await counted;
      await questions.until(allEnded);
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    idle: ({ seconds }) => idleCpu(seconds),
  };
  return {
    workloads,
    close: async () => {
      await worker.close();
      await pool.end();
      await questions.close();
    },
  };
}

export default {
  version: installedVersion('absurd-sdk'),
  settings: `concurrency ${concurrency}, batchSize ${concurrency}, pollInterval ${pollInterval} s, pool ${poolSize}`,
  open,
};
