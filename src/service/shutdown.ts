/** When the process is to end, and in which order its parts stop. */
import { constants } from 'node:os';
import type { Logger } from 'pino';

/** One Ctrl-C under npm arrives twice: from the terminal, and passed on by npm. */
const echoMs = 300;

/** The wish to end, from whoever has it. */
export interface Shutdown {
  /** Aborts with the first signal. */
  readonly signal: AbortSignal;
  /** Resolves with the first signal. */
  readonly requested: Promise<void>;
}

/**
 * Listens for signals, and logs errors that nobody caught. The first signal asks for an orderly end; a second one ends the
 * process at once, which loses nothing but time: unfinished work is taken over when its lease ends.
 */
export function listenForShutdown(logger: Logger): Shutdown {
  const controller = new AbortController();
  let firstSignalAt = -Infinity;
  const requested = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (performance.now() - firstSignalAt < echoMs) return;
        if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
        firstSignalAt = performance.now();
        logger.info({ signal: name }, 'stopping; a second signal ends at once');
        controller.abort();
        resolve();
      });
    }
    // A promise that user code forgot: its orchestration or activity has its own outcome, and others are not harmed.
    process.on('unhandledRejection', (reason) => {
      logger.error({ err: reason }, 'unhandled rejection in user code');
    });
    // A callback that user code left behind: what it belonged to has its own outcome, and what counts is in the
    // database (F42). Ending here would let one activity stop all others.
    process.on('uncaughtException', (error) => {
      logger.error({ err: error }, 'uncaught exception in user code');
    });
  });
  return { signal: controller.signal, requested };
}

/** The parts that run, stopped in the reverse order of their start. */
export class RunningParts {
  readonly #logger: Logger;
  readonly #parts: { readonly name: string; readonly stop: () => Promise<void> }[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(name: string, stop: () => Promise<void>): void {
    this.#parts.push({ name, stop });
  }

  /** Never rejects: a part that cannot stop must not keep the others running. */
  async stop(): Promise<void> {
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) {
      try {
        await part.stop();
      } catch (error) {
        this.#logger.error({ err: error, part: part.name }, 'a part did not stop cleanly');
      }
    }
  }
}
