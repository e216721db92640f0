/** Looks again and again. */
import { Option } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import type { Surroundings } from './surroundings.ts';
import { duration } from './values.ts';

const defaultEveryMs = 2_000;

/** `--watch`, alone or with a time; its value is milliseconds or `true`. */
export function watchOption(what: string): Option {
  return new Option('--watch [every]', `${what}, every 2s or as often as said, until Ctrl-C`).argParser(duration);
}

/**
 * Shows something once, or with `--watch` until Ctrl-C or until there is nothing more to come. On a terminal each look takes
 * the place of the one before; elsewhere only a look that differs is written.
 * @param look writes to the surroundings it is given, and says whether there is more to come
 */
export async function look(
  at: Surroundings,
  watch: number | true | undefined,
  show: (at: Surroundings) => Promise<boolean>,
): Promise<void> {
  if (watch === undefined) {
    await show(at);
    return;
  }
  const everyMs = watch === true ? defaultEveryMs : Math.max(100, watch);
  let before = '';
  while (!at.signal.aborted) {
    const parts: string[] = [];
    const { isTTY, columns } = at.stdout;
    const stdout = {
      write: (text: string) => parts.push(text),
      ...(isTTY === undefined ? {} : { isTTY }),
      ...(columns === undefined ? {} : { columns }),
    };
    const more = await show({ ...at, stdout });
    const text = parts.join('');
    if (isTTY === true) at.stdout.write(`${clearScreen}${text}`);
    else if (text !== before) at.stdout.write(text);
    before = text;
    if (!more) return;
    await delay(everyMs, undefined, { signal: at.signal }).catch(() => undefined);
  }
}

/** Cursor home, and what is below it away: without the flicker of a whole clear. */
const clearScreen = '\u001b[H\u001b[J';
