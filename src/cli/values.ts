/** Values as they stand on a command line. */
import { readFile } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../model/duration.ts';
import { runtimeStatuses, type RuntimeStatus, type Tags } from '../model/instance.ts';
import { CliError, exitCodes } from './exit.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * JSON text, kept as it is: given itself, as `@file`, or as `-` for the standard input.
 * @throws CliError for what cannot be read, or is no JSON
 */
export async function readJsonText(
  at: Surroundings,
  flag: string,
  given: string | undefined,
): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const text = (await readText(at, flag, given)).trim();
  try {
    JSON.parse(text);
  } catch (cause) {
    const hint = /^[\w-]+$/.test(text) ? ` A text is written with its quotes: ${flag} '"${text}"'.` : '';
    throw new CliError(exitCodes.usage, `what ${flag} gives is no JSON.${hint}`, { cause });
  }
  return text;
}

async function readText(at: Surroundings, flag: string, given: string): Promise<string> {
  if (given === '-') {
    const parts: Buffer[] = [];
    for await (const part of at.stdin) parts.push(Buffer.from(part));
    return Buffer.concat(parts).toString('utf8');
  }
  if (!given.startsWith('@')) return given;
  const path = given.slice(1);
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CliError(exitCodes.usage, `the file ${path} of ${flag} cannot be read.`, { cause });
  });
}

export function statusList(text: string): readonly RuntimeStatus[] {
  return text.split(',').map((word) => {
    const found = runtimeStatuses.find((status) => status.toLowerCase() === word.trim().toLowerCase());
    if (found === undefined) throw new InvalidArgumentError(`Statuses are ${runtimeStatuses.join(', ')}.`);
    return found;
  });
}

export function tag(text: string, before: Tags = {}): Tags {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('A tag is written name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function count(text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, 1 or more.');
}

/** Milliseconds. */
export function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new InvalidArgumentError("It must be a time such as '30s', '15m', '24h' or '7d'.");
  }
}

/** A time of ISO 8601, or how long ago. */
export function past(text: string): Date {
  return instant(text, -1);
}

/** A time of ISO 8601, or in how long. */
export function future(text: string): Date {
  return instant(text, 1);
}

function instant(text: string, direction: 1 | -1): Date {
  if (/^\d{4}-/.test(text)) {
    const time = new Date(text);
    if (!Number.isNaN(time.getTime())) return time;
  }
  try {
    return new Date(Date.now() + direction * parseDuration(text));
  } catch {
    throw new InvalidArgumentError("It must be a time such as '2030-01-31T08:00:00Z', or a duration such as '2h'.");
  }
}
