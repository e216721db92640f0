/**
 * Loads the modules that a user named and collects the definitions that they export. TypeScript goes through `tsx`: it is
 * compiled as it is loaded, with no build step and no bundle.
 */
import { stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isHttpTrigger, type HttpTriggerDefinition } from '../../client/http-trigger.ts';
import { isTokenProvider, type TokenProviderDefinition } from '../../model/durable-http.ts';
import { takeRegistrations } from '../../durable-functions/registrations.ts';
import { isFunctionDefinition, type FunctionDefinition } from '../../model/functions.ts';
import { describeLoadError } from './load-error.ts';
import { shareOwnPackage } from './own-package.ts';

/** What a set of modules defines. */
export interface LoadedFunctions {
  readonly functions: readonly FunctionDefinition[];
  readonly triggers: readonly HttpTriggerDefinition[];
  readonly tokenProviders: readonly TokenProviderDefinition[];
}

type Import = (url: string) => Promise<object>;

const typeScript = ['.ts', '.mts'];
const extensions = [...typeScript, '.js', '.mjs', '.cjs'];

/**
 * Imports modules and collects every definition that they export: by name, as default, or in an exported array or
 * default object. A definition exported twice counts once.
 * @param paths files, or folders with an `index` file; relative to the working directory
 * @throws Error with one line that says which path, and what is wrong with it
 */
export async function loadFunctions(paths: readonly string[]): Promise<LoadedFunctions> {
  const files: { readonly path: string; readonly file: string }[] = [];
  for (const path of paths) files.push({ path, file: await findFile(path) });

  // All through one importer: a file that several modules import is loaded once.
  const importModule = files.some(({ file }) => typeScript.includes(extname(file)))
    ? await (importTypeScript ??= typeScriptImport())
    : nativeImport;
  const definitions = new Set<Definition>();
  let registers = false;
  for (const { path, file } of files) {
    const found = collect(await load(path, file, importModule));
    const registered = takeRegistrations().filter(isDefinition);
    registers ||= registered.length > 0;
    found.push(...registered);
    // Where modules register, one that another has loaded already did so then.
    if (found.length === 0 && !registers) {
      throw new Error(
        `${path} exports no definitions. Export what orchestration(…), activity(…), entity(…) or http(…) returns, e.g. \`export const hello = orchestration('Hello', …)\`.`,
      );
    }
    for (const definition of found) definitions.add(definition);
  }
  const all = [...definitions];
  return {
    functions: all.filter(isFunctionDefinition),
    triggers: all.filter(isHttpTrigger),
    tokenProviders: all.filter(isTokenProvider),
  };
}

/** The file that a path means. */
async function findFile(path: string): Promise<string> {
  const full = resolve(path);
  const kind = await kindOf(full);
  if (kind === undefined)
    throw new Error(path === full ? `${path} does not exist.` : `${path} does not exist (looked for ${full}).`);
  if (kind === 'folder') {
    for (const extension of extensions) {
      const index = join(full, `index${extension}`);
      if ((await kindOf(index)) === 'file') return index;
    }
    throw new Error(`${path} is a folder without an index file (index${extensions.join(', index')}).`);
  }
  if (!extensions.includes(extname(full))) {
    throw new Error(`${path} is not a module: its name must end in ${extensions.join(', ')}.`);
  }
  return full;
}

async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}

async function load(path: string, file: string, importModule: Import): Promise<object> {
  const url = pathToFileURL(file).href;
  try {
    return await importModule(url);
  } catch (error) {
    throw new Error(`${path} could not be loaded: ${await describeLoadError(error, url)}`, { cause: error });
  }
}

async function nativeImport(url: string): Promise<object> {
  return (await import(url)) as object;
}

/** Registered once in a thread: what stands in between twice finds its own work. */
let importTypeScript: Promise<Import> | undefined;

/**
 * A namespace of its own keeps tsx away from everything else in the process. Both loaders are needed: without
 * `"type": "module"` in its package.json a TypeScript file is a CommonJS module.
 */
async function typeScriptImport(): Promise<Import> {
  const [{ register: registerCommonJs }, { register }] = await Promise.all([
    import('tsx/cjs/api'),
    import('tsx/esm/api'),
  ]);
  const namespace = 'perdure';
  registerCommonJs({ namespace });
  const loader = register({ namespace });
  shareOwnPackage();
  return async (url) => (await loader.import(url, import.meta.url)) as object;
}

type Definition = FunctionDefinition | HttpTriggerDefinition | TokenProviderDefinition;

function collect(module: object): Definition[] {
  return Object.entries(module).flatMap(([name, exported]: [string, unknown]) => {
    const inner: readonly unknown[] = isContainer(name, exported) ? Object.values(exported) : [];
    return [exported, ...inner].filter(isDefinition);
  });
}

function isDefinition(value: unknown): value is Definition {
  return isFunctionDefinition(value) || isHttpTrigger(value) || isTokenProvider(value);
}

/** An array, or the plain object of a default or CommonJS export. Other objects are not touched: they may have getters. */
function isContainer(name: string, value: unknown): value is object {
  if (Array.isArray(value)) return true;
  if (typeof value !== 'object' || value === null || isDefinition(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (name === 'default' || name === 'module.exports') && (prototype === Object.prototype || prototype === null);
}
