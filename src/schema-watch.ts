/** Ends the work of a process when a newer version has taken the tables over. */
import type { Logger } from 'pino';

/** Processes look this often at most, in ms. */
const minEveryMs = 1_000;

interface SchemaWatchOptions {
  /** Whether this version can go on, as was known at most `maxAgeMs` ago: workers learn it with their heartbeats. */
  readonly fits: (maxAgeMs: number) => Promise<boolean>;
  readonly onSuperseded: () => Promise<void>;
  readonly pollMs: number;
  readonly log: Logger;
}

export class SchemaWatch {
  readonly #options: SchemaWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: SchemaWatchOptions) {
    this.#options = options;
  }

  get #everyMs(): number {
    return Math.max(minEveryMs, this.#options.pollMs);
  }

  start(): void {
    const { log } = this.#options;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        // Who cannot reach the database says so elsewhere.
        .catch((error: unknown) => log.debug({ err: error }, 'the version of the schema could not be looked up'))
        .finally(() => this.start());
    }, this.#everyMs).unref();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { fits, onSuperseded, log } = this.#options;
    if (await fits(2 * this.#everyMs)) return;
    this.#isStopped = true;
    log.error(
      'a newer version of Perdure has upgraded the database, and this one cannot work with it: it stops working and answers 503. Replace this process (docs/upgrading.md)',
    );
    await onSuperseded();
  }
}
