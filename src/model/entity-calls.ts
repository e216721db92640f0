/** What orchestrations do with entities: the actions that their code asks for, and the events that record them. */
import type { Failure } from './failure.ts';

/** Run an operation and wait for its result. */
export interface CallEntity {
  readonly type: 'CallEntity';
  readonly id: number;
  /** Instance id of the entity. */
  readonly instanceId: string;
  /** The answer bears it. */
  readonly requestId: string;
  readonly operation: string;
  readonly input?: string;
}

/** Run an operation; nobody waits for it. */
export interface SignalEntity {
  readonly type: 'SignalEntity';
  readonly id: number;
  readonly instanceId: string;
  readonly requestId: string;
  readonly operation: string;
  readonly input?: string;
  /** Not before this time, milliseconds since 1970. */
  readonly scheduledTime?: number;
}

/** Get the locks of several entities, one after the other. */
export interface LockEntities {
  readonly type: 'LockEntities';
  readonly id: number;
  readonly criticalSectionId: string;
  /** Instance ids, sorted and distinct. */
  readonly lockSet: readonly string[];
}

/** Give the lock of one entity back. */
export interface UnlockEntity {
  readonly type: 'UnlockEntity';
  readonly id: number;
  readonly criticalSectionId: string;
  readonly instanceId: string;
}

/** What an orchestrator asks of entities. */
export type EntityCallAction = CallEntity | SignalEntity | LockEntities | UnlockEntity;

interface Recorded {
  /** Milliseconds since 1970 by the database's clock (A4). */
  readonly timestamp: number;
  readonly eventId: number;
}

type RecordOf<Action extends EntityCallAction, Type extends string> = Recorded &
  Omit<Action, 'type' | 'id'> & { readonly type: Type };

export type EntityOperationCalled = RecordOf<CallEntity, 'EntityOperationCalled'>;
export type EntityOperationSignaled = RecordOf<SignalEntity, 'EntityOperationSignaled'>;
export type EntityLockRequested = RecordOf<LockEntities, 'EntityLockRequested'>;
export type EntityUnlockSent = RecordOf<UnlockEntity, 'EntityUnlockSent'>;

/** The events that record what was asked of entities. */
export type EntityCallRecord = EntityOperationCalled | EntityOperationSignaled | EntityLockRequested | EntityUnlockSent;

export interface EntityOperationCompleted {
  readonly type: 'EntityOperationCompleted';
  readonly timestamp: number;
  readonly requestId: string;
  readonly result?: string;
}

export interface EntityOperationFailed {
  readonly type: 'EntityOperationFailed';
  readonly timestamp: number;
  readonly requestId: string;
  readonly failure: Failure;
}

/** All locks of the set are held. */
export interface EntityLockGranted {
  readonly type: 'EntityLockGranted';
  readonly timestamp: number;
  readonly criticalSectionId: string;
}

/** What entities answer. */
export type EntityAnswer = EntityOperationCompleted | EntityOperationFailed | EntityLockGranted;

/** What an answer is an answer to. */
export function requestIdOf(event: EntityAnswer | CallEntity | LockEntities): string {
  return 'requestId' in event ? event.requestId : event.criticalSectionId;
}

export function isEntityAnswer(event: { readonly type: string }): event is EntityAnswer {
  return (
    event.type === 'EntityOperationCompleted' ||
    event.type === 'EntityOperationFailed' ||
    event.type === 'EntityLockGranted'
  );
}

export function isEntityCallRecord(event: { readonly type: string }): event is EntityCallRecord {
  return (
    event.type === 'EntityOperationCalled' ||
    event.type === 'EntityOperationSignaled' ||
    event.type === 'EntityLockRequested' ||
    event.type === 'EntityUnlockSent'
  );
}
