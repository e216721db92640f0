/** The verbs on entities, after `DurableClient` of Durable Functions. */
import type { SignalArguments } from '../model/entity-functions.ts';
import type { EntityAddress, EntityId, EntityOperations, EntityWithState } from '../model/entity-id.ts';
import type { CleanedEntities, EntityFilter, EntityMetadata, EntityPage } from '../model/entity-work.ts';
import type { TraceContext } from '../model/trace-context.ts';

/** What {@link EntityClient.readEntityState} finds. */
export type EntityStateResponse<State> =
  | { readonly entityExists: true; readonly entityState: State }
  | { readonly entityExists: false; readonly entityState: undefined };

/** A signal whose input is JSON text already. */
export interface TextSignal {
  readonly entity: EntityAddress;
  /** May be empty. */
  readonly operation: string;
  /** JSON text, or absent for no input; the caller has checked that it is JSON. */
  readonly input?: string;
  /** Do not deliver before this time. */
  readonly scheduledTime?: Date;
  /** Of who asks for it: W3C `traceparent`, and after a blank `tracestate`. Default: what is active here. */
  readonly traceContext?: TraceContext;
}

/** Options of {@link EntityClient.cleanEntityStorage}. */
export interface CleanEntityStorageOptions {
  /** Remove entities without state, lock and waiting messages. Default `true`. */
  readonly removeEmptyEntities?: boolean;
  /** Release locks of orchestrations that do not run any more. Default `true`. */
  readonly releaseOrphanedLocks?: boolean;
  /** Of the answer before. */
  readonly continuationToken?: string;
}

export interface EntityClient {
  /**
   * Sends an operation to an entity; when this resolves it is stored, and will run once. The entity need not exist. Nobody
   * learns what came of it.
   * @param rest input, then options such as `{ scheduledTime }`
   * @throws DurableError `InvalidArgument`, `EntityNotRegistered` when live workers are known and none lists the name,
   *   `PayloadTooLarge`
   */
  signalEntity<Operations extends EntityOperations, Name extends keyof Operations & string>(
    entity: EntityId<Operations>,
    operation: Name,
    ...rest: SignalArguments<Operations[Name]>
  ): Promise<void>;

  /** The same for input that is JSON text already: it is stored as it is. */
  signalEntityText(signal: TextSignal): Promise<void>;

  /** Reads the state as it was stored last; operations that wait are not in it yet. */
  readEntityState<State = unknown>(entity: EntityWithState<State>): Promise<EntityStateResponse<State>>;

  /**
   * What is known of an entity, `undefined` when there is nothing. One without a state may be there for a while:
   * `exists` is then `false`.
   * @param options.includeState default `true`
   */
  getEntity(entity: EntityAddress, options?: { readonly includeState?: boolean }): Promise<EntityMetadata | undefined>;

  /**
   * One page of entities, by instance id.
   * @throws DurableError `InvalidArgument` for a limit outside 1 to 1,000, a prefix that is none of an entity's id, or a
   *   foreign continuation token
   */
  listEntities(
    filter?: EntityFilter,
    page?: { readonly limit?: number; readonly continuationToken?: string },
  ): Promise<EntityPage>;

  /**
   * Tidies up: workers do the same now and then. Call it again with the continuation token until there is none.
   * @throws DurableError `InvalidArgument` for a foreign continuation token
   */
  cleanEntityStorage(options?: CleanEntityStorageOptions): Promise<CleanedEntities>;
}
