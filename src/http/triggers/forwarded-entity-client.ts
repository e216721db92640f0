import type {
  CleanEntityStorageOptions,
  EntityClient,
  EntityStateResponse,
  TextSignal,
} from '../../client/entity-client.ts';
import type { SignalArguments } from '../../model/entity-functions.ts';
import type { EntityAddress, EntityId, EntityOperations, EntityWithState } from '../../model/entity-id.ts';
import type { CleanedEntities, EntityFilter, EntityMetadata, EntityPage } from '../../model/entity-work.ts';

/** The verbs on entities, passed on to another client. */
export class ForwardedEntityClient implements EntityClient {
  readonly #client: EntityClient;

  constructor(client: EntityClient) {
    this.#client = client;
  }

  signalEntity<Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...rest: SignalArguments<Operations[Name]>
  ): Promise<void> {
    return this.#client.signalEntity(entity, operation, ...rest);
  }

  signalEntityText(signal: TextSignal): Promise<void> {
    return this.#client.signalEntityText(signal);
  }

  readEntityState<State = unknown>(entity: EntityWithState<State>): Promise<EntityStateResponse<State>> {
    return this.#client.readEntityState(entity);
  }

  getEntity(entity: EntityAddress, options?: { readonly includeState?: boolean }): Promise<EntityMetadata | undefined> {
    return this.#client.getEntity(entity, options);
  }

  listEntities(
    filter?: EntityFilter,
    page?: { readonly limit?: number; readonly continuationToken?: string },
  ): Promise<EntityPage> {
    return this.#client.listEntities(filter, page);
  }

  cleanEntityStorage(options?: CleanEntityStorageOptions): Promise<CleanedEntities> {
    return this.#client.cleanEntityStorage(options);
  }
}
