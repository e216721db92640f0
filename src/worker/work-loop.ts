/** A loop that works while there is work: one step at a time, woken by hints, backing off when a step fails. */
import type { Logger } from 'pino';

const maxBackOffMs = 5_000;

export interface WorkLoopOptions {
  /** `'more'`: step again at once; `'full'`: again when {@link WorkLoop.resume} says that there is room. */
  readonly step: () => Promise<'more' | 'enough' | 'full'>;
  readonly log: Logger;
  /** What it does, for the log. */
  readonly what: string;
}

export class WorkLoop {
  readonly #options: WorkLoopOptions;
  #woken = false;
  #full = false;
  /** Room came since the step under way began. */
  #roomCame = false;
  #stopped = false;
  #running: Promise<void> | undefined;
  #failures = 0;
  #endPause: (() => void) | undefined;

  constructor(options: WorkLoopOptions) {
    this.#options = options;
  }

  /** There may be work. Hints that arrive during a step lead to one more. */
  wake(): void {
    this.#woken = true;
    if (this.#stopped || this.#running) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#woken && !this.#stopped && !this.#full) this.wake();
    });
  }

  /** There is room again, for a loop that stopped because there was none, or is just finding that out. */
  resume(): void {
    this.#roomCame = true;
    if (!this.#full) return;
    this.#full = false;
    this.wake();
  }

  /** Resolves when no step is under way; there will be no other. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endPause?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      this.#roomCame = false;
      try {
        const result = await this.#options.step();
        this.#failures = 0;
        if (result === 'more') this.#woken = true;
        else if (result === 'full') {
          this.#full = !this.#roomCame;
          if (this.#full) return;
          this.#woken = true;
        }
      } catch (error) {
        this.#failures += 1;
        // One line for the first of a row and then rarely: a database that is away must not flood the log.
        if (this.#failures === 1 || this.#failures % 20 === 0) {
          this.#options.log.warn(
            { err: error, failures: this.#failures },
            `${this.#options.what} failed, trying again`,
          );
        }
        await this.#pause(Math.min(maxBackOffMs, 50 * 2 ** Math.min(this.#failures, 8)) * (0.5 + Math.random() / 2));
        this.#woken = true;
      }
    }
  }

  /** A stop ends it. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
