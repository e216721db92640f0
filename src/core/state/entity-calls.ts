/**
 * An execution's dealings with entities: which answers it waits for, which locks it holds or has asked for, and the
 * messages that its actions come to. The other side is in `entity-turn.ts`.
 */
import { assertNever } from '../../model/errors.ts';
import {
  isEntityCallRecord,
  requestIdOf,
  type EntityAnswer,
  type EntityCallAction,
  type EntityCallRecord,
  type EntityOperationCalled,
} from '../../model/entity-calls.ts';
import { unlockOf, type EntityRequest } from '../../model/entity-work.ts';
import type { HistoryEvent } from '../../model/history.ts';
import type { MessageToEntity } from '../../model/work.ts';

/** Most executions have nothing to do with entities: made when the first event says otherwise. */
export interface EntityCalls {
  /** Ids of calls and lock requests that have no answer yet. */
  readonly open: Set<string>;
  /** The entities of each critical section that have not been given back, granted or not. */
  readonly sections: Map<string, readonly string[]>;
}

export function noCalls(): EntityCalls {
  return { open: new Set(), sections: new Map() };
}

export function applyEntityCall(calls: EntityCalls, event: EntityCallRecord | EntityAnswer): void {
  switch (event.type) {
    case 'EntityOperationCalled':
      calls.open.add(event.requestId);
      return;
    case 'EntityLockRequested':
      calls.open.add(event.criticalSectionId);
      calls.sections.set(event.criticalSectionId, event.lockSet);
      return;
    case 'EntityUnlockSent': {
      const { criticalSectionId, instanceId } = event;
      const left = calls.sections.get(criticalSectionId)?.filter((locked) => locked !== instanceId) ?? [];
      if (left.length > 0) calls.sections.set(criticalSectionId, left);
      else calls.sections.delete(criticalSectionId);
      return;
    }
    case 'EntityOperationCompleted':
    case 'EntityOperationFailed':
    case 'EntityLockGranted':
      calls.open.delete(requestIdOf(event));
      return;
    case 'EntityOperationSignaled':
      return;
    default:
      assertNever(event);
  }
}

/** Who asks. */
export interface Caller {
  readonly instanceId: string;
  readonly executionId: string;
}

/** What an action leaves in history, and the message that it sends. */
export function recordEntityCall(
  action: EntityCallAction,
  { instanceId: parentInstanceId, executionId: parentExecutionId }: Caller,
  timestamp: number,
): { readonly event: EntityCallRecord; readonly message: MessageToEntity } {
  const from = { parentInstanceId, parentExecutionId };
  const { id: eventId } = action;
  switch (action.type) {
    case 'CallEntity': {
      const { id: _, type: __, instanceId, ...call } = action;
      return {
        event: { type: 'EntityOperationCalled', timestamp, eventId, instanceId, ...call },
        message: { instanceId, event: { type: 'EntityOperationCalled', ...call, ...from } },
      };
    }
    case 'SignalEntity': {
      const { id: _, type: __, instanceId, ...signal } = action;
      return {
        event: { type: 'EntityOperationSignaled', timestamp, eventId, instanceId, ...signal },
        message: { instanceId, event: { type: 'EntityOperationSignaled', ...signal, ...from } },
      };
    }
    case 'LockEntities': {
      const { criticalSectionId, lockSet } = action;
      const [first = ''] = lockSet;
      const event: EntityRequest = { type: 'EntityLockRequested', criticalSectionId, lockSet, position: 0, ...from };
      return {
        event: { type: 'EntityLockRequested', timestamp, eventId, criticalSectionId, lockSet },
        message: { instanceId: first, event },
      };
    }
    case 'UnlockEntity': {
      const { criticalSectionId, instanceId } = action;
      return {
        event: { type: 'EntityUnlockSent', timestamp, eventId, criticalSectionId, instanceId },
        message: { instanceId, event: { type: 'EntityUnlockSent', criticalSectionId, parentInstanceId } },
      };
    }
    default:
      return assertNever(action);
  }
}

/** The message of a call that was made before. */
export function callAgain(
  { type, requestId, operation, input, instanceId }: EntityOperationCalled,
  { instanceId: parentInstanceId, executionId: parentExecutionId }: Caller,
): MessageToEntity {
  const call = { requestId, operation, ...(input === undefined ? {} : { input }) };
  return { instanceId, event: { type, ...call, parentInstanceId, parentExecutionId } };
}

/**
 * An execution that ends gives back every lock that it holds or is about to get (engine.md 2.14): nobody else could.
 * @param calls before the turn
 * @param turn what the turn leaves in history
 */
export function releaseAll(
  calls: EntityCalls | undefined,
  turn: readonly HistoryEvent[],
  caller: Caller,
): readonly MessageToEntity[] {
  const own = turn.filter(isEntityCallRecord);
  if (calls === undefined && own.length === 0) return [];
  const after: EntityCalls = { open: new Set(calls?.open), sections: new Map(calls?.sections) };
  for (const event of own) applyEntityCall(after, event);
  return [...after.sections].flatMap(([criticalSectionId, locked]) => {
    const unlock = unlockOf({ criticalSectionId, ...caller });
    const [first] = locked;
    if (!after.open.has(criticalSectionId) || first === undefined) {
      return locked.map((instanceId) => ({ instanceId, event: unlock }));
    }
    // Its request may be anywhere on its way: what comes before it somewhere would be for nothing.
    return [{ instanceId: first, event: { ...unlock, follows: { lockSet: locked, position: 0 } } }];
  });
}
