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
import { VersionedDefinitions, type Version } from '../../model/versions.ts';
import type { FunctionNames } from '../../model/work.ts';

/**
 * Definitions by name, without case, and version. Orchestrations, activities and entities have names of their own.
 */
export class FunctionRegistry {
  readonly names: FunctionNames;
  /** By name in lower case; only activities that have one. */
  readonly limits: ReadonlyMap<string, ActivityLimits>;
  readonly #orchestrations = new VersionedDefinitions<OrchestrationDefinition<never, unknown>>();
  readonly #activities = new VersionedDefinitions<ActivityDefinition<never, unknown>>();
  readonly #entities = new VersionedDefinitions<EntityFunction>();

  /**
   * @throws DurableError `InvalidArgument` when two different definitions have one name and version, TypeError for what is
   *   no definition
   */
  constructor(definitions: readonly FunctionDefinition[], builtIns: readonly FunctionDefinition[] = []) {
    for (const definition of [...builtIns, ...definitions]) {
      if (isFunctionDefinition(definition)) refuseBuiltInName(definition, builtIns);
      if (isOrchestration(definition)) add(this.#orchestrations, 'orchestrations', definition);
      else if (isActivity(definition)) add(this.#activities, 'activities', definition);
      else if (isEntity(definition)) add(this.#entities, 'entities', definition);
      else throw new TypeError('A function must be made by orchestration(…), activity(…) or entity(…).');
    }
    this.names = {
      orchestrators: this.#orchestrations.names,
      activities: this.#activities.names,
      entities: this.#entities.names,
    };
    this.limits = new Map(
      this.names.activities.flatMap((name) => {
        const limits = limitsOf(this.#activities.of(name));
        return limits === undefined ? [] : [[name.toLowerCase(), limits]];
      }),
    );
  }

  /** In whatever version. */
  hasOrchestration(name: string): boolean {
    return this.#orchestrations.of(name).length > 0;
  }

  orchestration(name: string, version: Version): OrchestrationDefinition<never, unknown> | undefined {
    return this.#orchestrations.find(name, version);
  }

  activity(name: string, version: Version): ActivityDefinition<never, unknown> | undefined {
    return this.#activities.find(name, version);
  }

  entity(name: string): EntityFunction | undefined {
    return this.#entities.find(name, undefined);
  }

  /** Whether there may be an orchestration that is registered, but not in the version of an instance. */
  get isSelective(): boolean {
    return this.#orchestrations.isSelective;
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

function add<T extends FunctionDefinition>(registered: VersionedDefinitions<T>, kind: string, definition: T): void {
  // The same definition may be exported by several modules.
  const before = registered.add(definition);
  if (before === undefined) return;
  const names = before.name === definition.name ? `'${before.name}'` : `'${before.name}' and '${definition.name}'`;
  const versions = 'version' in before && before.version !== undefined ? ` with the version '${before.version}'` : '';
  throw new DurableError(
    'InvalidArgument',
    `Two ${kind} are named ${names}${versions}. Names are compared without case; rename one of them${kind === 'entities' ? '' : ', or give it another version'}.`,
  );
}

/** The limits of an activity are those of its name: every version counts. */
function limitsOf(versions: readonly ActivityDefinition<never, unknown>[]): ActivityLimits | undefined {
  // One made by an older copy of this package has none.
  const [first = {}, ...others] = versions.map(({ limits }) => (limits as ActivityLimits | undefined) ?? {});
  const { maxConcurrentPerHub, maxConcurrentPerWorker } = first;
  const differs = others.some(
    (one) => one.maxConcurrentPerHub !== maxConcurrentPerHub || one.maxConcurrentPerWorker !== maxConcurrentPerWorker,
  );
  if (differs) {
    throw new DurableError(
      'InvalidArgument',
      `The versions of the activity '${versions[0]?.name ?? ''}' have different limits: give all of them the same.`,
    );
  }
  return Object.keys(first).length === 0 ? undefined : first;
}
