/** Why an instance does not move: what is looked at, and what is said of it. */
import type { OrchestrationInstance, RuntimeStatus } from './instance.ts';
import type { InstanceKey } from './work.ts';

export const reasonKinds = [
  // It has ended.
  'completed',
  'failed',
  'poisoned',
  'terminated',
  // It may not go on.
  'suspended',
  'scheduled-start',
  // It could go on, if somebody took it.
  'no-worker',
  'unregistered-name',
  'dead-worker',
  'turn-queued',
  'not-taken',
  'turn-running',
  // It waits for what it asked for.
  'activity-queued',
  'activity-running',
  'sub-orchestration',
  'entity-lock',
  'entity-operation',
  'event',
  'timer',
  'retry',
  'nothing-known',
] as const;
export type ReasonKind = (typeof reasonKinds)[number];

/** One thing that keeps an instance where it is. */
export interface Reason {
  readonly kind: ReasonKind;
  /** A sentence, without its full stop and without the instance's id. */
  readonly text: string;
  /** From when on it has kept the instance; `null`: not known. */
  readonly since: Date | null;
  /** When it ends by itself; `null`: it does not, or nobody knows. */
  readonly until: Date | null;
  /** Name of the event, activity or orchestration, or id of the instance or entity, that it is about. */
  readonly subject: string | null;
  /** The worker that has it. */
  readonly worker: string | null;
}

/** A command that would move the instance. */
export interface Suggestion {
  /** For a shell. */
  readonly command: string;
  /** What it does. */
  readonly effect: string;
}

export interface Explanation {
  readonly instanceId: string;
  readonly name: string;
  readonly runtimeStatus: RuntimeStatus;
  /** Of the first reason. */
  readonly kind: ReasonKind;
  /** What it waits for, in a sentence. */
  readonly sentence: string;
  readonly since: Date | null;
  readonly until: Date | null;
  /** At least one, the one that counts most first. */
  readonly reasons: readonly Reason[];
  readonly suggestions: readonly Suggestion[];
  /** The store's time for which this holds. */
  readonly at: Date;
}

/** A worker that has something. */
export interface HoldingWorker {
  readonly id: string;
  /** `null`: its row is gone. */
  readonly name: string | null;
  readonly isLive: boolean;
  /** When its lease ends, or ended: milliseconds since 1970. */
  readonly expiresAt: number | null;
}

/** An activity of the instance that is in the queue, or was taken from it. */
export interface WaitingTask {
  readonly taskScheduledId: number;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** How often a run of it was lost. */
  readonly redelivery: number;
  readonly owner: HoldingWorker | null;
  /** Whether a live worker runs activities of this name. */
  readonly isListed: boolean;
}

/** What the store knows of a live instance beside its history. */
export interface Obstacles {
  readonly key: InstanceKey;
  /** The store's time, milliseconds since 1970. */
  readonly now: number;
  readonly owner: HoldingWorker | null;
  /** Since when something waits for its next turn, milliseconds since 1970; `null`: nothing does. */
  readonly readySince: number | null;
  /** Of the hub. */
  readonly liveWorkers: number;
  /** Whether a live worker runs orchestrations of this name. */
  readonly isListed: boolean;
  /** The first 100. */
  readonly tasks: readonly WaitingTask[];
}

/** An event that code waits for. */
export interface AwaitedEvent {
  readonly name: string;
  /** Milliseconds since 1970; `null`: not known. */
  readonly since: number | null;
}

/** Who asked for something, as the audit log has it. */
export interface AskedBy {
  readonly actor: string;
  readonly at: Date;
  readonly reason: string | null;
}

/** Everything that an explanation is made from. */
export interface ExplanationFacts {
  /** With its history. */
  readonly instance: OrchestrationInstance;
  /** `undefined`: it has ended. */
  readonly obstacles: Obstacles | undefined;
  /** `undefined`: its code is not here to be asked. */
  readonly awaitedEvents: readonly AwaitedEvent[] | undefined;
  /** Statuses of sub-orchestrations by their instance ids, as far as they were looked at. */
  readonly children: ReadonlyMap<string, RuntimeStatus>;
  /** Who has entities locked, by their instance ids, as far as they were looked at; `null`: nobody. */
  readonly lockHolders: ReadonlyMap<string, string | null>;
  /** Who suspended it, or ended it. */
  readonly askedBy: AskedBy | undefined;
}
