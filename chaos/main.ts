/** `npm run chaos`: see docs/reliability.md. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { faultsFor } from './nemesis.ts';
import { plantedBugs, runPlanted } from './planted.ts';
import { checkKept, runChaos, type ChaosResult } from './run-chaos.ts';

const usage = `npm run chaos -- [options]
  --minutes 3          how long faults are made
  --seed 1             what happens when and where; default: another one each time
  --orchestrations N   default: 70 for each minute, at least 40
  --full               L 30 s and P 1 s as in production; default: L 1 s, P 100 ms
  --keep <folder>      keeps journal, tables, logs and verdict
  --check <folder>     instead: checks once more what a run has kept
  --planted all        instead: builds with a bug each (or the one with this name), which the checker has to find`;

const root = fileURLToPath(new URL('..', import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    orchestrations: { type: 'string' },
    full: { type: 'boolean', default: false },
    keep: { type: 'string' },
    check: { type: 'string' },
    planted: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

// Nodes and clusters end with the process that started them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

if (values.help) {
  console.log(usage);
} else {
  process.exitCode = await chosen();
}

async function chosen(): Promise<number> {
  if (values.planted !== undefined) return planted(values.planted);
  return values.check === undefined ? main() : show(await checkKept(values.check));
}

async function main(): Promise<number> {
  const minutes = number('minutes', values.minutes);
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : number('seed', values.seed);
  const orchestrations =
    values.orchestrations === undefined
      ? Math.max(40, Math.round(70 * minutes))
      : number('orchestrations', values.orchestrations);
  build({ root, onlyIfStale: true });
  const command = [
    `npm run chaos -- --minutes ${minutes} --seed ${seed} --orchestrations ${orchestrations}`,
    ...(values.full ? ['--full'] : []),
  ].join(' ');
  console.log(command);
  const startedAt = Date.now();
  return show(
    await runChaos({
      seed,
      durationMs: minutes * 60_000,
      orchestrations,
      faults: faultsFor(minutes),
      fatal: Math.max(3, Math.round(minutes)),
      leaseMs: values.full ? 30_000 : 1_000,
      pollMs: values.full ? 1_000 : 100,
      root,
      command,
      ...(values.keep === undefined ? {} : { keep: values.keep }),
      log: (text) => console.log(`${((Date.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}`),
    }),
  );
}

function show({ table, violations }: ChaosResult): number {
  console.log(`\n${table}\n`);
  for (const { invariant, id, proof } of violations.slice(0, 100)) console.log(`${invariant} ${id}: ${proof}`);
  if (violations.length > 100) console.log(`… and ${violations.length - 100} more`);
  return violations.length === 0 ? 0 : 1;
}

async function planted(wanted: string): Promise<number> {
  const chosen = plantedBugs.filter(({ name }) => wanted === 'all' || wanted.split(',').includes(name));
  if (chosen.length === 0) {
    console.error(`--planted takes all, or some of ${plantedBugs.map(({ name }) => name).join(',')}`);
    return 2;
  }
  const seed = values.seed === undefined ? 1 : number('seed', values.seed);
  const missed: string[] = [];
  for (const bug of chosen) {
    const { name, isCaught, named } = await runPlanted(bug, { root, seed });
    const found = Object.entries(named).map(([invariant, count]) => `${invariant} ${count} times`);
    console.log(`${isCaught ? 'right' : 'WRONG'}  ${name}: ${found.join(', ') || 'nothing found'}`);
    if (!isCaught) missed.push(name);
  }
  return missed.length === 0 ? 0 : 1;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${name} is a number above 0, not '${text}'`);
  process.exit(2);
}
