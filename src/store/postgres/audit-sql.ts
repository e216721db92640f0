/** How audit entries go into statements, here and beside the actions that they are about. */
import type { AuditEntry } from '../../model/access.ts';
import type { Tables } from './sql.ts';

const columns = 'task_hub, action, target, reason, outcome, detail, actor, actor_kind, address, user_agent, request_id';

/** How many parameters {@link auditValues} makes. */
const auditParameters = 11;

/** `insert … (columns)`, to be followed by a query for {@link auditRow}. */
export function insertAudit(t: Tables): string {
  return `insert into ${t.audit} (${columns})`;
}

/** The parameters of one entry from `$first` on, as the columns of a row. */
export function auditRow(first: number): string {
  return Array.from({ length: auditParameters }, (_, index) => `$${first + index}::text`).join(', ');
}

/** The same columns out of a JSON array of what {@link auditValues} makes. */
export function auditFields(json: string): string {
  return Array.from({ length: auditParameters }, (_, index) => `(${json}) ->> ${index}`).join(', ');
}

export function auditValues(entry: AuditEntry): readonly (string | null)[] {
  return [
    entry.taskHub,
    entry.action,
    entry.target,
    entry.reason,
    entry.outcome,
    entry.detail,
    entry.actor,
    entry.actorKind,
    entry.address,
    entry.userAgent,
    entry.requestId,
  ].map((text) => (text === null ? null : storable(text)));
}

/** An entry is never lost for a character that Postgres cannot hold. */
function storable(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').toWellFormed();
}
