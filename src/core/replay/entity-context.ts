/** What an operation of an entity sees: the state, and ways to act elsewhere. One for each operation. */
import { entityInstanceId, isEntityInstanceId, type EntityAddress, type EntityId } from '../../model/entity-id.ts';
import type { EntityContext, EntityFunctionContext, StartFromEntityOptions } from '../../model/entity-functions.ts';
import type { EntityAction, EntityOperation, EntitySignal } from '../../model/entity-work.ts';
import { isOrchestration, type OrchestrationDefinition, type ReplaySafeLog } from '../../model/functions.ts';
import type { Payload } from '../../model/history.ts';
import { instanceIdProblem } from '../../model/instance.ts';
import { deterministicGuid } from './deterministic.ts';
import { checkOperationName, toEntityId, toSignalTime } from './entity-arguments.ts';
import { fromPayload, toPayload } from './payload.ts';

export interface EntityContextParts {
  readonly entityId: EntityId;
  readonly operation: EntityOperation;
  /** JSON text before the operation. */
  readonly stored: Payload;
  readonly initialState: () => unknown;
  readonly log: ReplaySafeLog;
}

/** The state as an operation holds it. */
type Held =
  /** Nobody has looked at it. */
  | { readonly kind: 'untouched' }
  /** A copy was handed out, which may have been changed. `before`: its text then. */
  | { readonly kind: 'read'; readonly value: unknown; readonly before: Payload }
  | { readonly kind: 'assigned'; readonly value: unknown };

export class EntityOperationContext implements EntityContext<unknown> {
  readonly log: ReplaySafeLog;
  /** What `context.df.return` was given. */
  returned: unknown;
  readonly #parts: EntityContextParts;
  readonly #actions: EntityAction[] = [];
  #held: Held = { kind: 'untouched' };
  #ended = false;
  #guids = 0;

  constructor(parts: EntityContextParts) {
    this.#parts = parts;
    this.log = parts.log;
  }

  get entityId(): EntityId {
    return this.#parts.entityId;
  }

  get entityName(): string {
    return this.#parts.entityId.name;
  }

  get entityKey(): string {
    return this.#parts.entityId.key;
  }

  get operationName(): string {
    return this.#parts.operation.operation;
  }

  get isNewlyConstructed(): boolean {
    return this.#parts.stored === undefined;
  }

  get actions(): readonly EntityAction[] {
    return this.#actions;
  }

  get state(): unknown {
    this.#assertOpen('state');
    if (this.#held.kind === 'untouched') this.#read(this.#parts.initialState);
    return this.#held.kind === 'untouched' ? undefined : this.#held.value;
  }

  set state(value: unknown) {
    this.#assertOpen('state');
    this.#held = { kind: 'assigned', value };
  }

  /** @throws SyntaxError when the input is not JSON */
  input<Input>(): Input {
    const what = `The input of operation '${this.operationName}' of entity '${this.entityId.toString()}'`;
    return fromPayload<Input>(this.#parts.operation.input, what);
  }

  /** The state as an instance of the entity's class. */
  instanceOf(create: () => object): object {
    const instance = create();
    const initial = toPayload(instance, 'the initial state');
    const { stored } = this.#parts;
    if (stored !== undefined) Object.assign(instance, fromPayload<object>(stored, this.#stateText));
    this.#held = { kind: 'read', value: instance, before: stored ?? initial };
    return instance;
  }

  deleteState(): void {
    this.#assertOpen('deleteState');
    this.#held = { kind: 'assigned', value: undefined };
  }

  readonly signalEntity = (entity: EntityAddress, operation: string, ...rest: unknown[]): void => {
    this.#assertOpen('signalEntity');
    const [input, options] = rest;
    const target = toEntityId('signalEntity', entity);
    const payload = toPayload(input, `the input of operation '${operation}'`);
    const scheduledTime = toSignalTime(options);
    checkOperationName(operation);
    const signal: EntitySignal = {
      type: 'EntityOperationSignaled',
      requestId: this.#nextGuid(),
      operation,
      ...(payload === undefined ? {} : { input: payload }),
      ...(scheduledTime === undefined ? {} : { scheduledTime }),
    };
    this.#actions.push({ type: 'SignalEntity', instanceId: entityInstanceId(target), signal });
  };

  startNew<Input>(
    orchestration: OrchestrationDefinition<Input, unknown> | string,
    options: StartFromEntityOptions<Input> = {},
  ): string {
    this.#assertOpen('startNew');
    const name = isOrchestration(orchestration) ? orchestration.name : orchestration;
    if (typeof name !== 'string' || name === '' || isEntityInstanceId(name)) {
      throw new TypeError('startNew(orchestration): it must be an orchestration or the name of one.');
    }
    const { input, version, startAt } = options;
    const instanceId = options.instanceId?.trim() ? options.instanceId : withoutDashes(this.#nextGuid());
    const problem = instanceIdProblem(instanceId);
    if (problem !== null) throw new TypeError(problem);
    if (startAt !== undefined && Number.isNaN(startAt.getTime())) throw new TypeError('startAt is not a valid date.');
    const payload = toPayload(input, `the input of orchestration '${name}'`);
    this.#actions.push({
      type: 'StartOrchestration',
      start: {
        instanceId,
        event: {
          type: 'ExecutionStarted',
          name,
          executionId: withoutDashes(this.#nextGuid()),
          ...(payload === undefined ? {} : { input: payload }),
          ...(version === undefined ? {} : { version }),
          ...(startAt === undefined ? {} : { scheduledStartAt: startAt.getTime() }),
        },
      },
    });
    return instanceId;
  }

  /** The context that a function in the style of `durable-functions` gets. */
  asFunctionContext(): EntityFunctionContext {
    const { entityId, entityName, entityKey, operationName, isNewlyConstructed, log, signalEntity } = this;
    return {
      log,
      df: {
        entityId,
        entityName,
        entityKey,
        operationName: operationName === '' ? undefined : operationName,
        isNewlyConstructed,
        signalEntity,
        getInput: <Input>() => this.input<Input | undefined>(),
        getState: (initializer) => this.#stateOr(initializer),
        setState: (state) => {
          this.state = state;
        },
        return: (value) => {
          this.#assertOpen('return');
          this.returned = value;
        },
        destructOnExit: () => this.deleteState(),
      },
    };
  }

  /**
   * Ends the operation.
   * @returns the state's text after it
   * @throws TypeError for a state that JSON cannot hold
   */
  close(what: string): Payload {
    this.#ended = true;
    const held = this.#held;
    if (held.kind === 'untouched') return this.#parts.stored;
    const after = held.value === null ? undefined : toPayload(held.value, what);
    // An entity that has only been looked at does not come into being by it.
    return held.kind === 'read' && after === held.before ? this.#parts.stored : after;
  }

  /** Ends the operation; nothing of it counts. */
  abandon(): void {
    this.#ended = true;
    this.#actions.length = 0;
  }

  #stateOr(initializer: (() => unknown) | undefined): unknown {
    this.#assertOpen('getState');
    if (this.#held.kind === 'untouched') this.#read(initializer ?? (() => undefined));
    const value = this.#held.kind === 'untouched' ? undefined : this.#held.value;
    // Deleted, or looked at before without an initializer.
    return value === undefined && initializer !== undefined ? initializer() : value;
  }

  #read(initialize: () => unknown): void {
    const { stored } = this.#parts;
    const value = stored === undefined ? initialize() : fromPayload(stored, this.#stateText);
    this.#held = { kind: 'read', value, before: stored ?? toPayload(value ?? undefined, 'the initial state') };
  }

  get #stateText(): string {
    return `The state of entity '${this.#parts.entityId.toString()}'`;
  }

  /** The same when the batch is tried again: what was sent then has not been stored. */
  #nextGuid(): string {
    const { operation } = this.#parts;
    this.#guids += 1;
    return deterministicGuid({ instanceId: operation.requestId, now: 0, counter: this.#guids });
  }

  #assertOpen(what: string): void {
    if (this.#ended) {
      throw new Error(`${what} was used after its operation '${this.operationName}' had ended: await what it starts.`);
    }
  }
}

function withoutDashes(guid: string): string {
  return guid.replaceAll('-', '');
}
