/** What a run needs before it can begin. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const here = fileURLToPath(new URL('..', import.meta.url));
export const root = fileURLToPath(new URL('../..', import.meta.url));
export const output = `${here}.perdure/`;

/** Builds Perdure and installs the peers where that has not been done. */
export function prepare() {
  mkdirSync(`${output}profile`, { recursive: true });
  const run = (program, args, cwd) =>
    execFileSync(program, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  if (!process.env.BENCH_NO_BUILD) run(process.execPath, [`${root}scripts/build.mjs`], root);
  const installed = `${here}node_modules/.package-lock.json`;
  const isCurrent = existsSync(installed) && existsSync(`${here}node_modules/pg/package.json`) && sameVersions();
  if (isCurrent) return;
  console.log('installing the peers (once)');
  run('npm', ['ci', '--no-audit', '--no-fund'], here);
}

function sameVersions() {
  const { dependencies } = JSON.parse(readFileSync(`${here}package.json`, 'utf8'));
  return Object.entries(dependencies).every(([name, version]) => {
    const file = `${here}node_modules/${name}/package.json`;
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version;
  });
}

/** The Node that all systems run on: the one that came with the peers, some of which need 22. */
export function findNode() {
  const require = createRequire(import.meta.url);
  try {
    return require.resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    const [major, minor] = process.versions.node.split('.').map(Number);
    if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
    throw new Error(`npm brings no Node for ${process.platform}-${process.arch}: run this with Node 22.18 or newer.`);
  }
}
