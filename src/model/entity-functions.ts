/**
 * Definitions of entities, in three styles: a table of operations, a class, a single function as in `durable-functions`.
 * `core/replay/entity-runner.ts` runs them all alike.
 */
import { EntityId, type AnyOperations, type EntityOperations } from './entity-id.ts';
import { checkFunctionName } from './function-name.ts';
import { brand, type OrchestrationDefinition, type ReplaySafeLog } from './functions.ts';

/** What an operation of an entity gets beside its input. */
export interface EntityContext<State> {
  /**
   * The state: a copy of what is stored, or the initial state of an entity that has none. Assign it or change it; it is
   * stored when the operation has succeeded. `null` and `undefined` delete it.
   */
  state: State;
  readonly entityId: EntityId;
  /** In lower case. */
  readonly entityName: string;
  readonly entityKey: string;
  readonly operationName: string;
  /** Whether the entity had no state when the operation began. */
  readonly isNewlyConstructed: boolean;
  /** Deletes the state: the entity is gone, unless the operation assigns a state after this. */
  deleteState(): void;
  /**
   * Sends an operation to an entity, this one too, and expects no answer. It is sent only if this operation succeeds.
   * @throws TypeError for input that JSON cannot hold
   */
  signalEntity: SignalEntity;
  /**
   * Starts an orchestration if this operation succeeds; nobody waits for it. An instance that has the id already is left
   * alone, also one that has ended.
   * @returns its instance id
   * @throws TypeError for an id that no orchestration can have, or input that JSON cannot hold
   */
  startNew<Input>(
    orchestration: OrchestrationDefinition<Input, unknown> | string,
    options?: StartFromEntityOptions<Input>,
  ): string;
  readonly log: ReplaySafeLog;
}

/** Options of {@link EntityContext.startNew}. */
export interface StartFromEntityOptions<Input = unknown> {
  /** Default: 32 hex digits. */
  readonly instanceId?: string;
  readonly input?: Input;
  readonly version?: string;
  /** Do not run before this time. Default: at once. */
  readonly startAt?: Date;
}

/** Options of a signal. */
export interface SignalOptions {
  /** Do not deliver before this time; one in the past means at once. */
  readonly scheduledTime?: Date;
}

/** `(entity, operation, input?, options?)`, checked against the operations that the id knows of. */
export interface SignalEntity {
  <Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...rest: SignalArguments<Operations[Name]>
  ): void;
}

/** Input of an operation, then the options of a signal. */
export type SignalArguments<Operation extends (input: never) => unknown> =
  Parameters<Operation> extends []
    ? [input?: undefined, options?: SignalOptions]
    : [...input: Parameters<Operation>, options?: SignalOptions];

/** One operation of a table: changes `context.state`, and returns what the caller gets. */
type Operation<State> = (context: EntityContext<State>, input: never) => unknown;

/** The operations that callers see: the input, without the context. */
type Callable<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends (context: never, ...input: infer Input) => infer Output
    ? (...input: Input) => Awaited<Output>
    : never;
};

/** The methods of a class that callers see: the first parameter is the input, a second one the context. */
type CallableMethods<Instance> = {
  readonly [
    Name in keyof Instance as Instance[Name] extends (...args: never) => unknown ? Name : never
  ]: Instance[Name] extends (...args: infer Args) => infer Output ? (...input: First<Args>) => Awaited<Output> : never;
};
type First<Args extends readonly unknown[]> = Args extends []
  ? []
  : Args extends [infer Input, ...unknown[]]
    ? [input: Input]
    : Args extends [(infer Input)?, ...unknown[]]
      ? [input?: Input]
      : [];
type Fields<Instance> = {
  [Name in keyof Instance as Instance[Name] extends (...args: never) => unknown ? never : Name]: Instance[Name];
};

/** Definition by a table of operations. */
export interface OperationsDefinition<State, Table extends Readonly<Record<string, Operation<State>>>> {
  /** The state of an entity that has none, or what makes it. */
  readonly initialState: State | (() => State);
  readonly operations: Table;
}

/** What a function in the style of `durable-functions` gets. */
export interface EntityFunctionContext<State = unknown> {
  readonly df: DurableEntityContext<State>;
  readonly log: ReplaySafeLog;
}

/** `context.df` of `durable-functions`, for entities. */
export interface DurableEntityContext<State = unknown> {
  readonly entityId: EntityId;
  readonly entityName: string;
  readonly entityKey: string;
  readonly operationName: string | undefined;
  readonly isNewlyConstructed: boolean;
  getInput<Input = unknown>(): Input | undefined;
  /** The state, or what the initializer gives when there is none; that is stored only when it is set. */
  getState(initializer?: () => State): State | undefined;
  /** `null` and `undefined` delete the state. */
  setState(state: State | null | undefined): void;
  /** What the caller gets. */
  return(value: unknown): void;
  /** Deletes the state when the operation has succeeded. */
  destructOnExit(): void;
  signalEntity: SignalEntity;
}

/** A handler whose parameters fit into one registry whatever their types are. */
type Erased<Args extends readonly unknown[]> = { bivariant(...args: Args): unknown }['bivariant'];

/** How an entity is run. */
export type EntityStyle =
  | {
      readonly kind: 'operations';
      readonly initialState: () => unknown;
      readonly operations: Readonly<Record<string, Erased<[context: EntityContext<unknown>, input: unknown]>>>;
    }
  | { readonly kind: 'class'; readonly create: () => object }
  | { readonly kind: 'function'; readonly run: Erased<[context: EntityFunctionContext]> };

/** A definition as the registry sees it. */
export interface EntityFunction {
  readonly [brand]: 'entity';
  readonly name: string;
  readonly style: EntityStyle;
}

/** A definition that knows what its operations take and give. */
export interface EntityDefinition<
  Operations extends EntityOperations = AnyOperations,
  State = unknown,
> extends EntityFunction {
  /** The id of the entity with this key. @throws TypeError for a key that no entity can have */
  id(key: string): EntityId<Operations, State>;
}

/**
 * Defines an entity by a table of operations. They run one after the other; what one throws undoes what it has done.
 * Operations are found by name, without case if there is no exact match; `delete` deletes the state unless the table
 * has an operation of that name.
 * @param name what ids refer to; compared without case. 1 to 256 characters, none of `@ / \ # ?` or control characters
 * @throws TypeError for a bad name or definition
 */
export function entity<State, Table extends Readonly<Record<string, Operation<State>>>>(
  name: string,
  definition: OperationsDefinition<State, Table>,
): EntityDefinition<Callable<Table>, State>;
/**
 * Defines an entity by a class: its methods are the operations (those that begin with `_` are not), what JSON keeps of its
 * fields is the state. A method gets the input and a context.
 */
export function entity<Instance extends object>(
  name: string,
  entityClass: new () => Instance,
): EntityDefinition<CallableMethods<Instance>, Fields<Instance>>;
/** Defines an entity by one function for all operations, as in `durable-functions`. */
export function entity<State = unknown>(
  name: string,
  handler: (context: EntityFunctionContext<State>) => unknown,
): EntityDefinition<AnyOperations, State>;
export function entity(name: string, given: unknown): EntityDefinition {
  checkFunctionName('entity', name);
  if (name.includes('@')) throw new TypeError(`entity('${name}', …): the name must not contain the character '@'.`);
  return { [brand]: 'entity', name, style: styleOf(name, given), id: (key) => new EntityId(name, key) };
}

type Constructor = new () => object;
type Handler = (...args: never) => unknown;

function styleOf(name: string, given: unknown): EntityStyle {
  if (isClass(given)) return { kind: 'class', create: () => new given() };
  if (isFunction(given)) return { kind: 'function', run: given };
  if (typeof given === 'object' && given !== null && 'operations' in given && isTable(given.operations)) {
    const initial: unknown = 'initialState' in given ? given.initialState : undefined;
    return {
      kind: 'operations',
      // A value would be shared by all entities of the kind: none may change it for the others.
      initialState: isInitializer(initial) ? initial : () => structuredClone(initial),
      operations: given.operations,
    };
  }
  throw new TypeError(
    `entity('${name}', …): the second argument must be { initialState, operations: { … } }, a class, or a function.`,
  );
}

function isFunction(value: unknown): value is Handler {
  return typeof value === 'function';
}

function isInitializer(value: unknown): value is () => unknown {
  return isFunction(value);
}

function isClass(value: unknown): value is Constructor {
  return isFunction(value) && /^class\b/.test(Function.prototype.toString.call(value));
}

function isTable(value: unknown): value is Readonly<Record<string, Handler>> {
  return typeof value === 'object' && value !== null && Object.values(value).every(isFunction);
}
