import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../scripts/build.mjs';

const repository = fileURLToPath(new URL('../..', import.meta.url));
let root = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perdure-build-'));
  await mkdir(join(root, 'src'));
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'));
  await writeFile(join(root, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(join(root, 'tsconfig.json'), JSON.stringify({}));
  const compilerOptions = {
    rootDir: 'src',
    outDir: 'dist',
    module: 'nodenext',
    // As little to read and check as possible: the compiler itself is not under test.
    types: [],
    lib: ['es5'],
    skipLibCheck: true,
    incremental: true,
    tsBuildInfoFile: 'dist/.tsbuildinfo',
  };
  await writeFile(join(root, 'tsconfig.build.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
  await writeFile(join(root, 'src', 'main.ts'), "export const greeting: string = 'hello';\n");
  await writeFile(join(root, 'src', 'old.ts'), 'export {};\n');
});

afterAll(() => rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));

test('a build is made once, and again only after a change', { timeout: 60_000 }, async () => {
  const buildIfStale = () => build({ root, onlyIfStale: true });
  expect(buildIfStale()).toBe(true);
  expect(existsSync(join(root, 'dist', 'main.js'))).toBe(true);
  expect(buildIfStale()).toBe(false);

  // Also an older file than the last build's is a change: another commit was checked out.
  await utimes(join(root, 'src', 'main.ts'), new Date(0), new Date(0));
  expect(buildIfStale()).toBe(true);
  expect(buildIfStale()).toBe(false);

  await rm(join(root, 'src', 'old.ts'));
  expect(buildIfStale()).toBe(true);
  expect(existsSync(join(root, 'dist', 'old.js'))).toBe(false);
});

test('a build that failed is stale', { timeout: 60_000 }, async () => {
  await writeFile(join(root, 'src', 'main.ts'), "export const greeting: number = 'hello';\n");
  // The compiler's message would stand between the test's results.
  expect(() => build({ root, onlyIfStale: true, quiet: true })).toThrow(/build failed/);
  await writeFile(join(root, 'src', 'main.ts'), 'export const greeting: number = 1;\n');
  expect(build({ root, onlyIfStale: true })).toBe(true);
});
