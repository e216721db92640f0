import type { EntityRequest } from './entity-work.ts';
import type { Failure } from './failure.ts';
import type {
  ExecutionRewound,
  ExecutionStarted,
  HistoryEvent,
  InboxEvent,
  ParentInstance,
  TaskFailed,
  TimerFired,
  Untimed,
} from './history.ts';
import type { RuntimeStatus, Tags } from './instance.ts';
import type { InstanceTrace } from './trace-context.ts';

/** 64-bit keys of rows travel as text: they pass 2^53 one day (F64). */
export type InstanceKey = string;
export type WorkerId = string;

/** An event on its way to an instance. */
export interface Message {
  readonly id: string;
  /** Milliseconds since 1970: for a timer when it fires, else when it was stored. */
  readonly visibleAt: number;
  /** The execution that it is for; `null` means whichever runs. */
  readonly executionId: string | null;
  readonly event: InboxEvent;
}

/** What the store knows of an instance that a worker owns. */
export interface OwnedInstance {
  readonly key: InstanceKey;
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | null;
  readonly executionId: string;
  readonly status: RuntimeStatus;
  /** The fence: a commit of this worker counts only while the row still has it. */
  readonly sequence: number;
  /** How often a worker that owned it has died since its last commit. */
  readonly crashCount: number;
  readonly customStatus: string | null;
  /** Who is told of its end; `null` for one that nobody called. */
  readonly parent: ParentInstance | null;
  /** Of one that was taken over: its turn's and those of its activities. Absent: none. */
  readonly strikes?: readonly Strike[];
  /** Absent: it was started outside of any trace. */
  readonly trace?: InstanceTrace;
}

/** A turn or an activity that brought its worker down, again and again since it last went well. */
export interface Strike {
  /** The attempt of an activity; absent: the turn. */
  readonly taskScheduledId?: number;
  readonly count: number;
  /** How it last did. */
  readonly failure: Failure;
}

/** An instance just claimed, before its messages and history are read. */
export interface Claim extends OwnedInstance {
  /** True when it was taken from a dead worker, whose local activities are lost. */
  readonly takenOver: boolean;
}

/** Of which owned instance what waits is read; `whole` (default: not): however much it is. */
export interface InboxRead {
  readonly key: InstanceKey;
  readonly whole?: boolean;
}

/** What the second, lock-free read of a claim adds. */
export interface ClaimContents {
  readonly key: InstanceKey;
  readonly messages: readonly Message[];
  /** The current execution's history; empty when the reader said that it has it. */
  readonly history: readonly HistoryEvent[];
  /** Ids of scheduled activities that wait in the activities queue, or whose end waits here. Read only for instances taken over. */
  readonly queuedTaskIds: readonly number[];
  /** The database's time of the read, milliseconds since 1970. */
  readonly readAt: number;
  /** Why what is stored cannot be read; then the rest is not to be relied on. */
  readonly unreadable?: string;
  /** It is too much to be read with others; then the rest is not to be relied on. */
  readonly isHeavy?: boolean;
}

/** A first turn that leaves nothing but events: it waits, for local activities or for what comes. */
export interface FirstTurn {
  /** OrchestratorStarted first. At most about 1 MiB of text. */
  readonly events: readonly HistoryEvent[];
  readonly customStatus: string | null;
  /** Whether the owner keeps it: it runs an activity of it. */
  readonly keepOwnership: boolean;
}

/** A new instance, offered to a worker of this process before it is stored. */
export interface NewInstance {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly version: string | null;
  readonly event: Omit<ExecutionStarted, 'timestamp'>;
  readonly trace?: InstanceTrace;
  /** Whether its first turn may run now: nobody else can have the id, so the start will not be refused. */
  readonly isNewId: boolean;
}

/** A worker's promise to take a new instance. Exactly one of `accept` and `withdraw` must follow. */
export interface StartOffer {
  readonly owner: WorkerId;
  readonly firstTurn: FirstTurn | null;
  /**
   * It is stored, owned by `owner`, with the first turn and without a start message: go on with it.
   * @param hasTurn whether the first turn was stored, too. Default: if there is one
   */
  accept(key: InstanceKey, hasTurn?: boolean): void;
  /** It is not, or not like this. */
  withdraw(): void;
}

/** A row of the activities queue to be inserted by a turn. */
export interface NewActivityTask {
  readonly taskScheduledId: number;
  readonly name: string;
  readonly version?: string;
  /** Absent: none. */
  readonly tags?: Tags;
  readonly input?: string;
  readonly attempt: number;
  readonly firstScheduledId: number;
  /** How often a run of it was lost in a crash before. */
  readonly redelivery: number;
}

/** A timer, or the time-out of an activity, to be stored as a message that is visible later. */
export interface NewTimer {
  /** For a time-out: the activity's `taskScheduledId`. Both are ids of actions, so they never meet. */
  readonly timerId: number;
  readonly fireAt: number;
  /** What the activity fails with; absent for a timer. */
  readonly timeout?: Failure;
}

/** The event, without its timestamp, that a timer becomes. */
export function eventOfTimer({ timerId, fireAt, timeout }: NewTimer): Untimed<TimerFired | TaskFailed> {
  return timeout === undefined
    ? { type: 'TimerFired', timerId, fireAt }
    : { type: 'TaskFailed', taskScheduledId: timerId, failure: timeout, timedOut: true };
}

/** Which instance a message is for. */
export type MessageTarget =
  /** The instance that has this id in the sender's hub when the turn is committed. */
  | { readonly kind: 'id'; readonly instanceId: string }
  /** This very instance, and no other that gets its id later. */
  | { readonly kind: 'key'; readonly key: InstanceKey }
  /** The instance that has this id while it is a sub-orchestration of the sender. */
  | { readonly kind: 'child'; readonly instanceId: string };

/**
 * A message to another instance (or to the sender itself), stored with the turn that sends it. One whose target is missing
 * or has ended is dropped silently. Messages of one turn to one instance keep their order.
 */
export interface OutgoingMessage {
  readonly target: MessageTarget;
  readonly event: Untimed<InboxEvent>;
  /** Only for this execution of the target; absent: for whichever runs when it is read. */
  readonly executionId?: string;
  /** Milliseconds since 1970: not before. Absent: at once. A target that has not begun gets it with its scheduled start. */
  readonly visibleAt?: number;
}

/** A message of an orchestration to an entity, which it creates; stored with the turn that sends it, in order. */
export interface MessageToEntity {
  readonly instanceId: string;
  readonly event: EntityRequest;
}

/** What a rewind changes, as plain data: the event that says what counts no longer, and what is to be done again. */
export interface RewindPlan {
  readonly event: ExecutionRewound;
  readonly queuedTasks: readonly NewActivityTask[];
  readonly timers: readonly NewTimer[];
}

/** A sub-orchestration to be created with the turn that calls it. */
export interface NewChild {
  readonly instanceId: string;
  /**
   * Whether the id is one that others may have used: an ended instance of it is replaced, in an ordered transaction for
   * this turn alone (decision 12). A live one stays as it is, and the parent gets SubOrchestrationInstanceFailed.
   */
  readonly mayExist: boolean;
  /** With its parent. */
  readonly start: Untimed<ExecutionStarted> & { readonly parent: ParentInstance };
  /** Whether the committing worker has it from birth: then it needs no start message. */
  readonly owned: boolean;
  readonly trace?: InstanceTrace;
}

/** Everything one turn changes, as plain data; written whole or not at all (A2). */
export interface TurnCommit {
  readonly key: InstanceKey;
  readonly executionId: string;
  /** The sequence of the history that the turn replayed. */
  readonly fence: number;
  readonly events: readonly HistoryEvent[];
  readonly status: RuntimeStatus;
  readonly customStatus: string | null;
  readonly output: string | null;
  readonly failure: Failure | null;
  /** Ids of the inbox rows that the turn used up or dropped. */
  readonly consumedMessages: readonly string[];
  readonly queuedTasks: readonly NewActivityTask[];
  readonly timers: readonly NewTimer[];
  /** Timers and time-outs that are not wanted any more, by their ids. */
  readonly cancelledTimers: readonly number[];
  /** Activities that have timed out: what waits of them in the queue, or runs, is given up. Absent: none. */
  readonly cancelledTasks?: readonly number[];
  readonly messages: readonly OutgoingMessage[];
  /** Absent: none. */
  readonly entityMessages?: readonly MessageToEntity[];
  readonly children: readonly NewChild[];
  /**
   * The execution that takes the place of this one (continueAsNew): its start waits as the first message of the inbox,
   * the history so far is deleted, so are timers and completions on their way. `null`: this one goes on, or is the last.
   */
  readonly next: Untimed<ExecutionStarted> | null;
  /** Whether the worker keeps the instance: it still runs an activity of it, or has its next turn. */
  readonly keepOwnership: boolean;
}

/** The result of one commit. */
export type CommitOutcome =
  | {
      readonly kind: 'committed';
      readonly key: InstanceKey;
      /** The new fence. */
      readonly sequence: number;
      /** Whether inbox rows are waiting that this turn has not consumed. */
      readonly inboxWaiting: boolean;
      /** Database time of the commit, milliseconds since 1970. */
      readonly committedAt: number;
      /** The instances that got a message, and when they can see it, milliseconds since 1970. */
      readonly told: readonly { readonly key: InstanceKey; readonly visibleAt: number }[];
      /** The sub-orchestrations that were created, by the ids of their executions. Absent: none. */
      readonly born?: readonly { readonly key: InstanceKey; readonly executionId: string }[];
    }
  /** Somebody else owns the instance now, or it is gone: nothing was written. */
  | { readonly kind: 'lost'; readonly key: InstanceKey }
  /** Postgres refused this member on its own (data or limit error); nothing was written. */
  | { readonly kind: 'refused'; readonly key: InstanceKey; readonly reason: string };

/** An activity call that a worker may run. */
export interface ActivityWork {
  readonly instanceKey: InstanceKey;
  readonly instanceId: string;
  readonly executionId: string;
  readonly taskScheduledId: number;
  readonly name: string;
  readonly version?: string;
  /** Absent: none. */
  readonly tags?: Tags;
  readonly input?: string;
  /** Which try of a retry policy this is, from 1. */
  readonly attempt: number;
  /** The taskScheduledId of the call's first try. */
  readonly firstScheduledId: number;
  readonly redelivery: number;
  /** How long it was in the queue by the database's clock, in ms. Absent: it never was. */
  readonly waitedMs?: number;
  /** That of its instance. */
  readonly trace?: InstanceTrace;
}

/** One that was claimed from the activities queue; `id` and the claiming worker are its fence. */
export interface QueuedActivity extends ActivityWork {
  readonly id: string;
  /** Of one that was taken from a dead worker; absent: none. */
  readonly strikes?: readonly Strike[];
  /** Workers that died with it, nobody knows why; of one that was taken from the last of them. Absent: 0. */
  readonly crashCount?: number;
}

/** How an activity ended. */
export type ActivityOutcome =
  { readonly kind: 'completed'; readonly result?: string } | { readonly kind: 'failed'; readonly failure: Failure };

/** A finished queued activity, to be written. */
export interface ActivityCompletion {
  readonly task: QueuedActivity;
  readonly outcome: ActivityOutcome;
}

/** The names that a worker can run, as registered (compared without case). */
export interface FunctionNames {
  readonly orchestrators: readonly string[];
  readonly activities: readonly string[];
  readonly entities: readonly string[];
}

/** A hint that something changed. Polling finds everything without it (A8). */
export type WorkNotification =
  /** Instances of the hub can be claimed. */
  | { readonly kind: 'instances'; readonly hubId: number }
  /** Rows wait in the activities queue of the hub. */
  | { readonly kind: 'activities'; readonly hubId: number }
  /** Messages arrived for instances that some worker may own. */
  | { readonly kind: 'inbox'; readonly hubId: number; readonly keys: readonly InstanceKey[] }
  /** Instances ended. */
  | {
      readonly kind: 'ended';
      readonly hubId: number;
      readonly keys: readonly InstanceKey[];
      /** The output of the only one, when it completed in this process; other processes are not told. */
      readonly output?: string | null;
    }
  /** Notifications may have been missed: look at everything once. */
  | { readonly kind: 'resync' }
  /** The database was restarted, or is another one: what is known of it may not be what is stored (decision 9). */
  | { readonly kind: 'reset'; readonly change: 'restarted' | 'replaced' };
