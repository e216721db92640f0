/** Who did something to an instance, as the audit log has it. */
import type { AccessStore } from '../store/access-store.ts';
import type { Explainer } from './explainer.ts';

export function whoAsked(access: AccessStore): NonNullable<Explainer['findWhoAsked']> {
  return async ({ taskHub, instanceId, action }) => {
    const filter = { taskHub, target: instanceId, action, outcome: 'accepted' } as const;
    const [record] = (await access.listAudit(filter, { limit: 1 })).records;
    return record && { actor: record.actor, at: record.at, reason: record.reason };
  };
}
