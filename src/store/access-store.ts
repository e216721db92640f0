/** The storage port of keys, link secrets and the audit log. None of it is on the way of orchestrations. */
import type { AccessKey, AuditEntry, AuditFilter, AuditOutcome, AuditPage, Scope } from '../model/access.ts';

/** What a key is recognised by. */
export interface StoredKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the keys that are good: the current one and perhaps the one before. */
  readonly hashes: readonly Buffer[];
}

/** A secret that signs links. */
export interface LinkSecret {
  readonly id: number;
  readonly secret: Buffer;
}

/** Changes write their audit entry in the same statement. */
export interface AccessStore {
  /** The keys that are good now. */
  readKeys(): Promise<readonly StoredKey[]>;
  /** All keys, expired ones too, by name. */
  listKeys(): Promise<readonly AccessKey[]>;
  /** @returns `false` when there is one of that name (without regard to case) */
  createKey(
    key: {
      readonly name: string;
      readonly scopes: readonly Scope[];
      readonly hash: Buffer;
      readonly expiresInMs?: number;
    },
    audit: AuditEntry,
  ): Promise<boolean>;
  /**
   * @param rotation.graceMs how long the key before stays good
   * @returns `false` when there is none of that name
   */
  rotateKey(
    rotation: { readonly name: string; readonly hash: Buffer; readonly graceMs: number },
    audit: AuditEntry,
  ): Promise<boolean>;
  /** @returns `false` when there is none of that name */
  revokeKey(name: string, audit: AuditEntry): Promise<boolean>;

  /** The secrets whose links are good, the one that signs first. */
  readLinkSecrets(): Promise<readonly LinkSecret[]>;
  /** Stores a first secret, if there is none. */
  ensureLinkSecret(secret: Buffer): Promise<void>;
  /** @param rotation.graceMs how long links signed before stay good, at most */
  rotateLinkSecret(rotation: { readonly secret: Buffer; readonly graceMs: number }, audit: AuditEntry): Promise<void>;

  /** @returns the id of the record */
  recordAudit(entry: AuditEntry): Promise<string>;
  /** Closes a record that was `begun`. */
  finishAudit(id: string, end: { readonly outcome: AuditOutcome; readonly detail: string | null }): Promise<void>;
  /**
   * Newest first.
   * @throws DurableError `InvalidArgument` for a token that is not ours or belongs to another filter
   */
  listAudit(
    filter: AuditFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<AuditPage>;
  /** Removes records older than that, in small transactions. @returns how many */
  pruneAudit(olderThanMs: number): Promise<number>;
}
