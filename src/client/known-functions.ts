/** Which orchestrators can be started: those of live workers, asked for at most every second (decision 25). */
import { DurableError } from '../model/errors.ts';
import type { FunctionNames } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';

const freshMs = 1_000;

interface Known {
  readonly names: Promise<FunctionNames | undefined>;
  readonly askedAt: number;
}

export class KnownFunctions {
  readonly #store: ClientStore;
  readonly #hubs = new Map<number, Known>();

  constructor(store: ClientStore) {
    this.#store = store;
  }

  /** @throws DurableError `OrchestratorNotRegistered` when live workers are known and none lists the name */
  async checkOrchestrator(hubId: number, name: string): Promise<void> {
    const known = this.#hubs.get(hubId);
    if (known && (await has(known, name))) return;
    if (known && performance.now() - known.askedAt < freshMs) return refuse(name, await known.names);
    const asked: Known = { names: this.#store.liveFunctionNames(hubId), askedAt: performance.now() };
    this.#hubs.set(hubId, asked);
    asked.names.catch(() => this.#hubs.delete(hubId));
    if (!(await has(asked, name))) refuse(name, await asked.names);
  }
}

async function has(asked: Known, name: string): Promise<boolean> {
  const names = await asked.names;
  const wanted = name.toLowerCase();
  return names?.orchestrators.some((known) => known.toLowerCase() === wanted) === true;
}

function refuse(name: string, names: FunctionNames | undefined): void {
  // No live worker is known: one that registers it may be on its way.
  if (names === undefined) return;
  throw new DurableError(
    'OrchestratorNotRegistered',
    `The function '${name}' doesn't exist, is disabled, or is not an orchestrator function. ` +
      `Orchestrators of the live workers: ${names.orchestrators.join(', ') || 'none'}.`,
  );
}
