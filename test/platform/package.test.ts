/** What is published: the tarball, as it arrives in somebody's empty project. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, Package } from '@arethetypeswrong/core';
import { init, type ModuleInfos } from 'license-checker-rseidelsohn';
import { publint } from 'publint';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { blocksOf } from '../support/page.ts';
import { testDatabase } from '../support/postgres.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const database = await testDatabase();
let project = '';
let installed = '';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
  readonly overrides: Readonly<Record<string, unknown>>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** Packs, and unpacks where npm would; of the dependencies only those that the package names can be found from there. */
beforeAll(async () => {
  build({ onlyIfStale: true, quiet: true });
  project = await mkdtemp(join(tmpdir(), 'perdure-package-'));
  installed = join(project, 'node_modules/perdure');
  await mkdir(installed, { recursive: true });
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await run(npm, ['pack', '--ignore-scripts', '--silent', '--pack-destination', project], { cwd: root });
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz')) ?? '';
  await run('tar', ['-xzf', join(project, tarball), '-C', installed, '--strip-components=1']);
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    const link = join(project, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(root, 'node_modules', name), link, 'junction');
  }
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
}, 120_000);
afterAll(() => rm(project, { recursive: true, force: true }));

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

test('the tarball has what runs, its types, migrations, samples and pages, and nothing else', async () => {
  const files = filesOf(installed);
  const sources = filesOf(join(root, 'src')).filter((path) => path.endsWith('.ts'));
  const built = sources.flatMap((path) => [path.replace(/\.ts$/, '.js'), path.replace(/\.ts$/, '.d.ts')]);
  expect(files.filter((path) => path.startsWith('dist/')).sort()).toEqual(built.map((path) => `dist/${path}`).sort());
  const rest = files.filter((path) => !path.startsWith('dist/'));
  const allowed =
    /^(package\.json|(README|CHANGELOG|bench\/RESULTS|docs\/.*)\.md|LICENSE|openapi\/openapi\.json|migrations\/\d{4}_\w+\.sql|samples\/[\w-]+\/.*|deploy\/.*\.(json|ya?ml))$/;
  expect(rest.filter((path) => !allowed.test(path))).toEqual([]);
  expect(rest.filter((path) => path.endsWith('.sql'))).toHaveLength(readdirSync(join(root, 'migrations')).length);

  // What the pages lead to has come along; how to work on the project itself has not.
  for (const page of rest.filter((path) => path.endsWith('.md'))) {
    const text = await readFile(join(installed, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!\w+:)([^)#\s]+)/g)].map(([, link = '']) => join(dirname(page), link));
    const dead = links.filter((link) => link !== 'CONTRIBUTING.md' && !existsSync(join(installed, link)));
    expect([page, dead]).toEqual([page, []]);
  }
});

test('publint finds nothing', async () => {
  const { messages } = await publint({ pkgDir: installed, level: 'suggestion', pack: false });
  expect(messages).toEqual([]);
});

test('the types are right wherever ES modules are', async () => {
  const files = Object.fromEntries(
    filesOf(installed).map((path) => [`/node_modules/perdure/${path}`, readFileSync(join(installed, path), 'utf8')]),
  );
  const checked = await checkPackage(new Package(files, 'perdure', '0.0.0'));
  if (!checked.types) throw new Error('there are no types');
  // What came before Node 16 knows no exports, and a CommonJS module may require() this one, but not before Node 20.19.
  const old = ['node10', 'node16-cjs'];
  const problems = checked.problems.filter(
    (problem) => !('resolutionKind' in problem && old.includes(problem.resolutionKind)),
  );
  expect(problems).toEqual([]);
  expect(Object.keys(checked.entrypoints)).toEqual(Object.keys(manifest.exports));
});

const consumer = `
import { activity, createTaskHub, orchestration, type OrchestrationClient, type TaskHub } from 'perdure';
import { createHttpClient } from 'perdure/client';
import { createTestEnvironment } from 'perdure/testing';
import * as df from 'perdure/durable-functions';
import plugin from 'perdure/eslint-plugin';

const double = activity('Double', (n: number) => n * 2);
const quadruple = orchestration('Quadruple', async (ctx, n: number) => ctx.callActivity(double, await ctx.callActivity(double, n)));
const hub: TaskHub = createTaskHub({ databaseUrl: 'postgres://localhost/app', functions: [double, quadruple] });
const client: OrchestrationClient = hub.client;
export const id: Promise<string> = client.startNew(quadruple, { input: 2 });
// @ts-expect-error the input is a number
void client.startNew(quadruple, { input: 'two' });
export const all = [createHttpClient, createTestEnvironment, df.app, plugin];
`;

test.each([
  ['node16', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
  ['bundler', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
])(
  'a TypeScript project with moduleResolution %s compiles, with all checks',
  async (name, module, moduleResolution) => {
    const file = join(project, `${name}.ts`);
    await writeFile(file, consumer);
    const program = ts.createProgram([file], {
      module,
      moduleResolution,
      target: ts.ScriptTarget.ES2023,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    });
    // Our own declarations are looked at too, those of others are not.
    const ours = program
      .getSourceFiles()
      .filter((one) => one.fileName === file || one.fileName.includes('/perdure/dist/'));
    expect(ours.length).toBeGreaterThan(20);
    const diagnostics = ts.getPreEmitDiagnostics(program);
    expect(diagnostics.map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n'))).toEqual([]);
  },
  60_000,
);

test("the README's library example runs in the empty project, as it stands there", async () => {
  const blocks = blocksOf(readFileSync(join(root, 'README.md'), 'utf8')).map((block) => block.text);
  const hello = blocks.find((text) => text.includes("activity('SayHello'"));
  const embedded = blocks.find((text) => text.includes('createTaskHub({'));
  if (hello === undefined || embedded === undefined) throw new Error('the README has no library example');
  await writeFile(join(project, 'hello.mjs'), hello);
  await writeFile(join(project, 'embedded.mjs'), embedded);
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };
  const { stdout } = await run(process.execPath, ['embedded.mjs'], { cwd: project, env, timeout: 45_000 });
  expect(stdout).toBe("Completed [ 'Hello, Lisbon!', 'Hello, Oslo!' ]\n");
}, 60_000);

test("the README's test runs in the empty project, with the test runner of Node", async () => {
  const block = blocksOf(readFileSync(join(root, 'README.md'), 'utf8')).find(({ text }) =>
    text.includes("'node:test'"),
  );
  if (block === undefined) throw new Error('the README has no test');
  await writeFile(join(project, 'hello.test.mjs'), block.text);
  const { stdout } = await run(process.execPath, ['--test', 'hello.test.mjs'], { cwd: project, timeout: 45_000 });
  expect(stdout).toMatch(/pass 1\b[^]*fail 0\b/);
}, 60_000);

test('the command runs from there, with a sample that came along', async () => {
  const words = ['start', 'node_modules/perdure/samples/saga', '--port', '0', '--log-format', 'json'];
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };
  const service = spawn(process.execPath, [join(installed, 'dist/main.js'), ...words], { cwd: project, env });
  const ended = once(service, 'exit');
  let said = '';
  for (const stream of [service.stdout, service.stderr]) stream.on('data', (text) => (said += String(text)));
  try {
    await vi.waitFor(() => expect(said).toContain('"msg":"ready"'), { timeout: 45_000, interval: 50 });
    service.kill('SIGTERM');
    expect(await ended, said).toEqual([0, null]);
  } finally {
    service.kill('SIGKILL');
  }
}, 60_000);

test('nothing runs at its installation, and the lockfile fits', () => {
  expect(Object.keys(manifest.scripts)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$|^(pre|post)?prepare$/)]),
  );
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Manifest>>;
  };
  const own = lock.packages[''];
  expect(own?.dependencies).toEqual(manifest.dependencies);
  expect(own?.devDependencies).toEqual(manifest.devDependencies);
  expect(own?.engines).toEqual(manifest.engines);
  expect(existsSync(join(installed, 'package-lock.json'))).toBe(false);
});

test('what comes with it runs on the oldest Node that it names, without overrides, which count here only', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<
      Record<string, { readonly dev?: boolean; readonly engines?: { readonly node?: string } }>
    >;
  };
  const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true);
  expect(shipped.length).toBeGreaterThan(100);
  const tooNew = shipped.filter(([, { engines }]) => /^>=? ?2[1-9]|^\^2[1-9]\S*$/.test(engines?.node ?? ''));
  expect(tooNew.map(([path]) => path)).toEqual([]);
  const overridden = shipped.filter(([path]) =>
    Object.hasOwn(manifest.overrides, path.split('node_modules/').at(-1) ?? ''),
  );
  expect(overridden.map(([path]) => path)).toEqual([]);
});

/** Nobody who uses them, in whatever product, owes more than a notice. */
const permissive = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'PostgreSQL'];

test('all that comes with it has a permissive licence', async () => {
  const found = await new Promise<ModuleInfos>((resolve, reject) => {
    init({ start: root, production: true }, (error, packages) => (error ? reject(error) : resolve(packages)));
  });
  expect(Object.keys(found).length).toBeGreaterThan(100);
  const others = Object.entries(found).filter(
    ([, { licenses }]) => ![licenses ?? ''].flat().every((one) => permissive.includes(one)),
  );
  expect(others.map(([name, { licenses }]) => `${name}: ${[licenses].flat().join(', ')}`)).toEqual([]);
}, 60_000);
