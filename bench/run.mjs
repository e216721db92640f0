/** `npm run bench`: see README.md in this folder. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { findNode, here, output, prepare, root } from './lib/prepare.mjs';

const usage = `npm run bench -- [options]
  --only W1,W3           workloads (default: all)
  --systems perdure,dbos systems (default: all)
  --quick                small sizes, one repetition, under two minutes
  --repetitions 3        how often each cell runs (default: 3, quick: 1)
  --save                 write RESULTS.md and RESULTS.json instead of .perdure/results.*
  --profile              CPU profiles of the processes and statement statistics in .perdure/profile/
  --list                 show workloads and systems`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    systems: { type: 'string' },
    quick: { type: 'boolean', default: false },
    repetitions: { type: 'string' },
    save: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}

prepare();
const { openPostgres } = await import('./lib/postgres.mjs');
const { nodeFlags, SystemProcess } = await import('./lib/system-process.mjs');
const { medians } = await import('./lib/stats.mjs');
const { toMarkdown } = await import('./lib/report.mjs');
const { workloads, systems } = await import('./lib/workloads.mjs');

if (options.list) {
  for (const { id, title } of workloads) console.log(`${id.padEnd(8)} ${title}`);
  console.log(`systems  ${systems.join(', ')}`);
  process.exit(0);
}
const chosenWorkloads = choose(
  options.only,
  workloads.map(({ id }) => id),
  'workload',
);
const chosenSystems = choose(options.systems, systems, 'system');
const repetitions = Number(options.repetitions ?? (options.quick ? 1 : 3));
const timeoutMs = options.quick ? 30_000 : 240_000;
const node = findNode();
const log = `${output}systems.log`;
writeFileSync(log, '');

const loads = loadavg().slice(0, 1);
const postgres = await openPostgres({ dataDir: `${output}data`, log: say });
const running = new Set();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (interrupted) process.exit(1);
    interrupted = true;
    say('stopping…');
    void Promise.all([...running].map((one) => one.stop())).then(() => finish(1));
  });
}

const versions = {};
/** What a workload may use; everything that it started is stopped after its cell. */
const bench = {
  postgres,
  start: async (system, { template, database: given } = {}) => {
    const database = given ?? (await postgres.createDatabase(template));
    const profileDir = options.profile ? `${output}profile/` : undefined;
    const driver = await SystemProcess.start({ name: system, node, log, profileDir, timeoutMs });
    let stopped;
    const one = {
      driver,
      database,
      stop: () =>
        (stopped ??= (async () => {
          await driver.stop();
          running.delete(one);
          if (!given) await postgres.dropDatabase(database);
        })()),
    };
    running.add(one);
    versions[system] = await driver.open({ databaseUrl: database.url });
    return one;
  },
  seeded: async (count) => {
    if (!seeds.has(count)) {
      say(`      storing ${count.toLocaleString('en-US')} completed instances`);
      const database = await postgres.createDatabase();
      const driver = await SystemProcess.start({ name: 'perdure', node, log, timeoutMs: 1_200_000 });
      await driver.open({ databaseUrl: database.url });
      await driver.run('seed', { count });
      await driver.stop();
      seeds.set(count, database);
    }
    return seeds.get(count).name;
  },
};
const seeds = new Map();

const startedAt = performance.now();
const results = {};
let failed = false;
for (const workload of workloads.filter(({ id }) => chosenWorkloads.includes(id))) {
  const cells = (results[workload.id] = {});
  const names = workload.systems.filter((system) => chosenSystems.includes(system));
  const runs = Object.fromEntries(names.map((system) => [system, []]));
  const times = workload.once ? 1 : repetitions;
  for (let repetition = 1; repetition <= times && !interrupted; repetition++) {
    // Systems take turns, so that whatever the machine does in the meantime hits them alike.
    for (const system of names) {
      if (interrupted || cells[system]?.error) continue;
      const size = workload.sizes(system, options.quick);
      cells[system] ??= { size: describeSize(size) };
      try {
        if (options.profile && !(await postgres.trackStatements(true))) say('no statement statistics here');
        const metrics = await workload.measure(bench, system, size);
        if (options.profile) await dumpStatements(workload.id, system);
        runs[system].push(metrics);
        const [headline] = workload.columns.find(([name]) => name === workload.headline) ?? workload.columns[0];
        say(
          `${clock()} ${workload.id.padEnd(7)} ${repetition}/${times} ${system.padEnd(16)} ${describe(workload, metrics, headline)}`,
        );
      } catch (error) {
        if (interrupted) break;
        cells[system].error = error.message;
        failed ||= system === 'perdure';
        say(`${clock()} ${workload.id.padEnd(7)} ${repetition}/${times} ${system.padEnd(16)} failed: ${error.message}`);
      } finally {
        for (const one of [...running].reverse()) await one.stop();
      }
    }
  }
  for (const system of names)
    Object.assign(cells[system] ?? {}, { metrics: medians(runs[system]), runs: runs[system] });
  for (const [system, cannot] of Object.entries(workload.cannot ?? {})) {
    if (chosenSystems.includes(system)) cells[system] = { cannot, metrics: {} };
  }
}

if (!interrupted) {
  const environment = await describeEnvironment();
  const markdown = toMarkdown({ environment, results, versions });
  const target = options.save ? `${here}RESULTS` : `${output}results`;
  writeFileSync(`${target}.md`, markdown);
  writeFileSync(`${target}.json`, `${JSON.stringify({ environment, versions, results }, null, 2)}\n`);
  say(`\n${markdown}\nwritten to ${target}.md and .json after ${clock().trim()}`);
  await finish(failed ? 1 : 0);
}

async function finish(code) {
  for (const database of seeds.values()) await postgres.dropDatabase(database).catch(() => undefined);
  await postgres.close().catch(() => undefined);
  process.exit(code);
}

function choose(text, all, what) {
  if (text === undefined) return all;
  return text.split(',').map((name) => {
    const found = all.find((one) => one.toLowerCase() === name.trim().toLowerCase());
    if (!found) {
      console.error(`no ${what} ${name}; there are ${all.join(', ')}`);
      process.exit(2);
    }
    return found;
  });
}

function describe(workload, metrics, headline) {
  const shown = [headline, ...workload.columns.map(([name]) => name).filter((name) => name !== headline)];
  return shown
    .filter((name) => metrics[name] !== undefined)
    .map((name) => `${name} ${metrics[name].toLocaleString('en-US', { maximumFractionDigits: 2 })}`)
    .join(', ');
}

function describeSize(size) {
  const { count, counts, stored, seconds } = size;
  const number = (value) => value.toLocaleString('en-US');
  return [
    ...(counts ?? (count === undefined ? [] : [count])).map(number),
    ...(stored === undefined ? [] : [`${number(stored)} stored`]),
    ...(seconds === undefined ? [] : [`${seconds} s`]),
  ].join(', ');
}

async function describeEnvironment() {
  const isWhole = options.only === undefined && options.systems === undefined;
  return {
    note: [
      options.quick
        ? 'A quick run: small sizes, one repetition. It shows that everything works and roughly where it stands; the full run is what counts.'
        : `A ${isWhole ? 'full' : 'partial'} run.`,
      ...(Math.max(...loads) > 0.75 * cpus().length
        ? ['**The machine was busy with other work meanwhile**: every figure is too low, and ratios are rough.']
        : []),
    ].join(' '),
    date: new Date().toISOString(),
    commit: text('git', ['rev-parse', '--short', 'HEAD']),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    repetitions,
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: text(node, ['--version']),
    nodeFlags: nodeFlags.join(' '),
    load: loads[0].toFixed(2),
    postgres: await postgres.describe(),
  };
}

async function dumpStatements(id, system) {
  const rows = [];
  for (const one of running) rows.push(...(await postgres.statements(one.database, 25)));
  const lines = rows.map(
    ({ calls, ms, rows: count, wal, query }) =>
      `${ms.toFixed(1).padStart(10)} ms ${String(calls).padStart(8)} calls ${(ms / calls).toFixed(3).padStart(9)} ms each ${String(count).padStart(9)} rows ${String(Math.round(wal / 1024)).padStart(9)} kB WAL  ${query.replace(/\s+/g, ' ').slice(0, 160)}`,
  );
  writeFileSync(`${output}profile/${id}-${system}.statements.txt`, `${lines.join('\n')}\n`);
}

function text(program, args) {
  try {
    return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

function clock() {
  return `${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s`;
}

function say(line) {
  console.log(line);
}
