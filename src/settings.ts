/** Reads single settings: what is allowed, and what an error says. `config.ts` knows which there are. */
import { readFileSync } from 'node:fs';
import { versionProblem } from './model/instance.ts';

/** A setting that cannot be used. The message is one line that names flag and variable and says what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A value with the names that an error has to mention. */
export interface Setting {
  readonly text: string | undefined;
  readonly names: string;
}

export function setting(env: Environment, flag: string, given: string | undefined, variable: string): Setting {
  // An empty variable is how a compose file says "not set"; an empty flag is a mistake that its parser below reports.
  return { text: given ?? (env[variable] || undefined), names: `${flag} (${variable})` };
}

/** Like a setting, or the content of the file that `<variable>_FILE` names. */
export function secret(
  env: Environment,
  flag: string,
  given: string | undefined,
  variable: string,
): string | undefined {
  const { text, names } = setting(env, flag, given, variable);
  const file = env[`${variable}_FILE`];
  if (text !== undefined && text.trim() === '') throw new ConfigError(`${names} must not be empty.`);
  if (text !== undefined || !file) return text;
  const content = readSecret(file, variable).replace(/\r?\n$/, '');
  if (content === '') throw new ConfigError(`${variable}_FILE names an empty file: ${file}.`);
  return content;
}

function readSecret(file: string, variable: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${variable}_FILE names a file that cannot be read: ${file}.`, { cause });
  }
}

export function integer(
  { text, names }: Setting,
  range: { readonly from: number; readonly to: number; readonly default: number },
): number {
  if (text === undefined) return range.default;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= range.from && value <= range.to) return value;
  throw new ConfigError(`${names} must be a whole number from ${range.from} to ${range.to}, not '${text}'.`);
}

/** Separated by commas or spaces. */
export function list({ text = '' }: Setting): readonly string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '');
}

export function oneOf<T extends string>({ text, names }: Setting, allowed: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new ConfigError(`${names} must be one of ${allowed.join(', ')}, not '${text}'.`);
  return found;
}

/** `undefined`: as is found out. */
export function automatic(given: Setting): boolean | undefined {
  const chosen = oneOf(given, ['auto', 'on', 'off']) ?? 'auto';
  return chosen === 'auto' ? undefined : chosen === 'on';
}

/** The version of orchestrations. */
export function versionText(given: Setting): Setting {
  const problem = given.text === undefined ? null : versionProblem(given.text);
  if (problem === null) return given;
  throw new ConfigError(`${given.names}: ${problem}`);
}

/** The value itself may hold a password, so it is not repeated in the error. */
export function databaseUrl({ text, names }: Setting): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'postgres:' || url?.protocol === 'postgresql:') return text;
  throw new ConfigError(`${names} must be a URL such as postgres://user:password@host:5432/database.`);
}

export function publicUrl({ text, names }: Setting): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isBase = url && (url.protocol === 'http:' || url.protocol === 'https:') && !url.search && !url.hash;
  if (isBase) return url.href.replace(/\/+$/, '');
  throw new ConfigError(
    `${names} must be an http or https URL without query, such as https://example.org, not '${text}'.`,
  );
}

export function flag(env: Environment, name: string, given: boolean | undefined, variable: string): boolean {
  const { text, names } = setting(env, name, given === undefined ? undefined : `${given}`, variable);
  if (text === undefined || text === 'false' || text === '0') return false;
  if (text === 'true' || text === '1') return true;
  throw new ConfigError(`${names} must be true or false, not '${text}'.`);
}

export const dayMs = 86_400_000;
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: dayMs };

/** In ms; 0 needs no unit. */
export function duration({ text, names }: Setting, fallback: number): number {
  if (text === undefined) return fallback;
  if (text === '0') return 0;
  const [, number = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(number) * (unitMs[unit] ?? Number.NaN);
  if (ms > 0 && ms <= 100 * 366 * dayMs) return ms;
  throw new ConfigError(`${names} must be a time such as 30m, 24h or 90d, not '${text}'.`);
}

/**
 * A time such as `30m`, `24h` or `90d`, in ms.
 * @throws ConfigError
 */
export function readDuration(flagName: string, text: string): number {
  return duration({ text, names: flagName }, 0);
}

export function linkTtl(given: Setting): number {
  const ms = duration(given, 7 * dayMs);
  if (ms > 0 && ms <= 366 * dayMs) return ms;
  throw new ConfigError(`${given.names} must be a time from 1s to 366d, not '${given.text}'.`);
}

/** The flag alone is `true`. Which entries are addresses is checked where they are used. */
export function trustProxy({ text, names }: Setting): boolean | number | readonly string[] {
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const entries = text.split(',').map((entry) => entry.trim());
  const readable = /^(?:loopback|linklocal|uniquelocal|[\da-f.:]+(?:\/\d{1,3})?)$/i;
  if (entries.every((entry) => readable.test(entry))) return entries;
  throw new ConfigError(
    `${names} must be true, false, a number of proxies, or addresses such as 10.0.0.0/8,loopback, not '${text}'.`,
  );
}

export function origins({ text, names }: Setting): readonly string[] {
  const entries = text?.split(',').map((entry) => entry.trim().replace(/\/$/, '')) ?? [];
  const wrong = entries.find((entry) => entry !== '*' && (!URL.canParse(entry) || new URL(entry).origin !== entry));
  if (wrong === undefined) return entries;
  throw new ConfigError(
    `${names} must be origins such as https://app.example,http://localhost:3000, or *, not '${wrong}'.`,
  );
}

/** Whether only this machine can reach an address. Names other than localhost may resolve to anything. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
