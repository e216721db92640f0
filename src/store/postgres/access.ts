/** Keys, link secrets and the audit log. Every change writes its audit entry in the same statement. */
import type pg from 'pg';
import type {
  AccessKey,
  ActorKind,
  AuditEntry,
  AuditFilter,
  AuditOutcome,
  AuditPage,
  AuditRecord,
  Scope,
} from '../../model/access.ts';
import type { AccessStore, LinkSecret, StoredKey } from '../access-store.ts';
import { readToken, writeToken } from '../continuation-token.ts';
import { again } from './again.ts';
import { auditRow, auditValues, insertAudit } from './audit-sql.ts';
import { toStoreError } from './errors.ts';
import { type Runner, type Statement, statement, type Tables } from './sql.ts';

/** Records that one transaction removes. */
const pruneBatch = 1_000;

function statements(t: Tables) {
  const inMs = (parameter: string) => `now() + ${parameter}::float8 * interval '1 millisecond'`;
  return {
    readKeys: statement(
      'read_access_keys',
      `select name, scopes, hash, case when previous_until > now() then previous_hash end as previous_hash
       from ${t.accessKeys} where expires_at is null or expires_at > now()`,
    ),
    listKeys: statement(
      'list_access_keys',
      `select name, scopes, created_at, rotated_at, expires_at from ${t.accessKeys} order by lower(name)`,
    ),
    createKey: statement(
      'create_access_key',
      `with made as (
         insert into ${t.accessKeys} (name, scopes, hash, expires_at)
         values ($1, $2, $3, ${inMs('$4')}) on conflict do nothing returning name
       ), noted as (${insertAudit(t)} select ${auditRow(5)} from made)
       select name from made`,
    ),
    rotateKey: statement(
      'rotate_access_key',
      `with made as (
         update ${t.accessKeys} set previous_hash = hash, previous_until = ${inMs('$3')}, hash = $2, rotated_at = now()
         where lower(name) = lower($1) returning name
       ), noted as (${insertAudit(t)} select ${auditRow(4)} from made)
       select name from made`,
    ),
    revokeKey: statement(
      'revoke_access_key',
      `with made as (delete from ${t.accessKeys} where lower(name) = lower($1) returning name),
       noted as (${insertAudit(t)} select ${auditRow(2)} from made)
       select name from made`,
    ),
    readSecrets: statement(
      'read_link_secrets',
      `select id, secret from ${t.linkSecrets} where valid_until is null or valid_until > now()
       order by valid_until desc nulls first, id desc`,
    ),
    // Two at the same moment may both be stored: then both sign, and the links of both are good.
    ensureSecret: statement(
      'ensure_link_secret',
      `insert into ${t.linkSecrets} (secret) select $1
       where not exists (select from ${t.linkSecrets} where valid_until is null)`,
    ),
    rotateSecret: statement(
      'rotate_link_secret',
      `with old as (
         update ${t.linkSecrets} set valid_until = least(valid_until, ${inMs('$2')})
         where valid_until is null or valid_until > now()
       ), made as (insert into ${t.linkSecrets} (secret) values ($1) returning id)
       ${insertAudit(t)} select ${auditRow(3)} from made`,
    ),
    record: statement('record_audit', `${insertAudit(t)} values (${auditRow(1)}) returning id`),
    finish: statement('finish_audit', `update ${t.audit} set outcome = $2, detail = $3 where id = $1`),
    list: statement(
      'list_audit',
      `select id, at, task_hub, action, target, reason, outcome, detail, actor, actor_kind, address, user_agent, request_id
       from ${t.audit}
       where ($1::bigint is null or id < $1) and ($2::timestamptz is null or at >= $2)
         and ($3::timestamptz is null or at < $3::timestamptz + interval '1 millisecond')
         and ($4::text is null or lower(task_hub) = lower($4)) and ($5::text is null or lower(action) = lower($5))
         and ($6::text is null or target = $6) and ($7::text is null or lower(actor) = lower($7))
         and ($8::text is null or outcome = $8)
       order by id desc limit $9`,
    ),
    prune: statement(
      'prune_audit',
      `delete from ${t.audit} where id in (
         select id from ${t.audit} where at < now() - $1::float8 * interval '1 millisecond' order by at limit ${pruneBatch}
       ) returning id`,
    ),
  };
}

interface KeyRow {
  readonly name: string;
  readonly scopes: Scope[];
  readonly hash: Buffer;
  readonly previous_hash: Buffer | null;
}

interface ListedKeyRow {
  readonly name: string;
  readonly scopes: Scope[];
  readonly created_at: Date;
  readonly rotated_at: Date | null;
  readonly expires_at: Date | null;
}

interface AuditTableRow {
  readonly id: string;
  readonly at: Date;
  readonly task_hub: string | null;
  readonly action: string;
  readonly target: string | null;
  readonly reason: string | null;
  readonly outcome: AuditOutcome;
  readonly detail: string | null;
  readonly actor: string;
  readonly actor_kind: ActorKind;
  readonly address: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
}

export class PostgresAccess implements AccessStore {
  readonly #runner: Runner;
  readonly #sql: ReturnType<typeof statements>;

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#sql = statements(tables);
  }

  async readKeys(): Promise<readonly StoredKey[]> {
    const rows = await this.#rows<KeyRow>(this.#sql.readKeys);
    return rows.map(({ name, scopes, hash, previous_hash }) => ({
      name,
      scopes,
      hashes: previous_hash === null ? [hash] : [hash, previous_hash],
    }));
  }

  async listKeys(): Promise<readonly AccessKey[]> {
    const rows = await this.#rows<ListedKeyRow>(this.#sql.listKeys);
    return rows.map((row) => ({
      name: row.name,
      scopes: row.scopes,
      createdAt: row.created_at,
      rotatedAt: row.rotated_at,
      expiresAt: row.expires_at,
    }));
  }

  async createKey(key: Parameters<AccessStore['createKey']>[0], audit: AuditEntry): Promise<boolean> {
    const values = [key.name, [...key.scopes], key.hash, key.expiresInMs ?? null, ...auditValues(audit)];
    return (await this.#once(this.#sql.createKey, values)).length === 1;
  }

  async rotateKey(rotation: Parameters<AccessStore['rotateKey']>[0], audit: AuditEntry): Promise<boolean> {
    const values = [rotation.name, rotation.hash, rotation.graceMs, ...auditValues(audit)];
    return (await this.#once(this.#sql.rotateKey, values)).length === 1;
  }

  async revokeKey(name: string, audit: AuditEntry): Promise<boolean> {
    return (await this.#once(this.#sql.revokeKey, [name, ...auditValues(audit)])).length === 1;
  }

  readLinkSecrets(): Promise<readonly LinkSecret[]> {
    return this.#rows<{ id: number; secret: Buffer }>(this.#sql.readSecrets);
  }

  async ensureLinkSecret(secret: Buffer): Promise<void> {
    await this.#rows(this.#sql.ensureSecret, [secret]);
  }

  async rotateLinkSecret(rotation: Parameters<AccessStore['rotateLinkSecret']>[0], audit: AuditEntry): Promise<void> {
    await this.#once(this.#sql.rotateSecret, [rotation.secret, rotation.graceMs, ...auditValues(audit)]);
  }

  async recordAudit(entry: AuditEntry): Promise<string> {
    const [row] = await this.#once<{ id: string }>(this.#sql.record, auditValues(entry));
    if (row === undefined) throw new Error('an audit record returned no id');
    return row.id;
  }

  async finishAudit(
    id: string,
    end: { readonly outcome: AuditOutcome; readonly detail: string | null },
  ): Promise<void> {
    await this.#rows(this.#sql.finish, [id, end.outcome, end.detail]);
  }

  async listAudit(
    filter: AuditFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ): Promise<AuditPage> {
    const query = `audit ${JSON.stringify(filter)}`;
    const after = page.continuationToken ? (readToken(page.continuationToken, query)[0] ?? null) : null;
    const rows = await this.#rows<AuditTableRow>(this.#sql.list, [
      after,
      filter.from ?? null,
      filter.to ?? null,
      filter.taskHub ?? null,
      filter.action ?? null,
      filter.target ?? null,
      filter.actor ?? null,
      filter.outcome ?? null,
      page.limit + 1,
    ]);
    const records = rows.slice(0, page.limit).map(toRecord);
    const last = records.at(-1);
    if (rows.length <= page.limit || last === undefined) return { records };
    return { records, continuationToken: writeToken([last.id], query) };
  }

  async pruneAudit(olderThanMs: number): Promise<number> {
    for (let removed = 0; ;) {
      const batch = (await this.#rows(this.#sql.prune, [olderThanMs])).length;
      removed += batch;
      if (batch < pruneBatch) return removed;
    }
  }

  /** For what may be repeated when the connection is lost. */
  #rows<Row extends pg.QueryResultRow>(what: Statement, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.#run(what, values, true);
  }

  #once<Row extends pg.QueryResultRow>(what: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#run(what, values, false);
  }

  async #run<Row extends pg.QueryResultRow>(
    what: Statement,
    values: readonly unknown[],
    repeatAfterConnectionLoss: boolean,
  ): Promise<readonly Row[]> {
    try {
      return await again(() => this.#runner.rows<Row>(what, values), { repeatAfterConnectionLoss });
    } catch (error) {
      throw toStoreError(error);
    }
  }
}

function toRecord(row: AuditTableRow): AuditRecord {
  return {
    id: row.id,
    at: row.at,
    taskHub: row.task_hub,
    action: row.action,
    target: row.target,
    reason: row.reason,
    outcome: row.outcome,
    detail: row.detail,
    actor: row.actor,
    actorKind: row.actor_kind,
    address: row.address,
    userAgent: row.user_agent,
    requestId: row.request_id,
  };
}
