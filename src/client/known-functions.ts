/** Which orchestrators can be started and which entities signalled: those of live workers, asked for at most every second (decision 25). */
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
    const names = await this.#unknown(hubId, name, 'orchestrators');
    if (names === undefined) return;
    throw new DurableError(
      'OrchestratorNotRegistered',
      `The function '${name}' doesn't exist, is disabled, or is not an orchestrator function. ` +
        `Orchestrators of the live workers: ${names.orchestrators.join(', ') || 'none'}.`,
    );
  }

  /** @throws DurableError `EntityNotRegistered` when live workers are known and none lists the name */
  async checkEntity(hubId: number, name: string): Promise<void> {
    const names = await this.#unknown(hubId, name, 'entities');
    if (names === undefined) return;
    throw new DurableError(
      'EntityNotRegistered',
      `The function '${name}' doesn't exist, is disabled, or is not an entity function. ` +
        `Entities of the live workers: ${names.entities.join(', ') || 'none'}.`,
    );
  }

  /**
   * The names that are known when the one wanted is not among them. `undefined` when it is, or when no live worker is
   * known: one that registers it may be on its way.
   */
  async #unknown(hubId: number, name: string, kind: 'orchestrators' | 'entities'): Promise<FunctionNames | undefined> {
    const has = (names: FunctionNames | undefined): boolean =>
      names?.[kind].some((known) => known.toLowerCase() === name.toLowerCase()) === true;
    const known = this.#hubs.get(hubId);
    if (known !== undefined) {
      const names = await known.names;
      if (has(names)) return undefined;
      if (performance.now() - known.askedAt < freshMs) return names;
    }
    const asked: Known = { names: this.#store.liveFunctionNames(hubId), askedAt: performance.now() };
    this.#hubs.set(hubId, asked);
    asked.names.catch(() => this.#hubs.delete(hubId));
    const names = await asked.names;
    return has(names) ? undefined : names;
  }
}
