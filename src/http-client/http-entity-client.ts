/** The verbs on entities, over HTTP. */
import { checkPage, refuse } from '../client/arguments.ts';
import type {
  CleanEntityStorageOptions,
  EntityClient,
  EntityStateResponse,
  TextSignal,
} from '../client/entity-client.ts';
import { toTextSignal } from '../client/to-text.ts';
import { entityIdProblem, type EntityAddress } from '../model/entity-id.ts';
import type { CleanedEntities, EntityFilter, EntityMetadata, EntityPage } from '../model/entity-work.ts';
import { expectDone, isMissing, readJson } from './answers.ts';
import { readCount, readEntity, readList, readObject } from './stored.ts';
import { dateText, tokenOf } from './parameters.ts';
import { segment, type Transport } from './transport.ts';
import { toStateResponse } from '../client/entity-state.ts';

export class HttpEntityClient implements EntityClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async signalEntity(entity: EntityAddress, operation: string, ...rest: unknown[]): Promise<void> {
    return this.signalEntityText(toTextSignal(entity, operation, rest));
  }

  async signalEntityText({ entity, operation, input, scheduledTime }: TextSignal): Promise<void> {
    const answer = await this.#transport.send({
      method: 'POST',
      path: `/entities${pathOf(entity)}`,
      query: { op: operation, scheduledTime: dateText('scheduledTime', scheduledTime) },
      body: input,
      repeatable: false,
    });
    expectDone(answer);
  }

  async readEntityState<State>(entity: EntityAddress): Promise<EntityStateResponse<State>> {
    return toStateResponse<State>(await this.getEntity(entity));
  }

  async getEntity(
    entity: EntityAddress,
    options: { readonly includeState?: boolean } = {},
  ): Promise<EntityMetadata | undefined> {
    const answer = await this.#transport.send({
      method: 'GET',
      path: `/stored-entities${pathOf(entity)}`,
      query: { includeState: String(options.includeState ?? true) },
      repeatable: true,
    });
    if (isMissing(answer)) return undefined;
    expectDone(answer);
    return readEntity(readJson(answer));
  }

  async listEntities(
    filter: EntityFilter = {},
    page: { readonly limit?: number; readonly continuationToken?: string } = {},
  ): Promise<EntityPage> {
    const {
      instanceIdPrefix,
      lastModifiedFrom,
      lastModifiedTo,
      includeState = true,
      includeTransient = false,
    } = filter;
    const answer = await this.#transport.send({
      method: 'GET',
      path: '/stored-entities',
      query: {
        instanceIdPrefix,
        lastModifiedFrom: dateText('lastModifiedFrom', lastModifiedFrom),
        lastModifiedTo: dateText('lastModifiedTo', lastModifiedTo),
        includeState: String(includeState),
        includeTransient: String(includeTransient),
        top: String(checkPage(page.limit, 'entities')),
      },
      continuationToken: page.continuationToken,
      repeatable: true,
    });
    expectDone(answer);
    return { entities: readList(readJson(answer), readEntity), ...tokenOf(answer) };
  }

  async cleanEntityStorage(options: CleanEntityStorageOptions = {}): Promise<CleanedEntities> {
    const { removeEmptyEntities = true, releaseOrphanedLocks = true, continuationToken } = options;
    const answer = await this.#transport.send({
      method: 'POST',
      path: '/bulk/clean-entities',
      query: {
        removeEmptyEntities: String(removeEmptyEntities),
        releaseOrphanedLocks: String(releaseOrphanedLocks),
      },
      continuationToken,
      repeatable: false,
    });
    expectDone(answer);
    const { emptyEntitiesRemoved, orphanedLocksReleased } = readObject(readJson(answer));
    return {
      emptyEntitiesRemoved: readCount(emptyEntitiesRemoved),
      orphanedLocksReleased: readCount(orphanedLocksReleased),
      ...tokenOf(answer),
    };
  }
}

/** The empty key has no segment of its own. @throws DurableError `InvalidArgument` */
function pathOf(entity: EntityAddress): string {
  refuse(entityIdProblem(entity?.name, entity?.key));
  const name = segment(entity.name, 'The name of an entity');
  return entity.key === '' ? `/${name}` : `/${name}/${segment(entity.key, 'The key of an entity')}`;
}
