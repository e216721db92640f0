/** Perdure: the built package, worker, client and HTTP front in one process, as `npm start` runs them. */
import { readFileSync } from 'node:fs';
import { chainMetrics, Counter, each, idleCpu, latencies, now, openQuestions, pause } from '../lib/driver-tools.mjs';

const root = process.env.BENCH_PERDURE ?? new URL('../../', import.meta.url).href;
const { activity, createServer, createTaskHub, http, orchestration } = await import(`${root}dist/index.js`);
const { version } = JSON.parse(readFileSync(new URL(`${root}package.json`), 'utf8'));

const ended = new Counter();
const waiting = new Counter();
let ticks = [];

const sayHello = activity('SayHello', (city) => `Hello ${city}!`);
const noop = activity('Noop', () => null);
const tick = activity('Tick', () => {
  ticks.push(now());
  return null;
});
const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];

const hello = orchestration('Hello', async (ctx) => {
  const greetings = [];
  for (const city of cities) greetings.push(await ctx.callActivity(sayHello, city));
  ended.add();
  return greetings;
});
const fanOut = orchestration('FanOut', async (ctx, width) => {
  const results = await ctx.all(Array.from({ length: width }, (_, index) => ctx.callActivity(noop, index)));
  return results.length;
});
const chain = orchestration('Chain', async (ctx, steps) => {
  for (let step = 0; step < steps; step++) await ctx.callActivity(tick, step);
  waiting.add();
  await ctx.waitForExternalEvent('go');
  return steps;
});
const wait = orchestration('Wait', async (ctx) => {
  waiting.add();
  const value = await ctx.waitForExternalEvent('go');
  ended.add();
  return value;
});
const helloNow = http('HelloNow', { methods: ['POST'], route: 'hello-now' }, async (request, client) => {
  const id = await client.startNew('Hello');
  return client.waitForCompletionOrCreateCheckStatusResponse(request, id);
});

async function open({ databaseUrl }) {
  const questions = await openQuestions(databaseUrl);
  const begin = async () => {
    const hub = createTaskHub({ databaseUrl, functions: [sayHello, noop, tick, hello, fanOut, chain, wait] });
    await hub.start();
    return hub;
  };
  let hub = await begin();
  let server;
  /** Nothing runs any more: executions has a row exactly while an instance is live. */
  const allEnded = () => questions.until('select not exists (select from perdure.executions)');
  const complete = async (id, timeoutMs = 600_000) => {
    const instance = await hub.client.waitForCompletion(id, { timeoutMs });
    if (instance?.runtimeStatus !== 'Completed') throw new Error(`instance is ${instance?.runtimeStatus}`);
  };

  /** Throughput with `inFlight` instances at a time, or with all of them at once. */
  async function runHello({ count, warmUp = 0, inFlight = 1_000, shared = false }) {
    if (warmUp > 0) await runHello({ count: warmUp, inFlight });
    const before = ended.count;
    const startedAt = now();
    if (shared || inFlight >= count) {
      await Promise.all(Array.from({ length: count }, () => hub.client.startNew('Hello')));
    } else {
      await each(count, 100, async (index) => {
        await ended.reach(before + index - inFlight + 1);
        await hub.client.startNew('Hello');
      });
    }
    const stored = now() - startedAt;
    if (!shared) await ended.reach(before + count);
    await allEnded();
    const elapsed = now() - startedAt;
    return { perSecond: (count / elapsed) * 1_000, startsPerSecond: (count / stored) * 1_000 };
  }

  const workloads = {
    hello: runHello,
    latency: async ({ count, warmUp = 0 }) => {
      const times = [];
      for (let i = -warmUp; i < count; i++) {
        const startedAt = now();
        await complete(await hub.client.startNew('Hello'));
        if (i >= 0) times.push(now() - startedAt);
      }
      return latencies(times);
    },
    fanOut: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await complete(await hub.client.startNew('FanOut', { input: warmUp }));
      const startedAt = now();
      await complete(await hub.client.startNew('FanOut', { input: count }));
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    chain: async ({ count, warmUp = 0 }) => {
      const run = async (steps) => {
        ticks = [];
        const reached = waiting.after(1);
        const startedAt = now();
        const id = await hub.client.startNew('Chain', { input: steps });
        await reached;
        return { id, metrics: chainMetrics(ticks, startedAt) };
      };
      if (warmUp > 0) {
        const { id } = await run(warmUp);
        await hub.client.raiseEvent(id, 'go');
        await complete(id);
      }
      const { id, metrics } = await run(count);
      // A worker that has never seen this instance: everything comes from the history.
      await hub.stop();
      hub = await begin();
      const raisedAt = now();
      await hub.client.raiseEvent(id, 'go');
      await complete(id);
      return { ...metrics, coldReplayMs: now() - raisedAt };
    },
    events: async ({ count, warmUp = 0 }) => {
      const run = async (waiters) => {
        const allWait = waiting.after(waiters);
        const ids = await Promise.all(Array.from({ length: waiters }, () => hub.client.startNew('Wait')));
        await allWait;
        await pause(300);
        const counted = ended.after(waiters);
        const startedAt = now();
        await Promise.all(ids.map((id, index) => hub.client.raiseEvent(id, 'go', index)));
        await counted;
        await allEnded();
        return { perSecond: (waiters / (now() - startedAt)) * 1_000 };
      };
      if (warmUp > 0) await run(warmUp);
      return run(count);
    },
    idle: async ({ seconds }) => idleCpu(seconds),
    memory: async ({ count }) => {
      let peak = process.memoryUsage.rss();
      const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 50);
      const startedAt = now();
      for (let done = 0; done < count; done += 2_000) {
        const size = Math.min(2_000, count - done);
        const allWait = waiting.after(size);
        await Promise.all(Array.from({ length: size }, () => hub.client.startNew('Wait')));
        await allWait;
      }
      const elapsed = now() - startedAt;
      await pause(2_000);
      clearInterval(watch);
      return { peakMb: peak / 1_048_576, settledMb: process.memoryUsage.rss() / 1_048_576, seconds: elapsed / 1_000 };
    },
    /** Multiplies what one real orchestration stored, spread over the last 30 days. */
    seed: async ({ count }) => {
      await complete(await hub.client.startNew('Hello', { instanceId: 'template' }));
      await seed(questions, count);
      return {};
    },
    serve: async () => {
      server ??= await createServer(hub, { triggers: [helloNow] });
      if (!server.server.listening) await server.listen({ port: 0, host: '127.0.0.1' });
      return { url: `http://127.0.0.1:${server.server.address().port}` };
    },
    allEnded: async () => {
      await allEnded();
      return {};
    },
    cpu: async () => ({ cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1_000 }),
  };
  return {
    workloads,
    close: async () => {
      await server?.close();
      await hub.stop();
      await questions.close();
    },
  };
}

/** Copies of the template's rows under new keys and ids; the columns are read from the catalog. */
async function seed(questions, count) {
  const columnsOf = async (table) =>
    (
      await questions.rows(
        `select column_name as name from information_schema.columns
         where table_schema = 'perdure' and table_name = $1 and is_generated = 'NEVER' order by ordinal_position`,
        [table],
      )
    ).map(({ name }) => name);
  const own = { instance_id: `'stored-' || n`, key: undefined };
  const when = `now() - interval '30 days' * n / ${count}`;
  for (const name of ['created_at', 'last_updated_at', 'completed_at']) own[name] = when;
  const instance = (await columnsOf('instances')).filter((name) => name !== 'key');
  const history = (await columnsOf('history')).filter((name) => name !== 'instance_key');
  const step = 50_000;
  for (let from = 1; from <= count; from += step) {
    const to = Math.min(count, from + step - 1);
    await questions.rows(
      `with template as (select * from perdure.instances where instance_id = 'template'),
       copied as (
         insert into perdure.instances (${instance.join(', ')})
         select ${instance.map((name) => own[name] ?? `template.${name}`).join(', ')}
         from template, generate_series(${from}, ${to}) as n
         returning key
       )
       insert into perdure.history (instance_key, ${history.join(', ')})
       select copied.key, ${history.map((name) => `h.${name}`).join(', ')}
       from copied, template join perdure.history h on h.instance_key = template.key`,
    );
  }
  await questions.rows('vacuum analyze');
}

export default {
  version,
  settings:
    'defaults: 500 activity slots, 1,000 turns, 5,000 live instances, 17 connections; W1 with 1,000 instances in flight',
  open,
};
