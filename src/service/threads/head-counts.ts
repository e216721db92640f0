/** Asks whoever runs workers elsewhere (a thread, a process) what they have counted, and does not wait long for it. */
import type { WorkerSnapshot } from '../../worker/counters.ts';

const timeoutMs = 1_000;

export class HeadCounts {
  #nextId = 0;
  readonly #asked = new Map<number, (snapshots: readonly WorkerSnapshot[]) => void>();

  /** @param send sends the question under this id @returns nothing when no answer comes in time */
  ask(send: (id: number) => void): Promise<readonly WorkerSnapshot[]> {
    this.#nextId += 1;
    const id = this.#nextId;
    return new Promise((resolve) => {
      const done = (snapshots: readonly WorkerSnapshot[]): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(snapshots);
      };
      const timer = setTimeout(() => done([]), timeoutMs);
      this.#asked.set(id, done);
      send(id);
    });
  }

  answer(id: number, snapshots: readonly WorkerSnapshot[]): void {
    this.#asked.get(id)?.(snapshots);
  }

  /** Nobody answers any more. */
  letGo(): void {
    for (const done of [...this.#asked.values()]) done([]);
  }
}
