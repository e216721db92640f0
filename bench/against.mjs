/** `npm run bench:against -- <commit>`: the working tree against an older commit, in pairs. See README.md in this folder. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findNode, here, output, prepare, root } from './lib/prepare.mjs';

const usage = `npm run bench:against -- <commit> [options]
  --only W1,W2   workloads (default: W1,W1http,W2)
  --pairs 7      how often the two take turns (default: 7)
  --quick        small sizes`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: 'W1,W1http,W2' },
    pairs: { type: 'string', default: '7' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [commit] = positionals;
if (options.help || commit === undefined) {
  console.log(usage);
  process.exit(options.help ? 0 : 2);
}
const pairs = Number(options.pairs);
if (!Number.isInteger(pairs) || pairs < 1)
  throw new Error(`--pairs must be a whole number above 0, not ${options.pairs}`);

prepare();
const { openPostgres } = await import('./lib/postgres.mjs');
const { SystemProcess } = await import('./lib/system-process.mjs');
const { median, medianInterval } = await import('./lib/stats.mjs');
const { workloads } = await import('./lib/workloads.mjs');

const chosen = options.only.split(',').map((id) => {
  const found = workloads.find((one) => one.id.toLowerCase() === id.trim().toLowerCase());
  if (!found) throw new Error(`no workload ${id}; there are ${workloads.map((one) => one.id).join(', ')}`);
  return found;
});
const node = findNode();
const log = `${output}systems.log`;
writeFileSync(log, '');
const old = checkOut(commit);
const postgres = await openPostgres({ dataDir: `${output}data`, log: (line) => console.log(line) });
const ratios = Object.fromEntries(chosen.map(({ id }) => [id, []]));
try {
  for (let pair = 1; pair <= pairs; pair++) {
    for (const workload of chosen) {
      // Who is first changes from pair to pair: what the first one leaves behind hits both alike.
      const order = pair % 2 === 1 ? ['old', 'new'] : ['new', 'old'];
      const found = {};
      for (const which of order) found[which] = await measure(workload, which === 'old' ? old : root);
      // Above 1 the working tree is the better one, whether more or less is better.
      const ratio = workload.lower ? found.old / found.new : found.new / found.old;
      ratios[workload.id].push(ratio);
      const [before, after] = [found.old, found.new].map((value) => value.toPrecision(4));
      console.log(`pair ${pair}/${pairs} ${workload.id.padEnd(7)} ${before} -> ${after}, ratio ${ratio.toFixed(3)}`);
    }
  }
} finally {
  await postgres.close();
}

console.log(
  `\n| workload | pairs | median ratio to ${commit} | 95 % interval | has not dropped |\n| --- | ---: | ---: | --- | --- |`,
);
let dropped = false;
for (const { id } of chosen) {
  const middle = median(ratios[id]);
  const [low, high] = medianInterval(ratios[id]);
  const holds = middle >= 0.95 || (low <= 0.95 && high >= 0.95);
  dropped ||= !holds;
  console.log(
    `| ${id} | ${pairs} | ${middle.toFixed(3)} | ${low.toFixed(3)} - ${high.toFixed(3)} | ${holds ? 'yes' : '**no**'} |`,
  );
}
process.exit(dropped ? 1 : 0);

async function measure(workload, from) {
  const running = [];
  const bench = {
    postgres,
    start: async (name) => {
      const database = await postgres.createDatabase();
      const driver = await SystemProcess.start({
        name,
        node,
        log,
        timeoutMs: 240_000,
        env: { BENCH_PERDURE: `file://${from}` },
      });
      running.push({ driver, database });
      await driver.open({ databaseUrl: database.url });
      return { driver, database };
    },
  };
  try {
    const metrics = await workload.measure(bench, 'perdure', workload.sizes('perdure', options.quick));
    return metrics[workload.headline];
  } finally {
    for (const { driver, database } of running) {
      await driver.stop();
      await postgres.dropDatabase(database);
    }
  }
}

/** The old commit, built; it uses the packages that are installed. */
function checkOut(name) {
  const sha = execFileSync('git', ['rev-parse', '--short', name], { cwd: root, encoding: 'utf8' }).trim();
  const folder = `${output}against-${sha}/`;
  if (!existsSync(`${folder}dist/main.js`)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const archive = execFileSync('git', ['archive', sha], { cwd: root, maxBuffer: 2 ** 30 });
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
    symlinkSync(`${root}node_modules`, `${folder}node_modules`, 'dir');
    execFileSync(process.execPath, [`${folder}scripts/build.mjs`], { cwd: folder, stdio: 'inherit' });
  }
  return folder;
}
