/** The linter's own test: every rule that guards the architecture is shown a violation and has to report it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ESLint } from 'eslint';
import { expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

// Only rules that need no type information: with it each made-up file would cost a whole program.
const linter = new ESLint({
  cwd: root,
  ruleFilter: ({ ruleId }) => !ruleId.startsWith('@typescript-eslint/') || ruleId.endsWith('no-restricted-imports'),
  overrideConfig: [
    { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false, project: null } } },
  ],
});

async function rulesBroken(file: string, code: string): Promise<string[]> {
  const [result] = await linter.lintText(code, { filePath: `${root}/src/${file}` });
  return [...new Set(result?.messages.map((message) => message.ruleId ?? message.message))];
}

const paths = 'import-x/no-restricted-paths';
const packages = '@typescript-eslint/no-restricted-imports';

test.each([
  ['model/x.ts', "import { zones } from '../store/store.ts';", paths],
  ['model/x.ts', "import { z } from 'zod';", packages],
  ['model/x.ts', "import fs from 'node:fs';", packages],
  ['core/state/x.ts', "import '../replay/task.ts';", paths],
  ['core/replay/x.ts', "import '../state/open-turn.ts';", paths],
  ['core/replay/x.ts', "import { createHash } from 'node:crypto';", packages],
  ['store/store.ts', "import '../core/state/open-turn.ts';", paths],
  ['store/postgres/x.ts', "import '../../worker/executor.ts';", paths],
  ['store/postgres/x.ts', "import { pino } from 'pino';", packages],
  ['worker/x.ts', "import '../store/postgres/index.ts';", paths],
  ['worker/x.ts', "import '../core/replay/task.ts';", paths],
  ['worker/x.ts', "import pg from 'pg';", packages],
  ['worker/in-process/x.ts', "import '../../store/store.ts';", paths],
  ['worker/in-process/x.ts', "import '../../client/http-trigger.ts';", paths],
  ['worker/in-process/built-in/x.ts', "import '../../../core/replay/task.ts';", paths],
  ['worker/in-process/x.ts', "import { request } from 'undici';", packages],
  ['client/x.ts', "import '../worker/executor.ts';", paths],
  ['client/x.ts', "import { health } from '../wire/health.ts';", packages],
  ['wire/x.ts', "import { isTerminal } from '../model/instance.ts';", packages],
  ['wire/x.ts', "import '../http/server.ts';", paths],
  ['http/x.ts', "import '../store/store.ts';", paths],
  ['http/routes/x.ts', "import '../../worker/executor.ts';", paths],
  ['http/x.ts', "import { sql } from 'kysely';", packages],
  ['cli/commands/x.ts', "import '../../task-hub.ts';", paths],
  ['cli/x.ts', "import fastify from 'fastify';", packages],
  ['task-hub.ts', "import './http/server.ts';", paths],
  ['config.ts', "import './main.ts';", paths],
  ['service/x.ts', "import '../store/postgres/index.ts';", paths],
  ['eslint-plugin/x.ts', "import '../model/failure.ts';", paths],
  ['eslint-plugin/x.ts', "import { ESLint } from 'eslint';", packages],
  ['brand-new-folder/x.ts', "import '../model/failure.ts';", paths],
  ['brand-new-folder/x.ts', "import { z } from 'zod';", packages],
])('src/%s may not say: %s', async (file, code, rule) => {
  expect(await rulesBroken(file, code)).toContain(rule);
});

test.each([
  ['model/x.ts', "import './failure.ts';"],
  ['core/state/x.ts', "import '../../model/history.ts';"],
  ['core/replay/deterministic.ts', "import { createHash } from 'node:crypto'; createHash('sha1');"],
  [
    'store/postgres/x.ts',
    "import '../store.ts'; import pg from 'pg'; import type { Logger } from 'pino'; export type { Logger, pg };",
  ],
  [
    'worker/in-process/load-functions.ts',
    "import '../../client/http-trigger.ts'; import path from 'node:path'; export { path };",
  ],
  ['client/x.ts', "import type { Health } from '../wire/health.ts'; export type { Health };"],
  ['http/x.ts', "import '../client/http-trigger.ts'; import swagger from '@fastify/swagger'; export { swagger };"],
])('src/%s may say: %s', async (file, code) => {
  expect(await rulesBroken(file, code)).toEqual([]);
});

test.each([
  'export async function f() {}',
  'export const f = async () => 1;',
  'setTimeout(() => 1, 1);',
  'setImmediate(() => 1);',
  'queueMicrotask(() => 1);',
  'console.log(1);',
  'process.exit();',
  'fetch("x");',
  'export const t = Date.now();',
  'export const t = new Date();',
  'export const t = Math.random();',
])('the core may not say: %s', async (code) => {
  const broken = await rulesBroken('core/replay/x.ts', code);
  expect(broken.some((rule) => rule === 'no-restricted-globals' || rule === 'no-restricted-syntax')).toBe(true);
});

test('the core may make dates from given times, and drive-async.ts may wait', async () => {
  expect(await rulesBroken('core/state/x.ts', 'export const t = new Date(5);')).toEqual([]);
  const waits = 'export async function f() { await new Promise((r) => setImmediate(r)); }';
  expect(await rulesBroken('core/replay/drive-async.ts', waits)).toEqual([]);
  expect(await rulesBroken('core/replay/drive-async.ts', 'setTimeout(() => 1, 1);')).toEqual(['no-restricted-globals']);
});

test('the environment is read in config.ts alone, and nothing is printed past the log', async () => {
  const code = "export const home = process.env['HOME'];";
  expect(await rulesBroken('worker/x.ts', code)).toEqual(['no-restricted-properties']);
  expect(await rulesBroken('config.ts', code)).toEqual([]);
  expect(await rulesBroken('worker/x.ts', 'console.log(1);')).toEqual(['no-console']);
});

test('import cycles are errors', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perdure-cycles-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const settings = JSON.parse(await readFile(join(root, 'knip.json'), 'utf8'));
  const files = {
    'knip.json': JSON.stringify({ ...settings, entry: ['src/one.ts'] }),
    'package.json': '{ "type": "module" }',
    'src/one.ts': "import { two } from './two.ts'; export const one = () => two;",
    'src/two.ts': "import { one } from './one.ts'; export const two = () => one;",
  };
  await mkdir(join(folder, 'src'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const knip = join(root, 'node_modules/knip/bin/knip.js');
  const cycles = promisify(execFile)(process.execPath, [knip, '--cycles', '--directory', folder]);
  await expect(cycles).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('src/two.ts → src/one.ts') });
});

test('relative imports name the file with its extension', async () => {
  expect(await rulesBroken('model/x.ts', "import './failure';")).toContain('import-x/extensions');
});

test('the samples are held to the rules for orchestrators', async () => {
  const code = "import { orchestration } from 'perdure'; export const o = orchestration('O', async () => Date.now());";
  const [result] = await linter.lintText(code, { filePath: `${root}/samples/order/x.ts` });
  expect(result?.messages.map(({ ruleId }) => ruleId)).toContain('perdure/no-nondeterminism');
});
