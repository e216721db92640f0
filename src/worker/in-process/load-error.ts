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
  return error instanceof SyntaxError ? askNode(url) : undefined;
}

/**
 * Where the grammar of a module, or of one that it imports, is broken, is told by Node only when it ends for it. None of its
 * code runs: a module is evaluated when all that it imports could be read.
 */
function askNode(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: maxAskMs };
    execFile(process.execPath, ['--eval', 'import(process.argv[1])', url], options, (_error, _out, said) => {
      const place = firstLine(said);
      resolve(place === undefined ? undefined : fromHere(place));
    });
  });
}

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
