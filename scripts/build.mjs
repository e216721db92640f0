/**
 * Compiles src to dist. `--if-stale` does so only when something has changed since the last build, so that `npm start`
 * of an unchanged clone costs a few milliseconds.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = fileURLToPath(new URL('..', import.meta.url));

/**
 * @param {{ root?: string, onlyIfStale?: boolean, quiet?: boolean }} [options] `quiet` hides the compiler's messages
 * @returns {boolean} whether it compiled
 */
export function build({ root = projectRoot, onlyIfStale = false, quiet = false } = {}) {
  const dist = join(root, 'dist');
  const stampFile = join(dist, '.built.json');
  const sources = listSources(root);
  const last = readStamp(stampFile);
  if (onlyIfStale && last?.fingerprint === sources.fingerprint && existsSync(join(dist, 'main.js'))) return false;
  // A file that was removed from src must not live on in dist; otherwise the incremental state there saves time.
  if (last?.names !== sources.names) rmSync(dist, { recursive: true, force: true });
  rmSync(stampFile, { force: true });
  compile(root, quiet);
  mkdirSync(dist, { recursive: true });
  if (existsSync(join(dist, 'main.js'))) chmodSync(join(dist, 'main.js'), 0o755);
  writeFileSync(stampFile, JSON.stringify(sources));
  return true;
}

/** Names and states of everything that the result depends on. */
function listSources(root) {
  const names = ['package.json', 'tsconfig.json', 'tsconfig.build.json'];
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) names.push(join(entry.parentPath, entry.name).slice(root.length));
  }
  names.sort();
  const states = names.map((name) => {
    const { size, mtimeMs } = statSync(join(root, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  return { names: hash(names), fingerprint: hash(states) };
}

function hash(lines) {
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // never built, or not to the end
  }
}

function compile(root, quiet) {
  const tsc = findCompiler();
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
    cwd: root,
    stdio: quiet ? 'ignore' : 'inherit',
  });
  if (status !== 0) throw new Error('the build failed: see the errors of the compiler above');
}

function findCompiler() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  } catch (cause) {
    throw new Error('TypeScript is not installed: run `npm ci` (with development dependencies) first', { cause });
  }
}

/** Builds and, on failure, ends the process with a line instead of a stack. */
export function buildOrExit(options) {
  try {
    return build(options);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  buildOrExit({ onlyIfStale: process.argv.includes('--if-stale') });
}
