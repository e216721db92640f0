/** Durations as users write them, to milliseconds. */
import type { Duration } from './functions.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const simple = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
/** Years and months are left out: their length depends on the date they are added to. */
const iso8601 =
  /^P(?=[\dT])(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?=\d)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
const iso8601Ms = [604_800_000, 86_400_000, 3_600_000, 60_000, 1_000] as const;

/**
 * Whole milliseconds of a duration; a fraction is rounded up, so that nothing happens early.
 * @throws TypeError for anything that is not a duration
 */
export function parseDuration(duration: Duration): number {
  if (typeof duration === 'number') {
    if (Number.isFinite(duration) && duration >= 0) return Math.ceil(duration);
    throw new TypeError(`A duration must be a finite number of milliseconds, 0 or more; this one is ${duration}.`);
  }
  if (typeof duration !== 'string') {
    throw new TypeError(
      `A duration must be a number of milliseconds or a text such as '30s'; this is ${kindOf(duration)}.`,
    );
  }
  const [, amount, unit] = simple.exec(duration) ?? [];
  if (amount !== undefined && unit !== undefined) return toWholeMs(Number(amount) * (unitMs[unit] ?? 0));
  const parts = iso8601.exec(duration);
  if (parts !== null) {
    return toWholeMs(iso8601Ms.reduce((sum, ms, index) => sum + ms * Number(parts[index + 1] ?? 0), 0));
  }
  throw new TypeError(
    `'${duration}' is not a duration. Write milliseconds as a number, or a text such as '250ms', '30s', '15m', '24h', '7d' or 'PT24H'.`,
  );
}

/** 1.1 s is 1100.0000000000002 ms in binary: what lies below a microsecond is such an error, not a fraction. */
function toWholeMs(ms: number): number {
  return Math.ceil(Math.round(ms * 1_000) / 1_000);
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : `of type ${typeof value}`;
}

const largestFirst = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `850ms`, `12s`, `3m 20s`, `2d 4h`: the two largest units. */
export function inWords(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const at = largestFirst.findIndex(([, size]) => ms >= size);
  const [unit, size] = largestFirst[at] ?? ['s', 1_000];
  const next = largestFirst[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % size) / next[1]);
  const first = `${Math.floor(ms / size)}${unit}`;
  return next === undefined || rest === 0 ? first : `${first} ${rest}${next[0]}`;
}
