import type { Failure } from './failure.ts';
import type { HistoryEvent, ParentInstance } from './history.ts';

/** Statuses of an instance that can still go on. */
export const liveStatuses = ['Pending', 'Running', 'Suspended'] as const;
/** Statuses that an instance ends in. `Canceled` is never produced, only accepted in filters. */
export const terminalStatuses = ['Completed', 'Failed', 'Terminated', 'Canceled'] as const;

export type LiveStatus = (typeof liveStatuses)[number];
export type TerminalStatus = (typeof terminalStatuses)[number];
/** `runtimeStatus` as Durable Functions spells it. */
export type RuntimeStatus = LiveStatus | TerminalStatus;

export function isTerminal(status: RuntimeStatus): status is TerminalStatus {
  return terminalStatuses.some((terminal) => terminal === status);
}

/** Texts by name, given to an instance at its start and kept for its life. */
export type Tags = Readonly<Record<string, string>>;

/** An orchestration instance as clients see it. Payloads are stored text (A7). */
export interface OrchestrationInstance {
  /** Surrogate key: changes when the id is reused. A 64-bit integer as text. */
  readonly key: string;
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | null;
  /** As given at the start; `null` when none were. */
  readonly tags: Tags | null;
  readonly executionId: string;
  readonly runtimeStatus: RuntimeStatus;
  readonly input: string | null;
  /** JSON text of the result; the reason, verbatim, of a terminated instance. */
  readonly output: string | null;
  readonly customStatus: string | null;
  readonly failure: Failure | null;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
  readonly completedAt: Date | null;
  readonly scheduledStartAt: Date | null;
  /** Who called it; `null` for one that was started by a client. */
  readonly parent: ParentInstance | null;
  /** Only when it was asked for. */
  readonly history?: readonly HistoryEvent[];
}

/** Which instances of a hub a query means; every given field must match. */
export interface InstanceFilter {
  readonly createdFrom?: Date;
  readonly createdTo?: Date;
  /** Empty or absent: any status. */
  readonly runtimeStatus?: readonly RuntimeStatus[];
  readonly instanceIdPrefix?: string;
  /** Name of the orchestration, compared without case. */
  readonly name?: string;
  /** Exactly this version; instances that were started without one have none. */
  readonly version?: string;
  /** All of these, whatever others there are. */
  readonly tags?: Tags;
}

/** One page of a listing. */
export interface InstancePage {
  /** A page may be shorter than asked for, even empty: only the token says whether there are more. */
  readonly instances: readonly OrchestrationInstance[];
  /** Opaque; absent on the last page. */
  readonly continuationToken?: string;
}

/** How many instances are in each status. */
export type InstanceCounts = Readonly<Record<RuntimeStatus, number>>;

/** Every status once, live ones first. */
export const runtimeStatuses: readonly RuntimeStatus[] = [...liveStatuses, ...terminalStatuses];

/** An instance without what it carries. */
export interface FoundInstance {
  readonly key: string;
  readonly instanceId: string;
  readonly runtimeStatus: RuntimeStatus;
}

/** What an instance says of itself, without what it took and gave. */
export interface InstanceStatus extends FoundInstance {
  readonly name: string;
  readonly customStatus: string | null;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
}

/** One page of {@link FoundInstance}s. */
export interface FoundPage {
  readonly instances: readonly FoundInstance[];
  /** Opaque; absent on the last page. */
  readonly continuationToken?: string;
}

const maxInstanceIdLength = 256;
const maxVersionLength = 100;
const maxTagsLength = 8_000;

/**
 * Says what is wrong with an orchestration's instance id, or `null` when it may be used. The rules are those of
 * Durable Functions (`DurableClient.cs`): no leading `@`, none of `/ \ # ?`, no control characters, at most 256
 * UTF-16 units.
 */
export function instanceIdProblem(id: string, maxLength = maxInstanceIdLength): string | null {
  if (id.length === 0) return 'An instance id must not be empty.';
  if (id.length > maxLength) {
    return `An instance id must have at most ${maxLength} characters; this one has ${id.length}.`;
  }
  if (id.startsWith('@')) return "An instance id must not start with '@': such ids are reserved for entities.";
  if (id === '.' || id === '..') return "An instance id must not be '.' or '..': no URL can address it.";
  if (/[/\\#?]/.test(id)) return 'An instance id must not contain any of the characters / \\ # ?';
  if (/\p{Cc}/u.test(id)) return 'An instance id must not contain control characters.';
  if (!id.isWellFormed()) return 'An instance id must be well-formed Unicode.';
  return null;
}

/** Says what is wrong with the name of an event, or `null` when it may be used: 1 to 256 characters, none a control one. */
export function eventNameProblem(name: unknown): string | null {
  if (typeof name !== 'string' || name.length === 0 || name.length > 256) {
    return 'The name of an event must be a text of 1 to 256 characters.';
  }
  return /\p{Cc}/u.test(name) || !name.isWellFormed()
    ? 'The name of an event must not contain control characters.'
    : null;
}

/** Says what is wrong with an orchestration's version, or `null` when it may be used: at most 100 UTF-16 units. */
export function versionProblem(version: string): string | null {
  if (typeof version !== 'string') return 'A version must be a text.';
  if (version.length > maxVersionLength) {
    return `A version must have at most ${maxVersionLength} characters; this one has ${version.length}.`;
  }
  if (/\p{Cc}/u.test(version) || !version.isWellFormed()) return 'A version must not contain control characters.';
  return null;
}

/**
 * Says what is wrong with the tags of a start, or `null` when they may be used: texts by names that are not empty, in all
 * at most 8,000 UTF-16 units of JSON.
 */
export function tagsProblem(tags: Tags): string | null {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) return 'Tags must be an object with texts.';
  for (const [name, value] of Object.entries(tags)) {
    if (name === '') return 'The name of a tag must not be empty.';
    if (typeof value !== 'string') return `The value of the tag '${name}' must be a text.`;
    if (`${name}${value}`.includes('\0') || !name.isWellFormed() || !value.isWellFormed()) {
      return `The tag '${name}' must be well-formed Unicode without the character U+0000.`;
    }
  }
  const { length } = JSON.stringify(tags);
  return length > maxTagsLength
    ? `Tags may have at most ${maxTagsLength} characters of JSON; these have ${length}.`
    : null;
}
