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
 * Safe to call from several processes at once: one compiles, the others wait and find its result.
 *
 * @param {{ root?: string, onlyIfStale?: boolean, quiet?: boolean }} [options] `quiet` hides the compiler's messages
 * @returns {boolean} whether it compiled
 */
export function build({ root = projectRoot, onlyIfStale = false, quiet = false } = {}) {
  const dist = join(root, 'dist');
  if (onlyIfStale && isFresh(root, listSources(root))) return false;
  mkdirSync(dist, { recursive: true });
  return withLock(join(dist, '.lock'), () => {
    const sources = listSources(root);
    if (onlyIfStale && isFresh(root, sources)) return false;
    rmSync(join(dist, stampName), { force: true });
    makeComplete(root, sources.names);
    compile(root, quiet);
    if (existsSync(join(dist, 'main.js'))) chmodSync(join(dist, 'main.js'), 0o755);
    writeFileSync(join(dist, stampName), JSON.stringify({ fingerprint: sources.fingerprint }));
    return true;
  });
}

/** Holds what was compiled; written last. */
const stampName = '.built.json';

function isFresh(root, sources) {
  return (
    readStamp(join(root, 'dist', stampName))?.fingerprint === sources.fingerprint &&
    existsSync(join(root, 'dist', 'main.js'))
  );
}

/** The compiler's incremental state saves time, but it neither removes what lost its source nor sees what is missing. */
function makeComplete(root, names) {
  const dist = join(root, 'dist');
  const modules = names.filter((name) => name.startsWith('src') && name.endsWith('.ts'));
  const outputs = new Set(modules.map((name) => join(root, name.replace(/^src/, 'dist').replace(/\.ts$/, ''))));
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const output = /^(.+?)(\.d\.ts|\.js|\.js\.map)$/.exec(path)?.[1];
    if (entry.isFile() && output !== undefined && !outputs.has(output)) rmSync(path);
  }
  if ([...outputs].some((output) => !existsSync(`${output}.js`))) rmSync(join(dist, '.tsbuildinfo'), { force: true });
}

/** Waits for its turn. The lock of a process that has died counts for nothing. */
function withLock(file, work) {
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (isAbandoned(file)) rmSync(file, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

function isAbandoned(file) {
  let holder;
  try {
    holder = Number(readFileSync(file, 'utf8'));
    // Just created, and not written yet.
    if (holder === 0) return Date.now() - statSync(file).mtimeMs > 5_000;
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** Names and states of everything that the result depends on. */
function listSources(root) {
  const names = ['package.json', 'tsconfig.json', 'tsconfig.build.json'];
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) names.push(join(entry.parentPath, entry.name).slice(join(root, '/').length));
  }
  names.sort();
  const states = names.map((name) => {
    const { size, mtimeMs } = statSync(join(root, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  return { names, fingerprint: createHash('sha256').update(states.join('\n')).digest('hex') };
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
