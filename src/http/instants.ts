/**
 * ISO 8601 as the clients of this API write it: JavaScript with three fraction digits, Python with six and without
 * leading zeros in the year, .NET with seven. A blank stands for the `+` of an offset that form decoding ate.
 */
const pattern =
  /^(\d{1,4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,7}))?)?(\s?Z|\s?[-+]\d\d(?::?\d\d)?|\s\d\d(?::?\d\d)?)?)?$/i;

const minute = 60_000;
/** Years before 1 are no `timestamptz` that everybody can read. */
const earliest = new Date(0).setUTCFullYear(1, 0, 1);

/** @returns the instant, or `undefined` when the text is none (30 February is none) */
export function parseInstant(text: string): Date | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, year = '', month = '', day = '', hour = '0', minutes = '0', seconds = '0', fraction = '', zone] = match;
  const offset = offsetOf(zone);
  if (Number(hour) > 23 || Number(minutes) > 59 || Number(seconds) > 59 || offset === undefined) return undefined;
  const time = dayOf(Number(year), Number(month), Number(day));
  if (time === undefined) return undefined;
  // Cut, not rounded: the client counts an instance as created in the whole of its millisecond.
  const millisecond = Number(fraction.padEnd(3, '0').slice(0, 3));
  const ofDay = ((Number(hour) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000 + millisecond;
  return new Date(Math.max(earliest, time + ofDay - offset * minute));
}

/** Milliseconds of the day's start, or `undefined` when the calendar has no such day. */
function dayOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return year >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : undefined;
}

/** Minutes east of UTC. */
function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined || /z$/i.test(zone)) return 0;
  const digits = zone.replace(/\D/g, '').padEnd(4, '0');
  const hours = Number(digits.slice(0, 2));
  const minutes = Number(digits.slice(2));
  if (hours > 23 || minutes > 59) return undefined;
  return (hours * 60 + minutes) * (zone.trim().startsWith('-') ? -1 : 1);
}
