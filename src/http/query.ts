/**
 * Reads query strings the way the real service does (http-api.md 1.4): names without regard to case, parts without `=`
 * ignored, forms decoded leniently (`100% sure` stays as it is). Where that service drops what it cannot parse, this one
 * answers 400, because a dropped filter lists or purges more than was meant. Of a repeated value the last one wins.
 */
import { DurableError } from '../model/errors.ts';
import { parseInstant } from './instants.ts';

/** The parameters of one request. */
export class Query {
  static readonly empty: Query = new Query([]);

  readonly #parts: readonly Part[];

  private constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  /** Never throws; values are decoded when they are read. */
  static parse(text: string): Query {
    if (text === '') return Query.empty;
    const parts: Part[] = [];
    for (const part of text.split('&')) {
      const equals = part.indexOf('=');
      // A bare `showHistory` is stored under the empty name by the real service, so it does nothing.
      if (equals <= 0) continue;
      parts.push({ name: decodeForm(part.slice(0, equals)).trim().toLowerCase(), raw: part.slice(equals + 1) });
    }
    return new Query(parts);
  }

  /** The value as sent, `''` included. Never throws. */
  raw(name: string): string | undefined {
    const key = name.toLowerCase();
    const part = this.#parts.findLast((one) => one.name === key);
    return part === undefined ? undefined : decodeForm(part.raw);
  }

  /** @throws DurableError `InvalidArgument` when the value holds U+0000, which Postgres cannot store */
  text(name: string): string | undefined {
    const text = this.raw(name);
    return text === undefined ? undefined : storable(name, text);
  }

  /** The value without outer blanks; blank counts as absent. */
  value(name: string): string | undefined {
    return this.text(name)?.trim() || undefined;
  }

  /** The values of all repetitions, split at commas; blank ones left out. */
  list(name: string): readonly string[] {
    const key = name.toLowerCase();
    return this.#parts
      .filter((one) => one.name === key)
      .flatMap((one) => storable(name, decodeForm(one.raw)).split(','))
      .map((one) => one.trim())
      .filter((one) => one !== '');
  }

  /** The values of all repetitions, as sent. */
  all(name: string): readonly string[] {
    const key = name.toLowerCase();
    return this.#parts.filter((one) => one.name === key).map((one) => storable(name, decodeForm(one.raw)));
  }

  /** `true` or `false` in any case; anything else (`1`, `yes`) is ignored, as in the real service. */
  flag(name: string, fallback: boolean): boolean {
    const word = this.value(name)?.toLowerCase();
    return word === 'true' ? true : word === 'false' ? false : fallback;
  }

  /** As {@link flag}, but refuses anything else: for switches where a wrong guess is costly. */
  strictFlag(name: string, fallback: boolean): boolean {
    const word = this.value(name)?.toLowerCase();
    if (word === undefined) return fallback;
    if (word !== 'true' && word !== 'false') throw invalid(name, "'true' or 'false'");
    return word === 'true';
  }

  /** A 32-bit integer. */
  integer(name: string): number | undefined {
    const word = this.value(name);
    if (word === undefined) return undefined;
    const number = /^[+-]?\d+$/.test(word) ? Number(word) : Number.NaN;
    if (!(Math.abs(number) <= 2_147_483_647)) throw invalid(name, 'an integer');
    return number;
  }

  /** Decimal seconds; not negative, and no longer than .NET's TimeSpan. */
  seconds(name: string): number | undefined {
    const word = this.value(name);
    if (word === undefined) return undefined;
    const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(word) ? Number(word) : Number.NaN;
    if (!(number >= 0 && number <= 922_337_203_685)) throw invalid(name, 'a number of seconds');
    return number;
  }

  /** A date, or date and time. */
  instant(name: string): Date | undefined {
    const word = this.value(name);
    if (word === undefined) return undefined;
    const instant = parseInstant(word);
    if (instant === undefined) throw invalid(name, 'an ISO 8601 date, or date and time');
    return instant;
  }
}

interface Part {
  readonly name: string;
  readonly raw: string;
}

function invalid(name: string, expected: string): DurableError {
  return new DurableError('InvalidArgument', `The query parameter '${name}' must be ${expected}.`);
}

function storable(name: string, text: string): string {
  if (text.includes('\0')) throw invalid(name, 'text without the character U+0000');
  return text;
}

/** Form decoding that leaves illegal escapes as they are. */
function decodeForm(raw: string): string {
  const spaced = raw.includes('+') ? raw.replaceAll('+', ' ') : raw;
  return spaced.includes('%') ? decodeLeniently(spaced) : spaced;
}

function decodeLeniently(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
      try {
        return decodeURIComponent(run);
      } catch {
        return run;
      }
    });
  }
}
