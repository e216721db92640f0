/**
 * Remembers the workers that are gone: a thread that ends takes its counts along, and a sum that falls would look to
 * Prometheus like a restart of the whole process.
 */
import type { WorkerSnapshot } from '../worker/counters.ts';

/** Workers remembered one by one; those before them as one. */
const maxDeparted = 32;

const atRest = {
  ...{ ownedInstances: 0, cachedInstances: 0, turnsUnderWay: 0, activitiesRunning: 0, activitiesWaiting: 0 },
};

export class WorkerLedger {
  /** In the order in which they were last seen. */
  readonly #seen = new Map<string, WorkerSnapshot>();
  #past: WorkerSnapshot | undefined;

  /** @returns the workers that are there, and what those that are gone had counted when they were last seen */
  take(present: readonly WorkerSnapshot[]): readonly WorkerSnapshot[] {
    for (const snapshot of present) {
      this.#seen.delete(snapshot.id);
      // A copy: the counts of a worker in this thread go on.
      this.#seen.set(snapshot.id, structuredClone(snapshot));
    }
    const ids = new Set(present.map(({ id }) => id));
    const departed = [...this.#seen.values()].filter(({ id }) => !ids.has(id));
    for (const old of departed.splice(0, Math.max(0, departed.length - maxDeparted))) {
      this.#seen.delete(old.id);
      this.#past = this.#past === undefined ? old : added(this.#past, old);
    }
    const gone = this.#past === undefined ? departed : [this.#past, ...departed];
    return [...present, ...gone.map((snapshot) => ({ ...snapshot, ...atRest }))];
  }
}

/** The sum of two, number by number, whatever they are made of. */
function added(one: WorkerSnapshot, other: WorkerSnapshot): WorkerSnapshot {
  return addedValues(one, other) as WorkerSnapshot;
}

function addedValues(one: unknown, other: unknown): unknown {
  if (one === undefined) return other;
  if (other === undefined) return one;
  if (typeof one === 'number' && typeof other === 'number') return one + other;
  if (Array.isArray(one) && Array.isArray(other)) return one.map((value, at) => addedValues(value, other[at]));
  if (!isRecord(one) || !isRecord(other)) return one;
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(keys.map((key) => [key, addedValues(one[key], other[key])]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
