/**
 * Records histories of this version into `test/replay-fixtures/<version>`: of the scenarios that no version has recorded
 * yet, or with `--all` of every scenario, as a release does. A file that is there is never written again.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recordScenario, scenarios } from '../test/replay-fixtures/scenarios.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const fixtures = join(root, 'test/replay-fixtures');
const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { version } = manifest as { readonly version: string };

const recorded = new Set(
  readdirSync(fixtures, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((file) => basename(file, '.json')),
);
const all = process.argv.includes('--all');
mkdirSync(join(fixtures, version), { recursive: true });
for (const scenario of scenarios) {
  const file = join(fixtures, version, `${scenario.name}.json`);
  if (existsSync(file) || (!all && recorded.has(scenario.name))) continue;
  writeFileSync(file, `${JSON.stringify(await recordScenario(scenario), null, 1)}\n`);
  process.stdout.write(`recorded ${version}/${scenario.name}\n`);
}
