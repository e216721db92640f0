/** What is measured: for each workload its systems, sizes and how one repetition runs. */
import { HttpLoad } from './http-load.mjs';
import { latencies, percentile } from './stats.mjs';

const engines = ['dbos', 'openworkflow', 'absurd'];
const workflowSystems = ['perdure', ...engines, 'restate'];
const queues = ['graphile-worker', 'pg-boss'];
export const systems = ['raw', ...workflowSystems, ...queues];

const noHistory = 'a queue: keeps no history, so an instance cannot wait for an event';
const noJoin = 'jobs only, no join';
const alone = 'compared with itself only';
const startPath = '/runtime/webhooks/durabletask/orchestrators/Hello';
const listPath = '/runtime/webhooks/durabletask/instances';

/** Sizes by system: `{ quick, full }`, from the first entry that names the system. */
function sizes(table) {
  return (system, quick) => {
    const row = table.find(([names]) => names === 'all' || names.includes(system));
    return row[quick ? 1 : 2];
  };
}

const helloSizes = sizes([
  [['raw'], { count: 10_000, warmUp: 2_000 }, { count: 60_000, warmUp: 5_000 }],
  [['perdure'], { count: 4_000, warmUp: 2_000 }, { count: 30_000, warmUp: 5_000 }],
  [['pg-boss'], { count: 2_000, warmUp: 500 }, { count: 10_000, warmUp: 1_000 }],
  [['restate'], { count: 400, warmUp: 200 }, { count: 4_000, warmUp: 500 }],
  ['all', { count: 150, warmUp: 30 }, { count: 1_500, warmUp: 200 }],
]);
const latencySizes = sizes([
  [['openworkflow'], { count: 12, warmUp: 2 }, { count: 100, warmUp: 10 }],
  [['perdure'], { count: 150, warmUp: 50 }, { count: 1_000, warmUp: 200 }],
  ['all', { count: 30, warmUp: 5 }, { count: 300, warmUp: 50 }],
]);

export const workloads = [
  {
    id: 'W1',
    title: 'Hello sequence of five activities, one worker process, throughput',
    systems,
    sizes: helloSizes,
    columns: [
      ['perSecond', 'orchestrations/s', 0],
      ['cpuPerItem', 'CPU µs each (its process)', 0],
      ['walPerItem', 'WAL bytes each', 0],
    ],
    headline: 'perSecond',
    measure: async (bench, system, { count, warmUp }) => {
      const { driver, database } = await bench.start(system);
      await driver.run('hello', { count: warmUp });
      const before = await bench.postgres.activity(database);
      const result = await driver.run('hello', { count });
      const after = await bench.postgres.activity(database);
      const cpuPerItem = (result.driverCpu / result.perSecond) * 1e6;
      return {
        ...result,
        ...(system === 'restate' ? {} : { cpuPerItem, walPerItem: (after.wal - before.wal) / count }),
      };
    },
  },
  {
    id: 'W1burst',
    title: 'W1 with all of them started at once, more than the worker takes at a time',
    systems: ['perdure'],
    sizes: sizes([[['perdure'], { count: 5_000, warmUp: 1_000 }, { count: 30_000, warmUp: 5_000 }]]),
    columns: [
      ['perSecond', 'orchestrations/s', 0],
      ['startsPerSecond', 'starts/s', 0],
    ],
    headline: 'perSecond',
    measure: async (bench, system, { count, warmUp }) => {
      const { driver } = await bench.start(system);
      return driver.run('hello', { count, warmUp, inFlight: Number.MAX_SAFE_INTEGER });
    },
  },
  {
    id: 'W1http',
    title: 'W1 through HTTP: POSTs on 50 connections; the end is seen by the status list (nothing runs any more)',
    systems: ['perdure'],
    sizes: helloSizes,
    columns: [
      ['perSecond', 'orchestrations/s', 0],
      ['startsPerSecond', 'POSTs/s', 0],
    ],
    headline: 'perSecond',
    measure: async (bench, system, { count, warmUp }) => {
      const { driver } = await bench.start(system);
      const { url } = await driver.run('serve');
      const load = await new HttpLoad(url).open(50);
      const check = ({ status, body }) => {
        if (status !== 202) throw new Error(`POST answered ${status}: ${body}`);
      };
      const run = async (total) => {
        const startedAt = performance.now();
        await load.run((index) => (index < total ? { method: 'POST', path: startPath, check } : undefined));
        const posted = performance.now();
        const live = `${listPath}?runtimeStatus=Pending&runtimeStatus=Running&top=1`;
        while ((await load.request('GET', live)).body !== '[]') await pause(10);
        const elapsed = performance.now() - startedAt;
        return { perSecond: (total / elapsed) * 1_000, startsPerSecond: (total / (posted - startedAt)) * 1_000 };
      };
      await run(warmUp);
      const result = await run(count);
      load.close();
      return result;
    },
  },
  {
    id: 'W2',
    title: 'Start to result, one at a time: Perdure over HTTP (start and wait), peers by their best way',
    systems: systems.filter((system) => system !== 'raw'),
    sizes: latencySizes,
    columns: [
      ['p50', 'p50 ms', 2],
      ['p95', 'p95 ms', 2],
      ['p99', 'p99 ms', 2],
      ['inProcessP50', 'in process p50 ms', 2],
    ],
    headline: 'p50',
    lower: true,
    measure: async (bench, system, sizes) => {
      const { driver } = await bench.start(system);
      if (system !== 'perdure') return driver.run('latency', sizes);
      const { url } = await driver.run('serve');
      const result = await overHttp(url, sizes);
      const inProcess = await driver.run('latency', sizes);
      return { ...result, inProcessP50: inProcess.p50, inProcessP99: inProcess.p99 };
    },
  },
  {
    id: 'W3',
    title: 'Fan-out, then join: activities a second at two widths',
    systems: systems.filter((system) => system !== 'raw'),
    sizes: sizes([
      [['perdure', ...queues], { counts: [1_000, 10_000], warmUp: 1_000 }, { counts: [1_000, 10_000], warmUp: 2_000 }],
      [['openworkflow'], { counts: [200], warmUp: 0 }, { counts: [900], warmUp: 0 }],
      [['restate'], { counts: [200], warmUp: 20 }, { counts: [1_000], warmUp: 50 }],
      ['all', { counts: [200], warmUp: 20 }, { counts: [1_000, 10_000], warmUp: 100 }],
    ]),
    columns: [
      ['small', 'of 1,000: activities/s', 0],
      ['large', 'of 10,000: activities/s', 0],
      ['costRatio', 'cost large / small', 2],
    ],
    headline: 'best',
    notes: {
      'graphile-worker': noJoin,
      'pg-boss': noJoin,
      openworkflow: 'a run may have 1,000 steps at most',
      restate: 'of 1,000 only: the wider one takes minutes',
    },
    measure: async (bench, system, { counts, warmUp }) => {
      const { driver } = await bench.start(system);
      const speeds = [];
      for (const count of counts) {
        // A small one is over in a moment: several, and their median.
        const times = count <= 1_000 && system === 'perdure' ? 7 : 1;
        const runs = [];
        for (let i = 0; i < times; i++) {
          runs.push((await driver.run('fanOut', { count, warmUp: i === 0 ? warmUp : 0 })).perSecond);
        }
        speeds.push(percentile(runs, 50));
      }
      const [small, large] = speeds;
      return { small, best: Math.max(...speeds), ...(large ? { large, costRatio: small / large } : {}) };
    },
  },
  {
    id: 'W4',
    title: 'A chain of activities in one instance, each awaited',
    systems: systems.filter((system) => system !== 'raw'),
    sizes: sizes([
      [['perdure'], { counts: [500, 2_000], warmUp: 200 }, { counts: [1_000, 10_000], warmUp: 500 }],
      [['openworkflow', ...queues], { counts: [250], warmUp: 30 }, { counts: [900], warmUp: 100 }],
      ['all', { counts: [250], warmUp: 30 }, { counts: [1_000, 10_000], warmUp: 100 }],
    ]),
    columns: [
      ['msPerStep', 'ms a step (1,000)', 2],
      ['longMsPerStep', 'ms a step (10,000)', 2],
      ['lastToFirst', 'last 200 / first 200', 2],
      ['coldReplayMs', 'cold replay of the long one, ms', 0],
    ],
    headline: 'msPerStep',
    lower: true,
    notes: { openworkflow: 'a run may have 1,000 steps at most' },
    measure: async (bench, system, { counts, warmUp }) => {
      const { driver } = await bench.start(system);
      const short = await driver.run('chain', { count: counts[0], warmUp });
      if (counts.length === 1) return { msPerStep: short.msPerStep, lastToFirst: short.lastToFirst };
      const long = await driver.run('chain', { count: counts[1] });
      return {
        msPerStep: short.msPerStep,
        longMsPerStep: long.msPerStep,
        lastToFirst: long.lastToFirst,
        ...(long.coldReplayMs === undefined ? {} : { coldReplayMs: long.coldReplayMs }),
      };
    },
  },
  {
    id: 'W5',
    title: 'Instances that wait, one event each, from the first event to the last completion',
    systems: workflowSystems,
    cannot: { 'graphile-worker': noHistory, 'pg-boss': noHistory },
    sizes: sizes([
      [['perdure'], { count: 2_000, warmUp: 500 }, { count: 2_000, warmUp: 2_000 }],
      ['all', { count: 100 }, { count: 2_000 }],
    ]),
    columns: [['perSecond', 'events/s', 0]],
    headline: 'perSecond',
    measure: async (bench, system, parameters) => {
      const { driver } = await bench.start(system);
      return driver.run('events', parameters);
    },
  },
  {
    id: 'W6',
    title: 'Idle, with completed instances stored',
    systems: systems.filter((system) => system !== 'raw'),
    sizes: sizes([
      [['perdure', 'pg-boss'], { count: 1_000, seconds: 2 }, { count: 10_000, seconds: 15 }],
      ['all', { count: 20, seconds: 2 }, { count: 1_000, seconds: 15 }],
    ]),
    columns: [
      ['statementsPerSecond', 'statements/s', 1],
      ['cpuPercent', 'CPU % of its process', 2],
    ],
    headline: 'cpuPercent',
    lower: true,
    measure: async (bench, system, { count, seconds }) => {
      const { driver, database } = await bench.start(system);
      await driver.run('hello', { count });
      await pause(1_000);
      const tracked = system !== 'restate' && (await bench.postgres.trackStatements(true));
      const before = await bench.postgres.activity(database);
      const { cpuPercent } = await driver.run('idle', { seconds });
      const after = await bench.postgres.activity(database);
      let statements = after.transactions - before.transactions;
      if (tracked) {
        statements = (await bench.postgres.statements(database)).reduce((sum, { calls }) => sum + calls, 0);
        await bench.postgres.trackStatements(false);
      }
      return { cpuPercent, ...(system === 'restate' ? {} : { statementsPerSecond: statements / seconds }) };
    },
  },
  {
    id: 'W7',
    title: 'W1 and W2 with many completed instances stored, against the empty store',
    systems: ['perdure'],
    why: alone,
    sizes: sizes([
      [
        ['perdure'],
        { count: 3_000, warmUp: 1_000, stored: 50_000, latency: 100 },
        { count: 20_000, warmUp: 3_000, stored: 1_000_000, latency: 500 },
      ],
    ]),
    columns: [
      ['emptyPerSecond', 'empty: orchestrations/s', 0],
      ['storedPerSecond', 'stored: orchestrations/s', 0],
      ['throughputRatio', 'ratio', 2],
      ['emptyP50', 'empty: p50 ms', 2],
      ['storedP50', 'stored: p50 ms', 2],
      ['latencyRatio', 'speed ratio', 2],
    ],
    headline: 'throughputRatio',
    measure: async (bench, system, { count, warmUp, stored, latency }) => {
      const template = await bench.seeded(stored);
      const measure = async (from) => {
        const started = await bench.start(system, { template: from });
        const { perSecond } = await started.driver.run('hello', { count, warmUp });
        const { url } = await started.driver.run('serve');
        const { p50 } = await overHttp(url, { count: latency, warmUp: 50 });
        await started.stop();
        return { perSecond, p50 };
      };
      const empty = await measure(undefined);
      const full = await measure(template);
      return {
        emptyPerSecond: empty.perSecond,
        storedPerSecond: full.perSecond,
        throughputRatio: full.perSecond / empty.perSecond,
        emptyP50: empty.p50,
        storedP50: full.p50,
        latencyRatio: empty.p50 / full.p50,
      };
    },
  },
  {
    id: 'W8',
    title: 'One, two and four worker processes on one Postgres, each starts its share',
    systems: ['perdure'],
    why: alone,
    sizes: sizes([
      [
        ['perdure'],
        { count: 3_000, warmUp: 1_000, processes: [1, 2, 4] },
        { count: 20_000, warmUp: 3_000, processes: [1, 2, 4] },
      ],
    ]),
    columns: [
      ['processes1', '1 process: orchestrations/s', 0],
      ['processes2', '2 processes', 0],
      ['processes4', '4 processes', 0],
      ['deadlocks', 'deadlocks', 0],
      ['rollbacks', 'failed transactions', 0],
      ['lockWaits', 'lock waits seen', 0],
      ['extensions', 'waits to lengthen a file seen', 0],
    ],
    headline: 'processes2',
    measure: async (bench, system, { count, warmUp, processes }) => {
      const result = { deadlocks: 0, rollbacks: 0, lockWaits: 0, extensions: 0 };
      for (const number of processes) {
        const first = await bench.start(system);
        const all = [first];
        while (all.length < number) all.push(await bench.start(system, { database: first.database }));
        await Promise.all(
          all.map(({ driver }) => driver.run('hello', { count: Math.ceil(warmUp / number), shared: true })),
        );
        const before = await bench.postgres.activity(first.database);
        const watch = setInterval(() => {
          void bench.postgres.lockWaits(first.database).then(({ locks, extensions }) => {
            result.lockWaits += locks;
            result.extensions += extensions;
          });
        }, 20);
        const startedAt = performance.now();
        const share = Math.ceil(count / number);
        await Promise.all(all.map(({ driver }) => driver.run('hello', { count: share, shared: true })));
        const elapsed = performance.now() - startedAt;
        clearInterval(watch);
        await pause(1_100); // statistics of the backends arrive once a second
        const after = await bench.postgres.activity(first.database);
        result[`processes${number}`] = ((share * number) / elapsed) * 1_000;
        result.deadlocks += after.deadlocks - before.deadlocks;
        result.rollbacks += after.rollbacks - before.rollbacks;
        for (const one of all.reverse()) await one.stop();
      }
      return result;
    },
  },
  {
    id: 'W9',
    title: 'Status by id, and a filtered list (status and time range, pages of 100), with many stored, over HTTP',
    systems: ['perdure'],
    why: alone,
    sizes: sizes([
      [['perdure'], { stored: 50_000, reads: 5_000, pages: 100 }, { stored: 1_000_000, reads: 30_000, pages: 1_000 }],
    ]),
    columns: [
      ['perSecond', 'by id/s (50 connections)', 0],
      ['listP50', 'page p50 ms', 1],
      ['listP95', 'page p95 ms', 1],
      ['listMax', 'slowest page ms', 1],
      ['pages', 'pages', 0],
    ],
    headline: 'perSecond',
    measure: async (bench, system, { stored, reads, pages }) => {
      const { driver } = await bench.start(system, { template: await bench.seeded(stored) });
      const { url } = await driver.run('serve');
      const load = await new HttpLoad(url).open(50);
      const byId = async (total) => {
        const startedAt = performance.now();
        await load.run((index) =>
          index < total
            ? {
                method: 'GET',
                path: `${listPath}/stored-${1 + Math.floor(Math.random() * stored)}`,
                check: ({ status, body }) => {
                  if (status !== 200) throw new Error(`GET answered ${status}: ${body}`);
                },
              }
            : undefined,
        );
        return (total / (performance.now() - startedAt)) * 1_000;
      };
      await byId(Math.ceil(reads / 5));
      const perSecond = await byId(reads);
      const day = 86_400_000;
      const from = new Date(Date.now() - 20 * day).toISOString();
      const to = new Date(Date.now() - 10 * day).toISOString();
      const path = `${listPath}?runtimeStatus=Completed&createdTimeFrom=${from}&createdTimeTo=${to}&top=100`;
      const times = [];
      let token = '';
      do {
        const startedAt = performance.now();
        const answer = await load.request('GET', path, {
          headers: token ? `x-ms-continuation-token: ${token}\r\n` : '',
        });
        times.push(performance.now() - startedAt);
        if (answer.status !== 200) throw new Error(`the list answered ${answer.status}: ${answer.body}`);
        token = answer.header('x-ms-continuation-token')?.trim() ?? '';
      } while (token !== '' && times.length < pages);
      load.close();
      const { p50, p95 } = latencies(times);
      return { perSecond, listP50: p50, listP95: p95, listMax: Math.max(...times), pages: times.length };
    },
  },
  {
    id: 'bloat',
    title: 'Tables, indexes and dead rows while many orchestrations run to completion, autovacuum as it is',
    systems: ['perdure'],
    why: alone,
    once: true,
    sizes: sizes([[['perdure'], { count: 20_000, steps: 4 }, { count: 1_000_000, steps: 10 }]]),
    columns: [
      ['firstPerSecond', 'first tenth: orchestrations/s', 0],
      ['lastPerSecond', 'last tenth: orchestrations/s', 0],
      ['keptMb', 'instances and history, MB', 0],
      ['indexMb', 'their indexes, MB', 0],
      ['hotMb', 'executions, inbox, queue: largest MB', 1],
      ['deadRows', 'dead rows: most seen', 0],
      ['hotUpdates', 'HOT updates of executions, %', 1],
    ],
    headline: 'lastPerSecond',
    measure: async (bench, system, { count, steps }) => {
      const { driver, database } = await bench.start(system);
      const series = [];
      for (let step = 1; step <= steps; step++) {
        const { perSecond } = await driver.run('hello', { count: count / steps });
        series.push({ orchestrations: (count / steps) * step, perSecond, ...(await bench.postgres.sizes(database)) });
      }
      const last = series.at(-1);
      return {
        firstPerSecond: series[0].perSecond,
        lastPerSecond: last.perSecond,
        keptMb: last.keptMb,
        indexMb: last.indexMb,
        hotMb: Math.max(...series.map(({ hotMb }) => hotMb)),
        deadRows: Math.max(...series.map(({ deadRows }) => deadRows)),
        hotUpdates: last.hotUpdates,
        series,
      };
    },
  },
  {
    id: 'memory',
    title: 'Many waiting instances: resident memory of the worker process',
    systems: ['perdure'],
    why: alone,
    sizes: sizes([[['perdure'], { count: 10_000 }, { count: 100_000 }]]),
    columns: [
      ['count', 'instances', 0],
      ['peakMb', 'peak MiB', 0],
      ['settledMb', 'settled MiB', 0],
      ['seconds', 'to begin them all, s', 1],
    ],
    headline: 'peakMb',
    lower: true,
    measure: async (bench, system, { count }) => {
      const { driver } = await bench.start(system);
      return { ...(await driver.run('memory', { count })), count };
    },
  },
];

async function overHttp(url, { count, warmUp }) {
  const load = await new HttpLoad(url).open(1);
  const times = [];
  for (let i = -warmUp; i < count; i++) {
    const startedAt = performance.now();
    const { status, body } = await load.request('POST', '/api/hello-now', { body: {} });
    if (status !== 200) throw new Error(`start and wait answered ${status}: ${body}`);
    if (i >= 0) times.push(performance.now() - startedAt);
  }
  load.close();
  return latencies(times);
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
