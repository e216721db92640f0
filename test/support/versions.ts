/** Another version of the service: a copy of the build with more migrations, or fewer. */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { build } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Makes one in a folder that is removed with the test.
 * @param migrations more of them: SQL by file name
 * @returns the folder, for `startService({ version })`
 */
export function otherVersion(migrations: Readonly<Record<string, string>>): string {
  build({ onlyIfStale: true, quiet: true });
  const folder = mkdtempSync(join(tmpdir(), 'perdure-version-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const part of ['dist', 'migrations', 'package.json', 'openapi']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [name, sql] of Object.entries(migrations)) writeFileSync(join(folder, 'migrations', name), sql);
  return folder;
}
