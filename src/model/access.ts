/** Who may do what with the service, and the record of what operators did. */

/** What a key lets its owner do: look, start and signal, or everything. */
export const scopes = ['read', 'write', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** A named key as it is listed; the key itself is shown once, when it is made. */
export interface AccessKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly rotatedAt: Date | null;
  /** From then on it is refused. `null`: never. */
  readonly expiresAt: Date | null;
}

/** How somebody was recognised. `service`: nobody, it does so by itself. */
export type ActorKind = 'anonymous' | 'system' | 'key' | 'link' | 'cli' | 'service';

/** Who did something, and where from. */
export interface Origin {
  /** Name of the key, or what stands for one: `system`, `anonymous`. */
  readonly actor: string;
  readonly actorKind: ActorKind;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

/** One action of an operator. */
export interface AuditEntry extends Origin {
  readonly taskHub: string | null;
  /** `terminate`, `purge`, `createKey` and the like. */
  readonly action: string;
  /** An instance id or the name of a key; `null` for actions on many. */
  readonly target: string | null;
  readonly reason: string | null;
  /** `accepted`, `refused`, `failed`, or `begun` for what has not ended yet. */
  readonly outcome: AuditOutcome;
  /** Filters of an action on many, the status of a refusal. */
  readonly detail: string | null;
}

export const auditOutcomes = ['begun', 'accepted', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof auditOutcomes)[number];

/** An entry that a store may write together with the action that it is about. */
export interface AuditNote {
  readonly entry: AuditEntry;
  /** Called by a store that has done so. */
  stored(): void;
  /** Called when a start has ended a live instance that had its id. */
  endedLive(): void;
}

/** An entry as it is stored. */
export interface AuditRecord extends AuditEntry {
  readonly id: string;
  readonly at: Date;
}

/** Which records to list; all that is given must hold. */
export interface AuditFilter {
  readonly from?: Date;
  readonly to?: Date;
  readonly taskHub?: string;
  readonly action?: string;
  readonly target?: string;
  readonly actor?: string;
  readonly outcome?: AuditOutcome;
}

/** One page of records, newest first; without a token it is the last. */
export interface AuditPage {
  readonly records: readonly AuditRecord[];
  readonly continuationToken?: string;
}
