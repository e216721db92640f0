/** Times for people. */
import { inWords } from '../model/duration.ts';

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
