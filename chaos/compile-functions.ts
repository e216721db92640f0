/** The functions of the nodes as JavaScript: nodes are started over and over, and without a compiler they start in half the time. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';

/** @returns the file, in the project's folder so that it finds the package by its name; and how to remove it */
export async function compileFunctions(
  root: string,
): Promise<{ readonly file: string; readonly remove: () => Promise<void> }> {
  const source = await readFile(join(root, 'chaos/functions.ts'), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
  });
  const folder = join(root, '.perdure/chaos');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `functions-${process.pid}-${Date.now()}.mjs`);
  await writeFile(file, outputText);
  return { file, remove: () => rm(file, { force: true }) };
}
