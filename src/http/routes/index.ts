/** Every operation of the management API. */
import type { Route } from '../front.ts';
import { bulk } from './bulk.ts';
import { countInstances } from './count-instances.ts';
import { deleteEntity } from './delete-entity.ts';
import { explainInstance } from './explain-instance.ts';
import { getEntity } from './get-entity.ts';
import { getInstance } from './get-instance.ts';
import { hubEvents } from './hub-events.ts';
import { instanceEvents } from './instance-events.ts';
import { listEntities } from './list-entities.ts';
import { listInstances } from './list-instances.ts';
import { purgeInstance } from './purge-instance.ts';
import { purgeInstances } from './purge-instances.ts';
import { raiseEvent } from './raise-event.ts';
import { restartInstance } from './restart-instance.ts';
import { resumeInstance } from './resume-instance.ts';
import { rewindInstance } from './rewind-instance.ts';
import { signalEntity } from './signal-entity.ts';
import { startOrchestrationWithId } from './start-orchestration-with-id.ts';
import { startOrchestration } from './start-orchestration.ts';
import { storedEntities } from './stored-entities.ts';
import { storedInstances } from './stored-instances.ts';
import { suspendInstance } from './suspend-instance.ts';
import { terminateInstance } from './terminate-instance.ts';

export const routes: readonly Route[] = [
  startOrchestration,
  startOrchestrationWithId,
  listInstances,
  countInstances,
  getInstance,
  explainInstance,
  instanceEvents,
  hubEvents,
  raiseEvent,
  terminateInstance,
  suspendInstance,
  resumeInstance,
  rewindInstance,
  restartInstance,
  purgeInstance,
  purgeInstances,
  bulk,
  signalEntity,
  deleteEntity,
  getEntity,
  listEntities,
  storedInstances,
  storedEntities,
];
