/**
 * Runs the operations of an entity's batch against its state, whatever the style of its definition. What an operation
 * changes counts only when it has succeeded: one that throws leaves state and outgoing messages as they were (engine.md
 * 8.4). Synchronous: whoever awaits user code does so between `begin` and `end` (`worker/in-process`).
 */
import { parseEntityId, type EntityId } from '../../model/entity-id.ts';
import type { EntityFunction, EntityStyle } from '../../model/entity-functions.ts';
import type { EntityBatch, EntityOperation, OperationOutcome } from '../../model/entity-work.ts';
import { toFailure } from '../../model/failure.ts';
import type { ReplaySafeLog } from '../../model/functions.ts';
import type { Payload } from '../../model/history.ts';
import { assertNever } from '../../model/errors.ts';
import { EntityOperationContext } from './entity-context.ts';
import { toPayload } from './payload.ts';

/** One operation under way. */
export interface RunningOperation {
  /** Calls user code: the result, or a promise of it. Throws what that throws. */
  call(): unknown;
  /** The operation returned this: keeps what it changed, unless that cannot be stored. */
  succeed(result: unknown): OperationOutcome;
  /** It threw this: what it changed is forgotten. */
  fail(error: unknown): OperationOutcome;
}

export interface EntityRunOptions {
  readonly definition: EntityFunction;
  readonly batch: EntityBatch;
  readonly log: (operation: string) => ReplaySafeLog;
}

export class EntityRun {
  readonly #definition: EntityFunction;
  readonly #entityId: EntityId;
  readonly #log: EntityRunOptions['log'];
  #state: Payload;

  constructor({ definition, batch, log }: EntityRunOptions) {
    const entityId = parseEntityId(batch.instanceId);
    if (entityId === undefined) throw new Error(`'${batch.instanceId}' is not the id of an entity.`);
    this.#definition = definition;
    this.#entityId = entityId;
    this.#log = log;
    this.#state = batch.state ?? undefined;
  }

  /** After the operations so far; `null`: there is none. */
  get state(): string | null {
    return this.#state ?? null;
  }

  /** Begins the next operation; the one before has ended. */
  begin(operation: EntityOperation): RunningOperation {
    const { style } = this.#definition;
    const context = new EntityOperationContext({
      entityId: this.#entityId,
      operation,
      stored: this.#state,
      initialState: initialStateOf(style),
      log: this.#log(operation.operation),
    });
    const what = `operation '${operation.operation}' of entity '${this.#definition.name}'`;
    return {
      call: () => perform(this.#definition, context),
      succeed: (returned) => {
        try {
          const result = toPayload(style.kind === 'function' ? context.returned : returned, `the result of ${what}`);
          this.#state = context.close(`the state of entity '${this.#definition.name}'`);
          return {
            kind: 'completed',
            actions: context.actions,
            ...(result === undefined ? {} : { result }),
          };
        } catch (error) {
          return failed(context, error);
        }
      },
      fail: (error) => failed(context, error),
    };
  }
}

function failed(context: EntityOperationContext, error: unknown): OperationOutcome {
  context.abandon();
  return { kind: 'failed', failure: toFailure(error) };
}

function initialStateOf(style: EntityStyle): () => unknown {
  switch (style.kind) {
    case 'operations':
      return style.initialState;
    case 'class':
      return style.create;
    case 'function':
      return () => undefined;
    default:
      return assertNever(style);
  }
}

function perform({ name, style }: EntityFunction, context: EntityOperationContext): unknown {
  const { operationName } = context;
  switch (style.kind) {
    case 'operations': {
      const found = findName(operationName, Object.keys(style.operations));
      const operation = found === undefined ? undefined : style.operations[found];
      if (operation !== undefined) return operation(context, context.input());
      return withoutOperation(name, context, Object.keys(style.operations));
    }
    case 'class': {
      const instance = context.instanceOf(style.create);
      const methods = methodsOf(instance);
      const found = findName(operationName, methods);
      const method: unknown = found === undefined ? undefined : Reflect.get(instance, found);
      if (typeof method === 'function') return Reflect.apply(method, instance, [context.input(), context]);
      return withoutOperation(name, context, methods);
    }
    case 'function':
      return style.run(context.asFunctionContext());
    default:
      return assertNever(style);
  }
}

/** `delete` works for every entity that has no operation of that name. */
function withoutOperation(name: string, context: EntityOperationContext, known: readonly string[]): void {
  if (context.operationName.toLowerCase() !== 'delete') {
    throw new TypeError(
      `Entity '${name}' has no operation '${context.operationName}'. Its operations: ${known.join(', ') || 'none'}.`,
    );
  }
  context.deleteState();
}

/** The exact name, else one that is the same without case. */
function findName(wanted: string, names: readonly string[]): string | undefined {
  if (names.includes(wanted)) return wanted;
  const folded = wanted.toLowerCase();
  return names.find((name) => name.toLowerCase() === folded);
}

/** Methods of a class and of those it extends; not what every object has, nor names that begin with `_`. */
function methodsOf(instance: object): readonly string[] {
  const names: string[] = [];
  let prototype: unknown = Object.getPrototypeOf(instance);
  while (typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      const isOperation = typeof property.value === 'function' && name !== 'constructor' && !name.startsWith('_');
      if (isOperation && !names.includes(name)) names.push(name);
    }
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}
