import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('works with the test runner of Node, and ends by itself', { timeout: 180_000 }, () => {
  build({ onlyIfStale: true, quiet: true });
  const fixture = join(root, 'test/testing/fixtures/hello.mjs');
  // Without the variables by which one test runner knows that it runs inside another.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(process.execPath, ['--test', fixture], {
    encoding: 'utf8',
    env,
    timeout: 60_000,
  });
  expect(stdout).toMatch(/pass 1\b/);
  expect(status).toBe(0);
});
