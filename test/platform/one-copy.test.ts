/** TypeScript of users, loaded by the built package, runs on the copy of Perdure that loads it, not on one of its own. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const functions = `
import { TaskFailedError, activity } from 'perdure';
import { EntityId } from 'perdure/durable-functions';
import { name } from './name.js';
globalThis.theirs = [TaskFailedError, EntityId];
export const seen = activity(name, () => 1);
`;
const loads = (file: string) => `
import { TaskFailedError } from ${JSON.stringify(join(root, 'dist/index.js'))};
import { EntityId } from ${JSON.stringify(join(root, 'dist/durable-functions/index.js'))};
import { loadFunctions } from ${JSON.stringify(join(root, 'dist/worker/in-process/load-functions.js'))};
const { functions } = await loadFunctions([${JSON.stringify(file)}]);
console.log(functions.map(({ name }) => name), theirs[0] === TaskFailedError, theirs[1] === EntityId);
`;
let folder = '';

beforeAll(async () => {
  build({ onlyIfStale: true, quiet: true });
  folder = await mkdtemp(join(tmpdir(), 'perdure-one-copy-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/perdure'));
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  { kind: 'an ES module', type: 'module' },
  { kind: 'CommonJS', type: 'commonjs' },
])('$kind', async ({ type }) => {
  const project = join(folder, type);
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ type }));
  await writeFile(join(project, 'functions.ts'), functions);
  await writeFile(join(project, 'name.ts'), `export const name: string = 'Seen';`);
  const script = loads(join(project, 'functions.ts'));
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: project,
  });
  expect(stdout).toBe("[ 'Seen' ] true true\n");
});
