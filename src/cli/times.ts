/** Times and durations for people. */

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `850ms`, `12s`, `3m 20s`, `2d 4h`: the two largest units. */
export function inWords(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const at = units.findIndex(([, size]) => ms >= size);
  const [unit, size] = units[at] ?? ['s', 1_000];
  const next = units[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % size) / next[1]);
  const first = `${Math.floor(ms / size)}${unit}`;
  return next === undefined || rest === 0 ? first : `${first} ${rest}${next[0]}`;
}

/** `3m 20s ago`, `in 4h`. */
export function fromNow(time: Date, now = Date.now()): string {
  const ms = time.getTime() - now;
  if (Math.abs(ms) < 1_000) return 'now';
  return ms < 0 ? `${inWords(-ms)} ago` : `in ${inWords(ms)}`;
}

/** In the time zone of who looks: `2026-11-26 02:10:07`. */
export function localTime(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
