/**
 * What an orchestrator does with entities: calls, signals, locks. Owns the rules of critical sections (engine.md 2.14),
 * which are the code's own: breaking one throws where it is broken.
 */
import { entityInstanceId, type EntityAddress, type EntityId, type EntityOperations } from '../../model/entity-id.ts';
import type { SignalArguments } from '../../model/entity-functions.ts';
import type { HeldLock, Task } from '../../model/functions.ts';
import { deterministicGuid } from './deterministic.ts';
import { checkOperationName, toEntityId, toSignalTime } from './entity-arguments.ts';
import { EntityOperationFailedError } from './entity-operation-failed-error.ts';
import { toPayload } from './payload.ts';
import { receivePayload } from './receive.ts';
import type { Scheduler } from './scheduler.ts';
import { DurableTask } from './task.ts';
import type { TurnScope } from './turn-scope.ts';

/** A critical section, from the request to the release. */
interface Section {
  readonly criticalSectionId: string;
  readonly lockSet: readonly string[];
  isGranted: boolean;
  /** Entities with a call under way. */
  readonly called: Set<string>;
}

export interface EntityCallParts {
  readonly scope: TurnScope;
  readonly scheduler: Scheduler;
  readonly started: { readonly executionId: string };
}

export class EntityCallsContext {
  readonly #parts: EntityCallParts;
  #section: Section | undefined;

  constructor(parts: EntityCallParts) {
    this.#parts = parts;
  }

  callEntity<Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...input: Parameters<Operations[Name]>
  ): Task<Awaited<ReturnType<Operations[Name]>>> {
    return this.startEntityCall(entity, operation, input[0]);
  }

  /** The same without types. */
  startEntityCall<Output>(entity: EntityAddress, operation: string, input: unknown): Task<Output> {
    const { scope, scheduler } = this.#parts;
    scope.assertOpen('callEntity');
    const instanceId = entityInstanceId(toEntityId('callEntity', entity));
    checkOperationName(operation);
    const payload = toPayload(input, `the input of operation '${operation}' of '${instanceId}'`);
    const section = this.#enterCall(instanceId);
    const task = new DurableTask<Output>(scope);
    const taskId = scheduler.callEntity(
      (id) => ({
        type: 'CallEntity',
        id,
        instanceId,
        requestId: this.#guid(id),
        operation,
        ...(payload === undefined ? {} : { input: payload }),
      }),
      {
        completed: (result) => {
          section?.called.delete(instanceId);
          receivePayload(task, result, `The result of operation '${operation}' of '${instanceId}'`);
        },
        failed: (failure) => {
          section?.called.delete(instanceId);
          task.fail(new EntityOperationFailedError({ instanceId, operation, id: taskId }, failure));
        },
      },
    );
    return task;
  }

  signalEntity<Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...rest: SignalArguments<Operations[Name]>
  ): void {
    const [input, options]: readonly unknown[] = rest;
    this.sendSignal(entity, operation, input, options);
  }

  /** The same without types. */
  sendSignal(entity: EntityAddress, operation: string, input: unknown, options: unknown): void {
    const { scope, scheduler } = this.#parts;
    scope.assertOpen('signalEntity');
    const instanceId = entityInstanceId(toEntityId('signalEntity', entity));
    checkOperationName(operation);
    const payload = toPayload(input, `the input of operation '${operation}' of '${instanceId}'`);
    const scheduledTime = toSignalTime(options);
    if (this.#section?.lockSet.includes(instanceId) === true) {
      throw new Error(
        `signalEntity: '${instanceId}' is locked by this orchestration; call it instead of signalling it.`,
      );
    }
    scheduler.askEntity((id) => ({
      type: 'SignalEntity',
      id,
      instanceId,
      requestId: this.#guid(id),
      operation,
      ...(payload === undefined ? {} : { input: payload }),
      ...(scheduledTime === undefined ? {} : { scheduledTime }),
    }));
  }

  lock(entities: readonly EntityAddress[]): Task<HeldLock> {
    const { scope, scheduler } = this.#parts;
    scope.assertOpen('lock');
    if (!Array.isArray(entities) || entities.length === 0) {
      throw new TypeError('lock(entities): the argument must be an array of ids of entities that is not empty.');
    }
    if (this.#section !== undefined) {
      throw new Error(
        'lock: this orchestration holds locks, or waits for some; release them before you ask for others.',
      );
    }
    // One order for all who lock: nobody can wait in a circle.
    const ids = entities.map((entity) => entityInstanceId(toEntityId('lock', entity)));
    const lockSet = [...new Set(ids)].sort();
    const task = new DurableTask<HeldLock>(scope);
    const section: { current: Section | undefined } = { current: undefined };
    const taskId = scheduler.callEntity(
      (id) => {
        const criticalSectionId = this.#guid(id);
        section.current = { criticalSectionId, lockSet, isGranted: false, called: new Set() };
        return { type: 'LockEntities', id, criticalSectionId, lockSet };
      },
      {
        completed: () => {
          if (section.current !== undefined) section.current.isGranted = true;
          task.complete({ release: () => this.#release(section.current) });
        },
        // An entity does not refuse its lock.
        failed: (failure) =>
          task.fail(
            new EntityOperationFailedError({ instanceId: lockSet.join(', '), operation: 'lock', id: taskId }, failure),
          ),
      },
    );
    this.#section = section.current;
    return task;
  }

  /** @throws Error inside a critical section: what waits there for others would keep everybody else out */
  assertNoSection(called: string): void {
    if (this.#section !== undefined) {
      throw new Error(`${called}: a sub-orchestration must not be called while this orchestration holds locks.`);
    }
  }

  /** @returns the section, if there is one, in which the call is under way */
  #enterCall(instanceId: string): Section | undefined {
    const section = this.#section;
    if (section === undefined) return undefined;
    if (!section.isGranted) {
      throw new Error('callEntity: await the lock that this orchestration has asked for before you call an entity.');
    }
    if (!section.lockSet.includes(instanceId)) {
      throw new Error(
        `callEntity: '${instanceId}' is not locked. While an orchestration holds locks it may call the locked entities only.`,
      );
    }
    if (section.called.has(instanceId)) {
      throw new Error(`callEntity: await the call of '${instanceId}' that is under way before you call it again.`);
    }
    section.called.add(instanceId);
    return section;
  }

  /** The second time it does nothing. */
  #release(section: Section | undefined): void {
    const { scope, scheduler } = this.#parts;
    if (section === undefined || this.#section !== section) return;
    scope.assertOpen('release');
    this.#section = undefined;
    const { criticalSectionId } = section;
    for (const instanceId of section.lockSet) {
      scheduler.askEntity((id) => ({ type: 'UnlockEntity', id, criticalSectionId, instanceId }));
    }
  }

  /** Of an action: the same in every replay, and no execution has it twice. */
  #guid(id: number): string {
    return deterministicGuid({ instanceId: this.#parts.started.executionId, now: 0, counter: id });
  }
}
