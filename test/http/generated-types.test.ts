/**
 * The OpenAPI document makes types that fit the calls of `fixtures/generated-client.ts`. In a file of its own: the compiler
 * keeps the event loop busy for seconds, and a server beside it would turn calls away.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import openapiTypes, { astToString, type OpenAPI3 } from 'openapi-typescript';
import ts from 'typescript';
import { expect, test } from 'vitest';

const calls = new URL('fixtures/generated-client.ts', import.meta.url);
/** Where `calls` looks for the generated types; there is no such file. */
const types = fileURLToPath(new URL('fixtures/openapi.ts', import.meta.url));

/** What the compiler says about `calls`, with generated types beside it. */
async function compile(document: OpenAPI3): Promise<readonly string[]> {
  const generated = astToString(await openapiTypes(document));
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noUncheckedIndexedAccess: true,
    types: ['node'],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile: read, getSourceFile } = host;
  host.fileExists = (name) => name === types || fileExists(name);
  host.readFile = (name) => (name === types ? generated : read(name));
  host.getSourceFile = (name, version, ...rest) =>
    name === types ? ts.createSourceFile(name, generated, version) : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([fileURLToPath(calls)], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, file, start }) => {
    const line = file === undefined || start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${file?.fileName.split('/').at(-1) ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

test('its types fit the calls, and refuse those that the document does not allow', async () => {
  const stored = new URL('../../openapi/openapi.json', import.meta.url);
  expect(await compile(JSON.parse(await readFile(stored, 'utf8')) as OpenAPI3)).toEqual([]);
}, 60_000);
