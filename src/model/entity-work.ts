/** What entities get, keep and send, as plain data: messages, the stored record, the commit of one batch. */
import type { EntityAnswer } from './entity-calls.ts';
import type { Failure } from './failure.ts';
import type { ExecutionStarted, Untimed } from './history.ts';
import type { InstanceKey } from './work.ts';
import type { InstanceTrace, TraceContext } from './trace-context.ts';

/** The orchestration that a message comes from. */
interface FromOrchestration {
  readonly parentInstanceId: string;
  readonly parentExecutionId: string;
}

/** One operation without an answer; from an orchestration (then it says which), an entity or a client. */
export interface EntitySignal extends Partial<FromOrchestration> {
  readonly type: 'EntityOperationSignaled';
  readonly requestId: string;
  readonly operation: string;
  readonly input?: string;
  /** Milliseconds since 1970: its place in the order is this time. */
  readonly scheduledTime?: number;
  /** Of who asks for it. */
  readonly traceContext?: TraceContext;
}

/** One operation whose result goes back to the caller. */
export interface EntityCall extends FromOrchestration {
  readonly type: 'EntityOperationCalled';
  readonly requestId: string;
  readonly operation: string;
  readonly input?: string;
  readonly traceContext?: TraceContext;
}

/** Asks for the lock of this entity and of those behind it in the set. */
export interface EntityLockRequest extends FromOrchestration {
  readonly type: 'EntityLockRequested';
  readonly criticalSectionId: string;
  /** Instance ids, sorted and distinct: the same order everywhere, so that nobody waits in a circle. */
  readonly lockSet: readonly string[];
  /** The place of the entity that gets this message. */
  readonly position: number;
}

/** Gives the lock back; ignored unless it comes from the holder. */
export interface EntityUnlock {
  readonly type: 'EntityUnlockSent';
  readonly criticalSectionId: string;
  readonly parentInstanceId: string;
  /** Of a holder that may not have all its locks yet: it follows the request, entity by entity, and never overtakes it. */
  readonly follows?: Pick<EntityLockRequest, 'lockSet' | 'position'>;
}

/** What can be in an entity's inbox. */
export type EntityRequest = EntitySignal | EntityCall | EntityLockRequest | EntityUnlock;

/** Gives a lock back on behalf of its holder. */
export function unlockOf(lock: Pick<EntityLock, 'criticalSectionId' | 'instanceId'>): EntityUnlock {
  return { type: 'EntityUnlockSent', criticalSectionId: lock.criticalSectionId, parentInstanceId: lock.instanceId };
}

export interface EntityMessage {
  readonly id: string;
  /** Milliseconds since 1970: when it was sent, or is due. */
  readonly visibleAt: number;
  readonly event: EntityRequest;
}

/** What an entity answers. */
export type EntityReply = Untimed<EntityAnswer>;

/** Who holds an entity. */
export interface EntityLock {
  readonly criticalSectionId: string;
  readonly instanceId: string;
  readonly executionId: string;
}

/** What is stored of an entity. */
export interface EntityRecord {
  /** JSON text; `null`: there is none. */
  readonly state: string | null;
  readonly lock: EntityLock | null;
  /** How many messages wait for the lock; 0 without one. */
  readonly parked: number;
}

/** What was read for a batch. */
export interface EntityContents {
  readonly key: InstanceKey;
  readonly messages: readonly EntityMessage[];
  /** Only when it was asked for. */
  readonly record?: EntityRecord;
  /** The database's time of the read, milliseconds since 1970. */
  readonly readAt: number;
  /** Messages that cannot be read, with the reason. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[];
  /** It is too much to be read with others; then the rest is not to be relied on. */
  readonly isHeavy?: boolean;
}

/** One operation to be run. */
export type EntityOperation = EntitySignal | EntityCall;

/** What an operation asked for. */
export type EntityAction =
  | {
      readonly type: 'SignalEntity';
      /** The entity that gets it. */
      readonly instanceId: string;
      readonly signal: EntitySignal;
    }
  | { readonly type: 'StartOrchestration'; readonly start: NewOrchestration };

/** An orchestration that an entity starts. */
export interface NewOrchestration {
  readonly instanceId: string;
  readonly event: Omit<ExecutionStarted, 'timestamp'>;
  readonly trace?: InstanceTrace;
}

/** How an operation ended. A failed one has changed nothing. */
export type OperationOutcome =
  | { readonly kind: 'completed'; readonly result?: string; readonly actions: readonly EntityAction[] }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** A batch for whoever runs user code. */
export interface EntityBatch {
  readonly instanceId: string;
  /** JSON text; `null`: there is none. */
  readonly state: string | null;
  /** At least one, in order. */
  readonly operations: readonly EntityOperation[];
}

/** How a batch ended. */
export type EntityBatchOutcome =
  /** Fewer outcomes than operations: the others stay in the inbox. */
  | { readonly kind: 'done'; readonly outcomes: readonly OperationOutcome[]; readonly state: string | null }
  /** The batch as a whole: nothing is kept of it, it is tried again. */
  | { readonly kind: 'failed'; readonly failure: Failure };

/** A message that a batch leaves elsewhere. */
export type EntityOutgoing =
  /** For an entity, which it creates. */
  | { readonly kind: 'entity'; readonly instanceId: string; readonly event: EntityRequest }
  /** For one execution of an orchestration; dropped when that has ended. */
  | {
      readonly kind: 'orchestration';
      readonly instanceId: string;
      readonly executionId: string;
      readonly event: EntityReply;
    };

/** Everything one batch changes; written whole or not at all (A2). */
export interface EntityCommit {
  readonly key: InstanceKey;
  /** The sequence at which the record was read. */
  readonly fence: number;
  readonly record: EntityRecord;
  readonly consumedMessages: readonly string[];
  /** Messages that wait for the lock from now on. */
  readonly parkedMessages: readonly string[];
  /** Whether everything that waited for the lock becomes visible again, in its old place. */
  readonly unpark: boolean;
  readonly outgoing: readonly EntityOutgoing[];
  readonly starts: readonly NewOrchestration[];
  /** Whether the worker keeps the entity because it has its next batch. */
  readonly keepOwnership: boolean;
}

/** An entity as clients see it. */
export interface EntityMetadata {
  readonly instanceId: string;
  readonly name: string;
  readonly key: string;
  readonly lastModifiedAt: Date;
  /** Messages that wait for it. */
  readonly backlogSize: number;
  /** Instance id of the orchestration that has it locked. */
  readonly lockedBy: string | null;
  /** Whether it has a state; without one it is transient. */
  readonly exists: boolean;
  /** JSON text; absent when it was not asked for or there is none. */
  readonly state?: string;
}

/** Which entities of a hub a query means; every given field must match. */
export interface EntityFilter {
  /** `@name`, or `@name@` and the beginning of a key. Absent: all. */
  readonly instanceIdPrefix?: string;
  readonly lastModifiedFrom?: Date;
  readonly lastModifiedTo?: Date;
  /** Default `true`. */
  readonly includeState?: boolean;
  /** Also those without a state. Default `false`. */
  readonly includeTransient?: boolean;
}

export interface EntityPage {
  readonly entities: readonly EntityMetadata[];
  /** Opaque; absent on the last page. */
  readonly continuationToken?: string;
}

/** What a cleaning has done. */
export interface CleanedEntities {
  readonly emptyEntitiesRemoved: number;
  readonly orphanedLocksReleased: number;
  /** Opaque; absent when everything has been looked at. */
  readonly continuationToken?: string;
}
