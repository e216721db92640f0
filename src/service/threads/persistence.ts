/** What must get into the database some time, whatever happens to it meanwhile: which lease has ended, and whose doing it was. */
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';

const maxBackOffMs = 5_000;

export class Persistence {
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Tries until it has worked, or until the end. Resolves then; never rejects. */
  async persist(what: string, work: () => Promise<unknown>): Promise<void> {
    const done = this.#persist(what, work);
    this.#underWay.add(done);
    await done;
    this.#underWay.delete(done);
  }

  async #persist(what: string, work: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; ; failures += 1) {
      try {
        await work();
        return;
      } catch (error) {
        if (failures === 0) this.#log.warn({ err: error }, `${what} failed, trying again`);
        if (signal.aborted) return;
        await delay(Math.min(maxBackOffMs, 50 * 2 ** failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Lets what is under way try once more. What does not get through is found when leases end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#underWay);
  }
}
