/** What `perdure/client` brings along: programs that only call a service want neither its database nor its server. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const imports = /^(?:import|export)\s(?!type\b)[^'"]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'/gm;

/** All modules that are loaded with one, and all packages that they load. */
async function loadedBy(
  entry: URL,
): Promise<{ readonly files: ReadonlySet<string>; readonly packages: readonly string[] }> {
  const files = new Set<string>();
  const packages = new Set<string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file.href)) continue;
    files.add(file.href);
    for (const [, from, bare] of (await readFile(file, 'utf8')).matchAll(imports)) {
      const name = from ?? bare ?? '';
      if (name.startsWith('.')) open.push(new URL(name, file));
      else packages.add(name);
    }
  }
  return { files, packages: [...packages].sort() };
}

test('the client over HTTP loads no package, and nothing of the store or the server', async () => {
  const { files, packages } = await loadedBy(new URL('../../src/http-client/index.ts', import.meta.url));
  expect(packages.filter((name) => !name.startsWith('node:'))).toEqual([]);
  expect([...files].filter((file) => /\/(?:store|worker|core)\/|server\.ts$/.test(file))).toEqual([]);
  expect(files.size).toBeGreaterThan(5);
});
