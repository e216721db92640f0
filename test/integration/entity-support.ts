import type { EntityWithState } from '../../src/model/entity-id.ts';
import type { TestHub } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

/** Waits until the state of an entity is as wanted. */
export function reachState<State>(hub: TestHub, id: EntityWithState<State>, wanted: State): Promise<unknown> {
  let seen: unknown;
  return waitFor(
    async () => {
      const { entityState } = await hub.client.readEntityState(id);
      seen = entityState;
      return JSON.stringify(seen) === JSON.stringify(wanted);
    },
    { what: `the state of @${id.name}@${id.key} to be ${JSON.stringify(wanted)}` },
  ).catch((error: unknown) => {
    throw new Error(`it is ${JSON.stringify(seen)}`, { cause: error });
  });
}
