import { DurableError } from '../../model/errors.ts';
import {
  isActivity,
  isOrchestration,
  type ActivityDefinition,
  type FunctionDefinition,
  type OrchestrationDefinition,
} from '../../model/functions.ts';
import type { FunctionNames } from '../../model/work.ts';

/** Definitions by name, without case. Orchestrations and activities have names of their own. */
export class FunctionRegistry {
  readonly names: FunctionNames;
  readonly #orchestrations = new Map<string, OrchestrationDefinition<never, unknown>>();
  readonly #activities = new Map<string, ActivityDefinition<never, unknown>>();

  /** @throws DurableError `InvalidArgument` when two different definitions have one name, TypeError for what is no definition */
  constructor(definitions: readonly FunctionDefinition[]) {
    for (const definition of definitions) {
      if (isOrchestration(definition)) add(this.#orchestrations, 'orchestrations', definition);
      else if (isActivity(definition)) add(this.#activities, 'activities', definition);
      else throw new TypeError('A function must be made by orchestration(…) or activity(…).');
    }
    this.names = { orchestrators: namesOf(this.#orchestrations), activities: namesOf(this.#activities) };
  }

  orchestration(name: string): OrchestrationDefinition<never, unknown> | undefined {
    return this.#orchestrations.get(name.toLowerCase());
  }

  activity(name: string): ActivityDefinition<never, unknown> | undefined {
    return this.#activities.get(name.toLowerCase());
  }
}

function add<T extends FunctionDefinition>(registered: Map<string, T>, kind: string, definition: T): void {
  const key = definition.name.toLowerCase();
  const before = registered.get(key);
  // The same definition may be exported by several modules.
  if (before !== undefined && before !== definition) {
    const names = before.name === definition.name ? `'${before.name}'` : `'${before.name}' and '${definition.name}'`;
    throw new DurableError(
      'InvalidArgument',
      `Two ${kind} are named ${names}. Names are compared without case; rename one of them.`,
    );
  }
  registered.set(key, definition);
}

function namesOf(registered: ReadonlyMap<string, FunctionDefinition>): readonly string[] {
  return [...registered.values()].map((definition) => definition.name);
}
