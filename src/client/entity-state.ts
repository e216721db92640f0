import type { EntityMetadata } from '../model/entity-work.ts';
import type { EntityStateResponse } from './entity-client.ts';

/** A stored entity as `readEntityState` answers it: one without a state does not exist for callers. */
export function toStateResponse<State>(found: EntityMetadata | undefined): EntityStateResponse<State> {
  if (found?.state === undefined) return { entityExists: false, entityState: undefined };
  return { entityExists: true, entityState: JSON.parse(found.state) as State };
}
