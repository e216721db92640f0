/** Keys, link secrets and the audit log on a store in reach of this process. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type AccessKey,
  type AuditEntry,
  type AuditFilter,
  type AuditOutcome,
  type AuditPage,
  type Origin,
  type Scope,
  scopes,
} from '../model/access.ts';
import { DurableError } from '../model/errors.ts';
import type { AccessStore, StoredKey } from '../store/access-store.ts';
import type { Access, CreateKeyOptions, KnownKey, SigningSecret } from './access.ts';
import { Refreshed } from './refreshed.ts';

/** How old what is known may be when an unknown key is refused: a key that was just made works everywhere at once. */
const unknownMs = 250;
const keyBytes = 32;
/** Makes keys easy to find where they should not be: in repositories and logs. */
const keyPrefix = 'perdure_';
const maxTtlMs = 100 * 366 * 86_400_000;

export class LocalAccess implements Access {
  readonly #store: AccessStore;
  readonly #keys: Refreshed<readonly StoredKey[]>;
  readonly #secrets: Refreshed<readonly SigningSecret[]>;

  constructor(store: AccessStore) {
    this.#store = store;
    this.#keys = new Refreshed(() => store.readKeys());
    this.#secrets = new Refreshed(() => this.#readSecrets());
  }

  findKey(presented: string): KnownKey | undefined | Promise<KnownKey | undefined> {
    const hash = hashOf(presented);
    const keys = this.#keys.get();
    if (keys instanceof Promise) return keys.then((read) => find(read, hash));
    const found = find(keys, hash);
    if (found !== undefined || this.#keys.ageMs < unknownMs) return found;
    return this.#keys.refresh().then((read) => find(read, hash));
  }

  listKeys(): Promise<readonly AccessKey[]> {
    return this.#store.listKeys();
  }

  async createKey(options: CreateKeyOptions, origin: Origin): Promise<string> {
    const { name, expiresInMs } = options;
    if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name)) {
      throw invalid("The name of a key must be 1 to 64 letters, digits, '.', '_' or '-'.");
    }
    if (['system', 'anonymous'].includes(name.toLowerCase())) throw invalid(`The name '${name}' is taken.`);
    const wanted = checkScopes(options.scopes);
    if (expiresInMs !== undefined) checkDuration(expiresInMs, 'The time until a key expires');
    const key = keyPrefix + randomBytes(keyBytes).toString('base64url');
    const made = await this.#store.createKey(
      { name, scopes: wanted, hash: hashOf(key), ...(expiresInMs === undefined ? {} : { expiresInMs }) },
      entry(origin, 'createKey', name, `scopes: ${wanted.join(', ')}`),
    );
    this.#keys.forget();
    if (!made) throw new DurableError('KeyAlreadyExists', `There is a key '${name}' already: rotate or revoke it.`);
    return key;
  }

  async rotateKey(name: string, options: { readonly graceMs?: number }, origin: Origin): Promise<string> {
    const graceMs = options.graceMs ?? 0;
    if (graceMs !== 0) checkDuration(graceMs, 'The time for which the key before stays good');
    const key = keyPrefix + randomBytes(keyBytes).toString('base64url');
    const found =
      isKeyName(name) &&
      (await this.#store.rotateKey({ name, hash: hashOf(key), graceMs }, entry(origin, 'rotateKey', name, null)));
    this.#keys.forget();
    if (!found) throw unknownKey(name);
    return key;
  }

  async revokeKey(name: string, origin: Origin): Promise<void> {
    const found = isKeyName(name) && (await this.#store.revokeKey(name, entry(origin, 'revokeKey', name, null)));
    this.#keys.forget();
    if (!found) throw unknownKey(name);
  }

  signingSecrets(): readonly SigningSecret[] | Promise<readonly SigningSecret[]> {
    return this.#secrets.get();
  }

  async rotateSigningSecret(options: { readonly graceMs?: number }, origin: Origin): Promise<void> {
    const graceMs = options.graceMs ?? 0;
    if (graceMs !== 0) checkDuration(graceMs, 'The time for which links signed before stay good');
    const secret = randomBytes(keyBytes);
    await this.#store.rotateLinkSecret({ secret, graceMs }, entry(origin, 'rotateLinkSecret', null, null));
    this.#secrets.forget();
  }

  async #readSecrets(): Promise<readonly SigningSecret[]> {
    const found = await this.#store.readLinkSecrets();
    if (found.length > 0) return found;
    await this.#store.ensureLinkSecret(randomBytes(keyBytes));
    return this.#store.readLinkSecrets();
  }

  record(audit: AuditEntry): Promise<string> {
    return this.#store.recordAudit(audit);
  }

  finish(id: string, end: { readonly outcome: AuditOutcome; readonly detail: string | null }): Promise<void> {
    return this.#store.finishAudit(id, end);
  }

  listAudit(
    filter: AuditFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<AuditPage> {
    return this.#store.listAudit(filter, page);
  }
}

/** Hashes are compared, which tell nothing about a key by the time it takes; every one is, whichever is the right one. */
function find(keys: readonly StoredKey[], hash: Buffer): KnownKey | undefined {
  let found: KnownKey | undefined;
  for (const key of keys) {
    for (const one of key.hashes) if (one.length === hash.length && timingSafeEqual(one, hash)) found = key;
  }
  return found;
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function checkScopes(wanted: readonly Scope[]): readonly Scope[] {
  const isList = Array.isArray(wanted) && wanted.length > 0;
  if (!isList || !wanted.every((one) => scopes.some((scope) => scope === one))) {
    throw invalid(`A key needs at least one scope out of ${scopes.join(', ')}, and no others.`);
  }
  return scopes.filter((scope) => wanted.includes(scope));
}

function checkDuration(ms: number, what: string): void {
  if (!(typeof ms === 'number' && ms > 0 && ms <= maxTtlMs)) throw invalid(`${what} must be between 0 and 100 years.`);
}

/** Whether a key may have that name; nothing else is looked up. */
function isKeyName(name: string): boolean {
  return /^[\w.-]{1,64}$/.test(name);
}

function entry(origin: Origin, action: string, target: string | null, detail: string | null): AuditEntry {
  return { ...origin, taskHub: null, action, target, reason: null, outcome: 'accepted', detail };
}

function invalid(message: string): DurableError {
  return new DurableError('InvalidArgument', message);
}

function unknownKey(name: string): DurableError {
  return new DurableError('KeyNotFound', `There is no key '${name.slice(0, 64)}'.`);
}
