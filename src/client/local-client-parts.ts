import type { AuditNote } from '../model/access.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { NewInstance, RewindPlan, StartOffer } from '../model/work.ts';
import type { ClientStore } from '../store/store.ts';
import type { CompletionWaiters } from './completion-waiters.ts';
import type { DeclaredValues } from './declared-values.ts';
import type { Explainer } from './explainer.ts';
import type { KnownFunctions } from './known-functions.ts';
import type { WebhookRules } from './webhooks.ts';
import type { ClientTracing } from './client-tracing.ts';

/** A worker of this process, which may take an instance the moment it is started. */
export interface Placement {
  /** @returns an offer when it has room for an orchestration of this name, in this hub, right now */
  offer(hubId: number, start: NewInstance): Promise<StartOffer | undefined>;
}

/** What every client of a process shares. */
export interface LocalClientParts {
  readonly store: ClientStore;
  readonly waiters: CompletionWaiters;
  readonly known: KnownFunctions;
  /** Longest poll, in ms: how long suspend and resume wait for their effect. */
  readonly pollMs: number;
  /** Largest payload in UTF-16 units. */
  readonly maxPayloadLength: number;
  /** Longest instance id, in UTF-16 units. Default 256. */
  readonly maxInstanceIdLength?: number;
  readonly placement: Placement | undefined;
  /** Of starts that name no version. Default: none. */
  readonly defaultVersion?: string;
  /** What is known of the values that come in. Default: nothing, any value is taken. */
  readonly declared?: DeclaredValues;
  /** Makes ids of instances and executions. Default: 32 random hex digits. */
  readonly newId?: () => string;
  /** What is recorded of the action that this client is for; `undefined` for clients that are not asked to record any. */
  readonly audit?: AuditNote | undefined;
  /** Absent: completion webhooks are refused. */
  readonly webhooks?: WebhookRules;
  /** Absent: no spans, and no context is passed on. */
  readonly tracing?: ClientTracing;
  readonly explainer: Explainer;
  /** Says what a rewind undoes. */
  readonly planRewind: RewindPlanner;
}

/** Decides what a rewind undoes, given the whole history of a failed execution. */
export type RewindPlanner = (request: {
  readonly stored: readonly HistoryEvent[];
  readonly executionId: string;
  readonly reason: string | undefined;
  readonly now: number;
}) => RewindPlan;
