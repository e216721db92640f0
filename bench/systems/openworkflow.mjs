/** openworkflow: runs are claimed by polling; its own `result()` looks once a second, so ends are polled for here. */
import { OpenWorkflow } from 'openworkflow';
import { BackendPostgres } from 'openworkflow/postgres';
import { chainMetrics, Counter, each, idleCpu, latencies, now, openQuestions, pause } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const concurrency = 50;
const poolSize = 30;
const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const waiting = new Counter();
let ticks = [];
const ended = `select not exists (
  select from openworkflow.workflow_runs where status not in ('completed', 'succeeded', 'failed', 'canceled')
)`;

async function open({ databaseUrl }) {
  const questions = await openQuestions(databaseUrl);
  const backend = await BackendPostgres.connect(`${databaseUrl}?max=${poolSize}`);
  const ow = new OpenWorkflow({ backend });
  const hello = ow.defineWorkflow({ name: 'hello' }, async ({ step }) => {
    const greetings = [];
    for (const [index, city] of cities.entries()) {
      greetings.push(await step.run({ name: `hello-${index}` }, async () => `Hello ${city}!`));
    }
    return greetings;
  });
  const fanOut = ow.defineWorkflow({ name: 'fan-out' }, async ({ input, step }) => {
    const steps = Array.from({ length: input }, (_, index) => step.run({ name: `n${index}` }, async () => null));
    return (await Promise.all(steps)).length;
  });
  const chain = ow.defineWorkflow({ name: 'chain' }, async ({ input, step }) => {
    for (let index = 0; index < input; index++) {
      await step.run({ name: `s${index}` }, async () => {
        ticks.push(now());
        return null;
      });
    }
  });
  const wait = ow.defineWorkflow({ name: 'wait' }, async ({ input, step }) => {
    waiting.add();
    return (await step.waitForSignal({ signal: `go-${input}`, timeout: '1h' }))?.data ?? null;
  });
  const worker = ow.newWorker({ concurrency });
  await worker.start();
  /** The end of one run, seen as early as polling can. */
  const complete = async (handle) => {
    for (;;) {
      const run = await backend.getWorkflowRun({ workflowRunId: handle.workflowRun.id });
      if (run?.status === 'completed' || run?.status === 'succeeded') return;
      if (run?.status === 'failed') throw new Error(`run failed: ${JSON.stringify(run.error)}`);
      await pause(2);
    }
  };
  const run = async (workflow, input) => complete(await workflow.run(input));

  async function runHello({ count, warmUp = 0 }) {
    if (warmUp > 0) await runHello({ count: warmUp });
    const startedAt = now();
    await each(count, 100, () => hello.run());
    await questions.until(ended);
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
    fanOut: async ({ count }) => {
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
      await each(count, 100, (index) => wait.run(index));
      await allWait;
      await pause(1_000);
      const startedAt = now();
      await each(count, 100, (index) => ow.sendSignal({ signal: `go-${index}`, data: index }));
      await questions.until(ended, 20);
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    idle: ({ seconds }) => idleCpu(seconds),
  };
  return {
    workloads,
    close: async () => {
      await worker.stop();
      await backend.stop();
      await questions.close();
    },
  };
}

export default {
  version: installedVersion('openworkflow'),
  settings: `concurrency ${concurrency}, pool ${poolSize}; the ends of runs polled every 2 ms`,
  cannot: {},
  open,
};
