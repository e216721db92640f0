/**
 * The storage port. Clients work with single instances (an implementation may join concurrent calls into one
 * statement), workers with batches of turns and tasks. It never looks inside an event (A3).
 */
import type { SuspectFilter } from '../model/culprit.ts';
import type {
  EntityCommit,
  EntityContents,
  EntityFilter,
  EntityLock,
  EntityMetadata,
  EntityPage,
  EntityRequest,
} from '../model/entity-work.ts';
import type { OrchestrationInstance, RuntimeStatus, Tags } from '../model/instance.ts';
import type { AuditNote } from '../model/access.ts';
import type {
  EventRaised,
  HistoryEvent,
  ExecutionResumed,
  ExecutionStarted,
  ExecutionSuspended,
  ExecutionTerminated,
  ParentInstance,
} from '../model/history.ts';
import type {
  ActivityCompletion,
  Claim,
  ClaimContents,
  CommitOutcome,
  FirstTurn,
  FunctionNames,
  InboxRead,
  InstanceKey,
  NewInstance,
  QueuedActivity,
  RewindPlan,
  TurnCommit,
  WorkerId,
  WorkNotification,
} from '../model/work.ts';
import type { EndReport } from '../model/sub-orchestration.ts';
import type { ListingStore } from './listing-store.ts';

/** A new instance; the store writes it as Pending together with its start message. */
export interface InstanceStart extends Omit<NewInstance, 'isNewId'> {
  readonly hubId: number;
  readonly input: string | null;
  /** Absent or `null`: none. */
  readonly tags?: Tags | null;
  /** Instances of the id in one of these statuses are replaced. Absent: those that have ended. */
  readonly replace?: readonly RuntimeStatus[];
  readonly scheduledStartAt: Date | null;
  /** A worker of this process that takes it at once, instead of a start message; only while its lease holds. */
  readonly owner: WorkerId | null;
  /** What the owner's first turn came to, made before the instance is stored and written with it; only with an owner. */
  readonly firstTurn?: FirstTurn | null;
  /** Whom to tell of the end; stored with the instance, if it is created. Only for a store that has a `WebhookStore`. */
  readonly webhook?: string;
}

export type StartOutcome =
  | {
      readonly kind: 'created';
      readonly key: InstanceKey;
      /** The worker that has it from birth, with its first turn; `null`: a start message waits for whoever claims it. */
      readonly owner: WorkerId | null;
      /** The live instance that made way: it is gone with all that it had. */
      readonly replaced?: InstanceKey;
    }
  /** An instance has the id that must not be replaced; nothing was changed. */
  | { readonly kind: 'exists'; readonly status: RuntimeStatus };

/** The events that clients may send to a live instance. */
export type ClientEvent =
  | Omit<EventRaised, 'timestamp'>
  | Omit<ExecutionSuspended, 'timestamp'>
  | Omit<ExecutionResumed, 'timestamp'>
  | Omit<ExecutionTerminated, 'timestamp'>;

export interface ClientMessage {
  readonly hubId: number;
  readonly instanceId: string;
  readonly event: ClientEvent;
  /** To be stored with it, if it is sent. */
  readonly audit?: AuditNote;
}

export type SendOutcome =
  | { readonly kind: 'sent'; readonly key: InstanceKey }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'terminal'; readonly status: RuntimeStatus };

/** Ends an instance that no worker has begun. */
export interface TerminatePending {
  readonly key: InstanceKey;
  /** The output: the reason. */
  readonly output: string | null;
  /** What its history becomes, given the database's time. */
  readonly eventsAt: (now: number) => readonly HistoryEvent[];
  /** To be stored with the end. */
  readonly audit?: AuditNote;
  /** What its parent is told, if that still runs. */
  readonly report?: EndReport;
}

/** Puts a failed instance back to work. */
export interface InstanceRewind {
  readonly hubId: number;
  readonly instanceId: string;
  /** Of the execution that goes on. */
  readonly executionId: string;
  /** What becomes of it, given its whole history and the database's time. */
  readonly plan: (stored: readonly HistoryEvent[], now: number) => RewindPlan;
  /** For a sub-orchestration whose parent was rewound: how it reports its end from now on. */
  readonly parent?: ParentInstance;
  /** To be stored with it, if it is rewound. */
  readonly audit?: AuditNote;
}

export type RewindOutcome =
  | { readonly kind: 'rewound'; readonly key: InstanceKey }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'not-failed'; readonly status: RuntimeStatus };

export type PurgeOutcome =
  | { readonly kind: 'purged' }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'not-terminal'; readonly status: RuntimeStatus };

export type TreePurgeOutcome =
  | { readonly kind: 'purged'; readonly instances: number }
  | { readonly kind: 'not-found' }
  /** One of them still runs, and nothing was removed. */
  | { readonly kind: 'not-terminal'; readonly instanceId: string; readonly status: RuntimeStatus };

/** Notifications between the parts of a process and between processes (A8). */
export interface NotificationBus {
  /** Tells subscribers of this process at once, other processes soon after (joined, at most one per 20 ms). */
  publish(notification: WorkNotification): void;
  /** @returns a function that ends the subscription. */
  subscribe(listener: (notification: WorkNotification) => void): () => void;
}

/** A message to an entity, which creates it. */
export interface MessageForEntity {
  readonly hubId: number;
  /** `@name@key`, the name in lower case. */
  readonly instanceId: string;
  readonly event: EntityRequest;
}

/** An entity without state, lock and messages, as it was at a sequence. */
export interface EmptyEntity {
  readonly key: InstanceKey;
  readonly fence: number;
}

/** A lock whose holder has ended, has continued as new or is gone. */
export interface OrphanedLock {
  readonly key: InstanceKey;
  readonly instanceId: string;
  readonly lock: EntityLock;
}

/** Where a search in the order of keys goes on. */
export interface KeyPage {
  /** `'0'`: from the beginning. */
  readonly after: InstanceKey;
  readonly limit: number;
}

/** What clients and workers need of a store to send to entities and to tidy up after them. */
export interface EntityCareStore {
  /** Stores a message for an entity; there is one afterwards, with or without a state. */
  sendToEntity(message: MessageForEntity): Promise<void>;
  findEmptyEntities(hubId: number, page: KeyPage): Promise<readonly EmptyEntity[]>;
  /** Removes entities that nobody owns and that are still as they were, and empty. @returns those removed */
  removeEmptyEntities(entities: readonly EmptyEntity[]): Promise<readonly InstanceKey[]>;
  findOrphanedLocks(hubId: number, page: KeyPage): Promise<readonly OrphanedLock[]>;
}

/** What clients need of a store. */
export interface ClientStore extends EntityCareStore, ListingStore {
  readonly notifications: NotificationBus;
  /** The id of a task hub by its name (without regard to case), or `undefined` when nothing was ever started in it. */
  findHub(name: string): Promise<number | undefined>;
  /** The same, creating the hub on first use. */
  ensureHub(name: string): Promise<number>;
  /**
   * Creates a Pending instance. An instance of the id that may be replaced is removed in the same transaction, history and
   * all: nothing that was on its way to it, and no turn or activity of it that is under way, reaches the new one.
   */
  startInstance(start: InstanceStart): Promise<StartOutcome>;
  /** Stores a message for a live instance. */
  sendMessage(message: ClientMessage): Promise<SendOutcome>;
  /** Ends an instance that is Pending and unclaimed right here, without a worker; else `undefined`: send a message. */
  terminatePending(request: TerminatePending): Promise<'terminated' | undefined>;
  getInstance(
    hubId: number,
    instanceId: string,
    options?: { readonly history?: boolean },
  ): Promise<OrchestrationInstance | undefined>;
  /** Of the given instances those that have ended or are gone. One statement, for waiters. */
  findEnded(keys: readonly InstanceKey[]): Promise<readonly InstanceKey[]>;
  /**
   * Whether an instance is suspended once all that waits for it has been applied: a request may be stored before the one
   * before it has been.
   */
  findSuspension(
    hubId: number,
    instanceId: string,
  ): Promise<{ readonly status: RuntimeStatus; readonly suspended: boolean } | undefined>;
  /**
   * Makes a Failed instance Running again under a new execution id, in one transaction: appends the plan's event, inserts its
   * tasks and timers and a message that wakes it. What the old execution left in the queue is removed, what still comes
   * of it is dropped.
   */
  rewindInstance(request: InstanceRewind): Promise<RewindOutcome>;
  /**
   * Removes an instance that has ended, or an entity as it is.
   * @param audit to be stored with it, if it is purged
   */
  purgeInstance(hubId: number, instanceId: string, audit?: AuditNote): Promise<PurgeOutcome>;
  /**
   * Removes an ended instance with all its sub-orchestrations, if all have ended: leaves first, in small transactions, the
   * instance itself last. One that broke off is gone on with when it is called again.
   * @param audit to be stored with the end of it
   */
  purgeTree(hubId: number, instanceId: string, audit?: AuditNote): Promise<TreePurgeOutcome>;
  getEntity(
    hubId: number,
    instanceId: string,
    options: { readonly includeState: boolean },
  ): Promise<EntityMetadata | undefined>;
  /**
   * Pages by instance id.
   * @param page.limit 1 to 1,000
   * @throws DurableError `InvalidArgument` for a token that is not ours or belongs to another filter
   */
  listEntities(
    hubId: number,
    filter: EntityFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<EntityPage>;
  /** The function names that live workers of the hub have registered; `undefined` when no worker lives. */
  liveFunctionNames(hubId: number): Promise<FunctionNames | undefined>;
  /** The store's time, by which it judges what is due: milliseconds since 1970. */
  now(): Promise<number>;
  /** Answers when the database is reachable and migrated. */
  ping(): Promise<void>;
}

/** What a worker learns from its heartbeat. */
export type Heartbeat =
  | {
      readonly kind: 'alive';
      /** Database time, milliseconds since 1970. */
      readonly now: number;
      /** Whether unowned instances with visible messages exist. */
      readonly instancesReady: boolean;
      /** Whether unclaimed rows wait in the activities queue. */
      readonly activitiesReady: boolean;
      /** Whether workers whose lease has ended still own something. */
      readonly deadWorkers: boolean;
      /** Whether no other worker of the hub lives. */
      readonly alone: boolean;
      /** Whether a worker of the hub has died lately and nobody knows why. Absent: no. */
      readonly crashed?: boolean;
      /** Owned instances with visible messages. */
      readonly inboxKeys: readonly InstanceKey[];
      /** Everything that belongs to the worker, whether or not it ever heard of it. */
      readonly ownedInstances: readonly InstanceKey[];
      readonly ownedTasks: readonly string[];
      /** When the next message of the hub becomes visible. */
      readonly nextDueAt?: number;
      /** Of the claimed tasks that were named, those whose rows are gone. */
      readonly lostTasks: readonly string[];
    }
  /** The lease had ended: register anew, drop everything (decision 8). */
  | { readonly kind: 'expired' };
type Alive = Extract<Heartbeat, { kind: 'alive' }>;

/** A worker's wish for instances. */
export interface InstanceClaim {
  readonly workerId: WorkerId;
  readonly hubId: number;
  /** Compared without case; `@name` for entities. */
  readonly names: readonly string[];
  readonly limit: number;
  readonly includeDeadOwners: boolean;
  /** Names with the versions of them that are left to others, each a `versionedName`. Default: none. */
  readonly without?: readonly string[];
  /** Default: `'all'`. */
  readonly suspects?: SuspectFilter;
}

/** A worker's wish for activities of the queue. */
export interface ActivityClaim {
  readonly workerId: WorkerId;
  readonly hubId: number;
  /** Compared without case. */
  readonly names: readonly string[];
  readonly limit: number;
  readonly includeDeadOwners: boolean;
  /** How many activities of the name, the only one of the request, may run in the hub. Absent: any number. */
  readonly hubLimit?: number;
  /** Names with the versions of them that are left to others, each a `versionedName`; not heeded with `hubLimit`. */
  readonly without?: readonly string[];
  /** Default: `'all'`. */
  readonly suspects?: SuspectFilter;
}

/** What workers need of a store. */
export interface WorkerStore extends EntityCareStore, Pick<ClientStore, 'getInstance' | 'rewindInstance'> {
  readonly notifications: NotificationBus;
  ensureHub(name: string): Promise<number>;
  /** @returns the new worker's id, the database's time, and whether no other worker of the hub lives */
  registerWorker(worker: {
    readonly hubId: number;
    readonly name: string;
    readonly functions: FunctionNames;
    readonly leaseMs: number;
    /** Whether it takes only suspects, one at a time. Default `false`. */
    readonly quarantine?: boolean;
  }): Promise<{ readonly workerId: WorkerId } & Pick<Alive, 'now' | 'alone' | 'crashed'>>;
  /** Renews the lease if it has not ended, and looks for work: the one statement of an idle worker. */
  heartbeat(request: {
    readonly workerId: WorkerId;
    readonly hubId: number;
    readonly leaseMs: number;
    readonly claimedTasks: readonly string[];
  }): Promise<Heartbeat>;
  /** Ends the leases of all workers of a hub: for a caller that knows that none of them lives. */
  endLeases(hubId: number): Promise<void>;
  /** Ends the lease: tasks are given back, what it still owns of instances can be taken over. */
  deregisterWorker(workerId: WorkerId): Promise<void>;
  /**
   * Takes ownership of up to `limit` claimable instances (decision 2) with one of these names (`@name` for entities),
   * which are compared without case. A worker whose lease has ended gets none.
   */
  claimOrchestrations(request: InstanceClaim): Promise<readonly Claim[]>;
  /** The versions of the instances with these names that belong to dead workers, each once. */
  findOrphanVersions(
    request: Pick<InstanceClaim, 'hubId' | 'names'>,
  ): Promise<readonly { readonly name: string; readonly version: string | null }[]>;
  /**
   * Takes instances anew that the worker owns without knowing what has become of them, as if from a dead worker: a claim
   * whose answer was lost, a turn that was abandoned.
   */
  takeBackInstances(workerId: WorkerId, keys: readonly InstanceKey[]): Promise<readonly Claim[]>;
  /** The turn of an instance has committed after all: what was counted against it is forgotten. */
  forgetStrikes(key: InstanceKey): Promise<void>;
  /**
   * Reads, without locks, what waits for owned instances: their visible messages, and history where it is not known. One of
   * which too much waits to be read with others comes back as heavy: it is to be read alone, as `whole`.
   */
  readClaimed(
    requests: readonly (InboxRead & { readonly withHistory: boolean; readonly withTasks: boolean })[],
  ): Promise<readonly ClaimContents[]>;
  /** The same for entities: their visible messages, and what is stored of them where it is not known. */
  readEntities(requests: readonly (InboxRead & { readonly withRecord: boolean })[]): Promise<readonly EntityContents[]>;
  /** Writes batches of many entities in one statement, each under its own fence. Outcomes in the order given. */
  commitEntities(workerId: WorkerId, commits: readonly EntityCommit[]): Promise<readonly CommitOutcome[]>;
  /**
   * Names under which entities are claimed (`@name`), that no live worker has listed for `graceMs`, of entities for which a
   * message has waited as long.
   */
  findUnregisteredEntities(request: { readonly hubId: number; readonly graceMs: number }): Promise<readonly string[]>;
  /** The start of an instance that has neither a history nor a start message: its first owner died with it. */
  readStart(key: InstanceKey): Promise<Omit<ExecutionStarted, 'timestamp'> | undefined>;
  /** Writes many turns in one statement, each under its own fence. Outcomes in the order given. */
  commitTurns(workerId: WorkerId, turns: readonly TurnCommit[]): Promise<readonly CommitOutcome[]>;
  /** Deletes messages that no turn can use (stale, or the instance has ended); status and history stay as they are. */
  discardMessages(
    workerId: WorkerId,
    discards: readonly {
      readonly key: InstanceKey;
      readonly fence: number;
      readonly messageIds: readonly string[];
      /** Whether the worker goes on owning the instance. */
      readonly keepOwnership: boolean;
    }[],
  ): Promise<void>;
  claimActivities(request: ActivityClaim): Promise<readonly QueuedActivity[]>;
  /** Removes finished tasks that the worker still holds and leaves their results in the inboxes. @returns the ids that counted */
  completeActivities(workerId: WorkerId, completions: readonly ActivityCompletion[]): Promise<readonly string[]>;
  /** Puts claimed tasks back without counting a redelivery. */
  releaseActivities(workerId: WorkerId, taskIds: readonly string[]): Promise<void>;
  /** Fails queued activities whose name no live worker has listed for `graceMs`. @returns the names */
  failUnregisteredActivities(request: { readonly hubId: number; readonly graceMs: number }): Promise<readonly string[]>;
  /** Deletes messages that came for instances just as they ended: nobody can claim them. */
  sweepMessages(hubId: number): Promise<void>;
  /** Removes rows of workers that died and own nothing any more. */
  removeDeadWorkers(hubId: number): Promise<void>;
}

export interface Store extends ClientStore, WorkerStore {
  close(): Promise<void>;
}
