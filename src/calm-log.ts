/** A log that says little while the database is away: everybody who needs it notices, again and again. */
import type { Logger } from 'pino';

/** A process has a thread or some, each with a log of its own, and together they say no more than a line a second. */
const defaultEveryMs = 5_000;

/**
 * The same logger, which lets through one warning of an outage in a while, with the number of those that it has kept back.
 * @param isOutage tells whether an error is one of an outage
 * @param everyMs the while, in ms. Default 5,000
 */
export function calmLog(logger: Logger, isOutage: (error: unknown) => boolean, everyMs = defaultEveryMs): Logger {
  let saidAt = -Infinity;
  let keptBack = 0;
  function warn(this: Logger, ...args: readonly unknown[]): void {
    const [fields] = args;
    const error = typeof fields === 'object' && fields !== null && 'err' in fields ? fields.err : undefined;
    const said = Reflect.apply.bind(undefined, logger.warn, this);
    if (!isOutage(error)) return void said(args);
    if (performance.now() - saidAt < everyMs) {
      keptBack += 1;
      return;
    }
    saidAt = performance.now();
    said(keptBack === 0 ? args : [{ ...(fields as object), keptBack }, ...args.slice(1)]);
    keptBack = 0;
  }
  return Object.create(logger, { warn: { value: warn } }) as Logger;
}

/** Keeps what is said until it is known to matter. */
export class HeldLog {
  #held: (() => void)[] | undefined = [];

  say(line: () => void): void {
    if (this.#held === undefined) line();
    else this.#held.push(line);
  }

  /** Says what was kept, and keeps nothing from now on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const line of held) line();
  }
}
