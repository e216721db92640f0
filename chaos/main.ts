/** `npm run chaos`: see docs/reliability.md. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { faultsFor } from './nemesis.ts';
import { runChaos } from './run-chaos.ts';

const usage = `npm run chaos -- [options]
  --minutes 3          how long faults are made
  --seed 1             what happens when and where; default: another one each time
  --orchestrations N   default: 70 for each minute, at least 40
  --full               L 30 s and P 1 s as in production; default: L 1 s, P 100 ms
  --keep <folder>      keeps journal, tables, logs and verdict`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    orchestrations: { type: 'string' },
    full: { type: 'boolean', default: false },
    keep: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(usage);
} else {
  process.exitCode = await main();
}

async function main(): Promise<number> {
  const minutes = number('minutes', values.minutes);
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : number('seed', values.seed);
  const orchestrations =
    values.orchestrations === undefined
      ? Math.max(40, Math.round(70 * minutes))
      : number('orchestrations', values.orchestrations);
  const root = fileURLToPath(new URL('..', import.meta.url));
  build({ root, onlyIfStale: true });
  const command = [
    `npm run chaos -- --minutes ${minutes} --seed ${seed} --orchestrations ${orchestrations}`,
    ...(values.full ? ['--full'] : []),
  ].join(' ');
  console.log(command);
  const startedAt = Date.now();
  const { table, violations } = await runChaos({
    seed,
    durationMs: minutes * 60_000,
    orchestrations,
    faults: faultsFor(minutes),
    leaseMs: values.full ? 30_000 : 1_000,
    pollMs: values.full ? 1_000 : 100,
    root,
    command,
    ...(values.keep === undefined ? {} : { keep: values.keep }),
    log: (text) => console.log(`${((Date.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}`),
  });
  console.log(`\n${table}\n`);
  for (const { invariant, id, proof } of violations.slice(0, 100)) console.log(`${invariant} ${id}: ${proof}`);
  if (violations.length > 100) console.log(`… and ${violations.length - 100} more`);
  return violations.length === 0 ? 0 : 1;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${name} is a number above 0, not '${text}'`);
  process.exit(2);
}
