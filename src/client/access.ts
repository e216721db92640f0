/** What fronts need to know who may do what, and to record what was done. */
import type { AccessKey, AuditEntry, AuditFilter, AuditOutcome, AuditPage, Origin, Scope } from '../model/access.ts';

/** A key that somebody presented, recognised. */
export interface KnownKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
}

/** A secret that signs links; the first of several signs, all are believed. */
export interface SigningSecret {
  readonly id: number;
  readonly secret: Buffer;
}

/** Options of {@link Access.createKey}. */
export interface CreateKeyOptions {
  /** 1 to 64 letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** At least one. */
  readonly scopes: readonly Scope[];
  /** After how long it is refused, in ms. Default: never. */
  readonly expiresInMs?: number;
}

/**
 * Keys, link secrets and the audit log of one store. What is asked for every request (`findKey`, `signingSecrets`) comes
 * from memory when it was read within the last second, and is then no promise; changes made elsewhere count within seconds.
 */
export interface Access {
  /** The key whose text this is, or `undefined`. @throws DurableError `StoreUnavailable` when that cannot be known */
  findKey(presented: string): KnownKey | undefined | Promise<KnownKey | undefined>;
  listKeys(): Promise<readonly AccessKey[]>;
  /**
   * @returns the key's text, which is stored nowhere
   * @throws DurableError `InvalidArgument`, `KeyAlreadyExists`
   */
  createKey(options: CreateKeyOptions, origin: Origin): Promise<string>;
  /**
   * Replaces a key's text.
   * @param options.graceMs how long the text before stays good. Default 0
   * @throws DurableError `KeyNotFound`
   */
  rotateKey(name: string, options: { readonly graceMs?: number }, origin: Origin): Promise<string>;
  /** @throws DurableError `KeyNotFound` */
  revokeKey(name: string, origin: Origin): Promise<void>;

  /** The secrets whose links are good; made when there is none. */
  signingSecrets(): readonly SigningSecret[] | Promise<readonly SigningSecret[]>;
  /** @param options.graceMs how long links signed before stay good, at most. Default 0: none is good any more */
  rotateSigningSecret(options: { readonly graceMs?: number }, origin: Origin): Promise<void>;

  /** @returns the id of the record */
  record(entry: AuditEntry): Promise<string>;
  /** Closes a record that was `begun`. */
  finish(id: string, end: { readonly outcome: AuditOutcome; readonly detail: string | null }): Promise<void>;
  /**
   * Newest first.
   * @param page.limit 1 to 1,000
   * @throws DurableError `InvalidArgument` for a foreign continuation token
   */
  listAudit(
    filter: AuditFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<AuditPage>;
}
