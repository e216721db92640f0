/**
 * Bytes of a request to JSON text that is stored as it was sent. What cannot be kept unchanged is refused: bytes that
 * are not UTF-8, numbers that JavaScript reads as Infinity, keys and depths that break those who parse the text later.
 */
import { isUtf8 } from 'node:buffer';
import secureJson from 'secure-json-parse';
import { invalidJson, type Problem } from './problem.ts';

/** Enough for every honest document; parsers of other languages give up not far beyond. */
const maxDepth = 1_000;

/**
 * @returns the JSON text without outer white space, or `undefined` for a blank body
 * @throws Problem 400
 */
export function readJsonText(body: Buffer): string | undefined {
  if (body.length === 0) return undefined;
  if (!isUtf8(body)) throw invalidJson('The body is not valid UTF-8.');
  const decoded = body.toString('utf8');
  const text = (decoded.charCodeAt(0) === 0xfeff ? decoded.slice(1) : decoded).trim();
  if (text === '') return undefined;
  check(text);
  return text;
}

function check(text: string): void {
  // Before parsing, which takes long for such text. Each level takes two characters.
  if (text.length > 2 * maxDepth && isTooDeep(text)) {
    throw invalidJson(`The JSON is nested deeper than ${maxDepth} levels.`, 'JsonTooDeep');
  }
  const value = parse(text);
  if (typeof value === 'number' && !Number.isFinite(value)) throw tooLarge();
  if (typeof value !== 'object' || value === null) return;
  if (/__proto__|\\u00/i.test(text) && hasForbiddenKey(value)) {
    throw invalidJson("The JSON has an object with the key '__proto__'.", 'ForbiddenKey');
  }
  if (/[eE]\+?\d{3}|\d{200}/.test(text) && hasInfinity(value)) throw tooLarge();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // V8's message quotes the body.
    throw invalidJson('The body is not one complete JSON value.');
  }
}

function tooLarge(): Problem {
  return invalidJson('The JSON has a number that is too large for a 64-bit float.', 'NumberOutOfRange');
}

function hasForbiddenKey(value: object): boolean {
  return secureJson.scan(value, { protoAction: 'error', constructorAction: 'ignore', safe: true }) === null;
}

function hasInfinity(root: object): boolean {
  const rest: object[] = [root];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const values: readonly unknown[] = Object.values(next);
    for (const value of values) {
      if (value === Infinity || value === -Infinity) return true;
      if (typeof value === 'object' && value !== null) rest.push(value);
    }
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;

/** Counts brackets outside strings; the text need not be JSON. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
    } else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (code === 0x5d || code === 0x7d) {
      depth -= 1;
    }
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at;
}
