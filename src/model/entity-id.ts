/** Who an entity is: name and key, and the instance id that they make. */

/** What the operations of an entity take and give: `{ add: (amount: number) => void }`. */
export type EntityOperations = Readonly<Record<string, (input: never) => unknown>>;
/** Operations of an entity that is known by name only: any, with any input. */
export type AnyOperations = Readonly<Record<string, (input?: unknown) => unknown>>;

/** Name and key, whatever is known of the operations. */
export interface EntityAddress {
  readonly name: string;
  readonly key: string;
}

declare const operationTypes: unique symbol;
declare const stateType: unique symbol;

const maxIdLength = 256;

/** An id that knows the type of the entity's state. */
export interface EntityWithState<State> extends EntityAddress {
  readonly [stateType]?: StateType<State>;
}

/** Compared in both directions: the state of an id that knows nothing may be claimed to be anything. */
type StateType<State> = { bivariant(state: State): void }['bivariant'];

/**
 * Names one entity. `counter.id('a')`, from a definition, knows the types of its operations and state;
 * `new EntityId('Counter', 'a')` takes any.
 */
export class EntityId<Operations extends EntityOperations = AnyOperations, State = unknown> implements EntityAddress {
  /** For the compiler only: an id of one kind of entity is none of another. */
  declare readonly [operationTypes]?: (operations: Operations) => Operations;
  declare readonly [stateType]?: StateType<State>;
  /** In lower case: names are compared without case. */
  readonly name: string;
  /** As it was given: keys are compared with case. May be empty. */
  readonly key: string;

  /** @throws TypeError when no entity can have this name or key */
  constructor(name: string, key: string) {
    const problem = entityIdProblem(name, key);
    if (problem !== null) throw new TypeError(problem);
    this.name = name.toLowerCase();
    this.key = key;
  }

  /** The instance id: `@name@key`. */
  toString(): string {
    return entityInstanceId(this);
  }
}

/** The instance id of an entity. */
export function entityInstanceId({ name, key }: EntityAddress): string {
  return `@${name.toLowerCase()}@${key}`;
}

/** Whether an instance id is that of an entity. */
export function isEntityInstanceId(instanceId: string): boolean {
  return instanceId.startsWith('@');
}

/** The entity that an instance id names, `undefined` when it names none. The key may hold `@`. */
export function parseEntityId(instanceId: string): EntityId | undefined {
  const at = instanceId.indexOf('@', 1);
  if (!isEntityInstanceId(instanceId) || at < 0) return undefined;
  const [name, key] = [instanceId.slice(1, at), instanceId.slice(at + 1)];
  return entityIdProblem(name, key) === null ? new EntityId(name, key) : undefined;
}

/** The name under which an entity's execution is claimed: one that no orchestration can have. */
export function entityExecutionName(name: string): string {
  return `@${name.toLowerCase()}`;
}

/**
 * Says what is wrong with an entity's name and key, or `null` when they may be used. A name is not empty and has no `@`;
 * both have none of `/ \ # ?` and no control characters; the instance id has at most 256 UTF-16 units.
 */
export function entityIdProblem(name: unknown, key: unknown): string | null {
  if (typeof name !== 'string' || name === '') return 'The name of an entity must be a text that is not empty.';
  if (typeof key !== 'string') return 'The key of an entity must be a text.';
  if (name.includes('@')) return "The name of an entity must not contain the character '@'.";
  if (/[/\\#?\p{Cc}]/u.test(name + key)) {
    return 'Name and key of an entity must not contain any of the characters / \\ # ? or control characters.';
  }
  if (!name.isWellFormed() || !key.isWellFormed()) return 'Name and key of an entity must be well-formed Unicode.';
  const { length } = entityInstanceId({ name, key });
  return length > maxIdLength
    ? `Name and key of an entity must have at most ${maxIdLength - 2} characters together; these have ${length - 2}.`
    : null;
}
