/**
 * Every block of code in the README and the pages below docs is executed, or says why it is not: in the line before
 * it, `<!-- no-test: needs a cluster -->`, or behind the language, `no-test=…`. Pages of samples are walked through by test/e2e/samples.test.ts, the tutorial by test/e2e/tutorial.test.ts.
 */
import { join } from 'node:path';
import pg from 'pg';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { blocks, excuseOf, noCode, type PageBlock, root, runnerOf, tested } from './pages.ts';
import { testDatabase } from '../support/postgres.ts';

const of = (runner: ReturnType<typeof runnerOf>) => tested.filter((block) => runnerOf(block) === runner);

test('every block is executed, or says why it is not', () => {
  const neither = tested.filter((block) => runnerOf(block) === undefined && !noCode.includes(block.language));
  expect(neither.map((block) => `${block.name} (${block.language || 'no language'})`)).toEqual([]);
  const misspelt = blocks.filter((block) => /test/i.test(block.info) && excuseOf(block) === undefined);
  expect(misspelt.map((block) => `${block.name}: ${block.info}`)).toEqual([]);
});

test.each(of('json'))('$name is JSON', ({ text }) => {
  expect(() => void JSON.parse(text)).not.toThrow();
});

test.each(of('yaml'))('$name is YAML', ({ text }) => {
  expect(parseYaml(text)).toBeTypeOf('object');
});

describe('SQL', async () => {
  const database = await testDatabase();
  test.each(of('sql'))('$name is understood by the database', async ({ text }) => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('begin');
      // The roles that pages speak of; roles belong to the whole server.
      for (const role of ['service', 'app']) {
        await client.query(`do $$ begin create role ${role}; exception when duplicate_object then null; end $$`);
      }
      await client.query(text);
      await client.query('rollback');
    } finally {
      await client.end();
    }
  });
});

describe('code', () => {
  const found = checkTypes(of('types'));
  test.each(of('types'))('$name has the right types', ({ name }) => {
    expect(found.get(name) ?? []).toEqual([]);
  });
});

/** No such name, no such module, no such export. */
const unknownNames = [2304, 2305, 2307, 2552, 2614, 2724];

/** One program for all: each block is a module of its own that knows what the prelude declares. */
function checkTypes(all: readonly PageBlock[]): ReadonlyMap<string, readonly string[]> {
  const folder = join(root, 'test/docs');
  const texts = new Map<string, { readonly name: string; readonly text: string }>();
  for (const [index, block] of all.entries()) {
    // What a page leaves out of a function.
    const text = block.text.replaceAll(/=> …/g, '=> { throw new Error(); }');
    // Blocks of one page may import the module before them.
    texts.set(join(folder, `block-${index}.${block.language}`), { name: block.name, text: `${text}\nexport {};\n` });
  }
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost({});
  const readFile = (path: string): string | undefined => texts.get(path)?.text ?? ts.sys.readFile(path);
  const program = ts.createProgram(
    [...texts.keys(), join(folder, 'prelude.d.ts'), join(folder, 'modules.d.ts')],
    {
      ...options,
      ...{ allowJs: true, checkJs: true, noImplicitAny: false, noEmit: true },
      ...{ verbatimModuleSyntax: false, exactOptionalPropertyTypes: false },
    },
    {
      ...host,
      fileExists: (path) => texts.has(path) || ts.sys.fileExists(path),
      readFile,
      getSourceFile: (path, version) => {
        const text = readFile(path);
        return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
      },
    },
  );
  const found = new Map<string, readonly string[]>();
  for (const [path, { name }] of texts) {
    const source = program.getSourceFile(path);
    const all = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    // JavaScript is not typed; but its names and modules must be there.
    const told = path.endsWith('.js') ? all.filter((one) => unknownNames.includes(one.code)) : all;
    const messages = told.map((one) => {
      const line = source === undefined ? 0 : source.getLineAndCharacterOfPosition(one.start ?? 0).line + 1;
      return `line ${line}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`;
    });
    found.set(name, messages);
  }
  return found;
}
