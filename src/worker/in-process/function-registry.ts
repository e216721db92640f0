import type { ActivityLimits } from '../../model/activity-limits.ts';
import { builtInPrefix } from '../../model/durable-http.ts';
import { DurableError } from '../../model/errors.ts';
import type { EntityFunction } from '../../model/entity-functions.ts';
import {
  isActivity,
  isEntity,
  isFunctionDefinition,
  isOrchestration,
  type ActivityDefinition,
  type FunctionDefinition,
  type OrchestrationDefinition,
} from '../../model/functions.ts';
import type { FunctionNames } from '../../model/work.ts';

/** Definitions by name, without case. Orchestrations, activities and entities have names of their own. */
export class FunctionRegistry {
  readonly names: FunctionNames;
  /** By name in lower case; only activities that have one. */
  readonly limits: ReadonlyMap<string, ActivityLimits>;
  readonly #orchestrations = new Map<string, OrchestrationDefinition<never, unknown>>();
  readonly #activities = new Map<string, ActivityDefinition<never, unknown>>();
  readonly #entities = new Map<string, EntityFunction>();

  /** @throws DurableError `InvalidArgument` when two different definitions have one name, TypeError for what is no definition */
  constructor(definitions: readonly FunctionDefinition[], builtIns: readonly FunctionDefinition[] = []) {
    for (const definition of [...builtIns, ...definitions]) {
      if (isFunctionDefinition(definition)) refuseBuiltInName(definition, builtIns);
      if (isOrchestration(definition)) add(this.#orchestrations, 'orchestrations', definition);
      else if (isActivity(definition)) add(this.#activities, 'activities', definition);
      else if (isEntity(definition)) add(this.#entities, 'entities', definition);
      else throw new TypeError('A function must be made by orchestration(…), activity(…) or entity(…).');
    }
    this.limits = new Map(
      [...this.#activities]
        // One made by an older copy of this package has none.
        .filter(([, { limits }]) => Object.keys(limits ?? {}).length > 0)
        .map(([key, { limits }]) => [key, limits]),
    );
    this.names = {
      orchestrators: namesOf(this.#orchestrations),
      activities: namesOf(this.#activities),
      entities: namesOf(this.#entities),
    };
  }

  orchestration(name: string): OrchestrationDefinition<never, unknown> | undefined {
    return this.#orchestrations.get(name.toLowerCase());
  }

  activity(name: string): ActivityDefinition<never, unknown> | undefined {
    return this.#activities.get(name.toLowerCase());
  }

  entity(name: string): EntityFunction | undefined {
    return this.#entities.get(name.toLowerCase());
  }
}

/** Every worker has the same functions of these names, so a claim for one of them may go to any. */
function refuseBuiltInName(definition: FunctionDefinition, builtIns: readonly FunctionDefinition[]): void {
  const isReserved = definition.name.toLowerCase().startsWith(builtInPrefix.toLowerCase());
  if (!isReserved || builtIns.includes(definition)) return;
  throw new DurableError(
    'InvalidArgument',
    `'${definition.name}' cannot be the name of a function: names that begin with ${builtInPrefix} belong to the engine.`,
  );
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
