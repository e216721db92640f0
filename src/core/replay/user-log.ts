/** `ctx.log`, for orchestrators and activities: methods with levels, and a function as `context.log` of Azure Functions. */
import type { CallableLog, ReplaySafeLog } from '../../model/functions.ts';

type Fields = Readonly<Record<string, unknown>>;

/** @param write gets every line */
export function callableLog(
  write: (level: keyof ReplaySafeLog, message: string, fields: Fields | undefined) => void,
): CallableLog {
  const at =
    (level: keyof ReplaySafeLog): ReplaySafeLog['info'] =>
    (message, fields) =>
      write(level, message, fields);
  const log = (...values: readonly unknown[]): void => write('info', values.map(inWords).join(' '), undefined);
  return Object.assign(log, { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') });
}

/** A value in a line of text; never throws. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.stack ?? `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
