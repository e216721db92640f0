import type { AuditNote } from '../model/access.ts';
import { DurableError } from '../model/errors.ts';
import type { RuntimeStatus } from '../model/instance.ts';
import type { ClientStore } from '../store/store.ts';

/**
 * Removes one ended instance, or with it all its sub-orchestrations.
 * @throws DurableError `InstanceNotTerminal`: then nothing was removed
 */
export async function purge(
  store: ClientStore,
  what: { readonly hubId: number; readonly instanceId: string; readonly recursive: boolean },
  audit: AuditNote | undefined,
): Promise<{ readonly instancesDeleted: number }> {
  const { hubId, instanceId, recursive } = what;
  if (recursive) {
    const tree = await store.purgeTree(hubId, instanceId, audit);
    if (tree.kind === 'not-terminal') throw notTerminal(tree.instanceId, tree.status);
    return { instancesDeleted: tree.kind === 'purged' ? tree.instances : 0 };
  }
  const outcome = await store.purgeInstance(hubId, instanceId, audit);
  if (outcome.kind === 'not-terminal') throw notTerminal(instanceId, outcome.status);
  return { instancesDeleted: outcome.kind === 'purged' ? 1 : 0 };
}

function notTerminal(instanceId: string, status: RuntimeStatus): DurableError {
  return new DurableError(
    'InstanceNotTerminal',
    `Only orchestrations in a terminal state can be purged, but the orchestration with instance ID ${instanceId} has status ${status}`,
  );
}
