/** What is wrong with a module that cannot be loaded, and in which line. */
import { execFile } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { siteIn } from '../../core/replay/call-sites.ts';

/** Somebody waits for the message. */
const maxAskMs = 10_000;

/** @returns one line, with the place where that is known */
export async function describeLoadError(error: unknown, url: string): Promise<string> {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const text = message.replace(/\s*\n\s*/g, ' ');
  const place = error instanceof Error ? await placeOf(error, url) : undefined;
  const placed = place === undefined || text.includes(place) ? text : `${text}, at ${place}`;
  return error instanceof SyntaxError && isReadAsCommonJs(error) ? `${placed}${commonJsFix}` : placed;
}

const commonJsFix = '. Node reads this file as CommonJS: name it .mjs, or write "type": "module" into package.json';

/** What Node says of an ES module in a package of another type, which `npm init` makes. */
function isReadAsCommonJs({ message }: Error): boolean {
  return message === 'Cannot use import statement outside a module' || message === "Unexpected token 'export'";
}

async function placeOf(error: Error, url: string): Promise<string | undefined> {
  // Node puts the place of a name that a module does not export before the stack.
  const place = firstLine(error.stack) ?? siteIn(error.stack);
  if (place !== undefined) return fromHere(place);
  return error instanceof SyntaxError ? askNode(url, error) : undefined;
}

/**
 * Where the grammar of a module, or of one that it imports, is broken: Node tells it only when a process ends for it. So the
 * modules are read once more in a process of their own, which runs none of them.
 */
function askNode(url: string, { message }: Error): Promise<string | undefined> {
  return new Promise((resolve) => {
    const flags = ['--experimental-vm-modules', '--no-warnings', '--input-type=module'];
    const options = { timeout: maxAskMs };
    execFile(process.execPath, [...flags, '--eval', readModules, url], options, (_error, _out, said) => {
      // Whatever else it stumbles over is not what is to be explained.
      const place = said.includes(message) ? firstLine(said) : undefined;
      resolve(place === undefined ? undefined : fromHere(place));
    });
  });
}

/** Files only: packages are other people's. */
const readModules = `
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
const modules = new Map();
const read = (url) => {
  if (!modules.has(url)) modules.set(url, new vm.SourceTextModule(readFileSync(new URL(url), 'utf8'), { identifier: url }));
  return modules.get(url);
};
const other = () => new vm.SyntheticModule([], () => undefined);
const isFile = (name) => /^[.][.]?[/].*[.]m?js$/.test(name);
await read(process.argv[1]).link((name, by) => (isFile(name) ? read(new URL(name, by.identifier).href) : other()));
`;

/** `file:line`, if the text begins with such a line. */
function firstLine(text: string | undefined): string | undefined {
  const [, place, line] = /^(file:\/\/\S+|\/.*|[A-Za-z]:[\\/].*):(\d+)\r?\n/.exec(text ?? '') ?? [];
  if (place === undefined || line === undefined) return undefined;
  return `${place.startsWith('file://') ? fileURLToPath(place) : place}:${line}`;
}

function fromHere(place: string): string {
  const near = relative(process.cwd(), place);
  return near.startsWith('..') ? place : near;
}
