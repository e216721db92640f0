import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFunctions } from '../../src/worker/in-process/load-functions.ts';

let folder = '';

/** Modules outside the package know its definitions by their brand alone. */
const define = `
const brand = Symbol.for('perdure.definition');
const define = (kind, name) => ({ [brand]: kind, name, run: () => name, handler: () => name });
`;

const files: Readonly<Record<string, string>> = {
  'named.mjs': `${define} export const a = define('activity', 'A'); export const o = define('orchestration', 'O'); export const h = define('http', 'H'); export const n = 5;`,
  'default-one.mjs': `${define} export default define('activity', 'D');`,
  'default-array.mjs': `${define} export default [define('activity', 'D1'), define('activity', 'D2'), 7];`,
  'default-object.mjs': `${define} export default { x: define('activity', 'D3'), y: null };`,
  'token.mjs': `${define} export const t = { ...define('token-provider', 'T'), kind: 'K' };`,
  'twice.mjs': `${define} const a = define('activity', 'T'); export { a, a as b }; export default a; export const list = [a];`,
  'getter.mjs': `${define} export const a = define('activity', 'G'); export const db = Object.create({}, { x: { enumerable: true, get() { throw new Error('touched'); } } });`,
  'common.cjs': `${define} module.exports = { a: define('activity', 'C') };`,
  'shared.mjs': `${define} export const s = define('activity', 'S');`,
  'one.mjs': `export { s } from './shared.mjs';`,
  'two.mjs': `export { s } from './shared.mjs';`,
  'typed.mts': `${define.replaceAll('(kind, name)', '(kind: string, name: string)')} enum E { A } export const m = define('activity', 'M' + E.A);`,
  'plain/typed.ts': `import { name } from './name'; ${define.replaceAll('(kind, name)', '(kind: string, name: string)')} export const t = define('activity', name);`,
  'plain/name.ts': `export const name: string = 'Typed';`,
  'module/package.json': `{ "type": "module" }`,
  'module/typed.ts': `import { s } from '../shared.mjs'; export { s }; ${define.replaceAll('(kind, name)', '(kind: string, name: string)')} export default [define('orchestration', await Promise.resolve('TypedModule'))];`,
  'folder/index.js': `${define} module.exports = define('activity', 'Index');`,
  'empty-folder/readme.txt': '',
  'registers.mjs': `${define} (globalThis[Symbol.for('perdure.registrations')] ??= []).push(define('activity', 'R'), 5, define('http', 'RH'));`,
  'registers-too.mjs': `import './registers.mjs'; ${define} globalThis[Symbol.for('perdure.registrations')].push(define('orchestration', 'RO'));`,
  'nothing.mjs': `export const n = 1;`,
  'broken.mjs': `import './missing.mjs';`,
  'throws.mjs': `throw 'a\\n  fit';`,
  'syntax.ts': `export const = 5;`,
  'fails.mjs': `\nthrow new Error('at once');`,
  'text.txt': 'text',
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perdure-load-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

async function load(...names: readonly string[]): Promise<readonly string[]> {
  const { functions, triggers, tokenProviders } = await loadFunctions(names.map((name) => join(folder, name)));
  return [
    ...functions.map(({ name }) => name),
    ...triggers.map(({ name }) => `http ${name}`),
    ...tokenProviders.map(({ kind }) => `token ${kind}`),
  ];
}

async function problemOf(...names: readonly string[]): Promise<string> {
  const error: unknown = await load(...names).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const message = error instanceof Error ? error.message : '';
  expect(message).not.toContain('\n');
  return message.replaceAll(`${folder}/`, '');
}

describe('modules are loaded', () => {
  it.each<[string, readonly string[]]>([
    ['named.mjs', ['A', 'O', 'http H']],
    ['default-one.mjs', ['D']],
    ['default-array.mjs', ['D1', 'D2']],
    ['default-object.mjs', ['D3']],
    ['token.mjs', ['token K']],
    ['twice.mjs', ['T']],
    ['getter.mjs', ['G']],
    ['common.cjs', ['C']],
    ['folder', ['Index']],
    ['typed.mts', ['M0']],
    ['plain/typed.ts', ['Typed']],
  ])('%s', async (name, found) => {
    expect((await load(name)).toSorted()).toEqual([...found].toSorted());
  });

  it('several at once, each definition once', async () => {
    expect(await load('one.mjs', 'two.mjs', 'default-one.mjs')).toEqual(['S', 'D']);
    expect((await load('one.mjs', 'module/typed.ts', 'two.mjs', 'common.cjs')).toSorted()).toEqual([
      'C',
      'S',
      'TypedModule',
    ]);
  });

  it('that register their functions, each once, whoever imports them', async () => {
    expect(await load('registers-too.mjs', 'registers.mjs', 'default-one.mjs')).toEqual(['R', 'RO', 'D', 'http RH']);
  });

  it('none at all', async () => {
    expect(await load()).toEqual([]);
  });
});

describe('what is wrong is said in one line:', () => {
  it.each<[string, RegExp]>([
    ['absent.mjs', /^absent\.mjs does not exist\.$/],
    ['empty-folder', /^empty-folder is a folder without an index file \(index\.ts, /],
    ['text.txt', /^text\.txt is not a module: its name must end in \.ts, /],
    ['nothing.mjs', /^nothing\.mjs exports no definitions\. Export what orchestration/],
    ['broken.mjs', /^broken\.mjs could not be loaded: Error: .*missing\.mjs/],
    ['throws.mjs', /^throws\.mjs could not be loaded: a fit$/],
    ['syntax.ts', /^syntax\.ts could not be loaded: .*syntax\.ts:1:13: /],
    ['fails.mjs', /^fails\.mjs could not be loaded: Error: at once, at .*fails\.mjs:2:7$/],
  ])('%s', async (name, message) => {
    expect(await problemOf(name)).toMatch(message);
  });
});
