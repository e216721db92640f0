import type { FastifyReply, FastifyRequest } from 'fastify';
import { entityIdProblem, type EntityAddress } from '../../model/entity-id.ts';
import type { EntityFilter } from '../../model/entity-work.ts';
import { entityNameParams, entityParams, type EntityNameParams, type EntityParams } from '../../wire/entities.ts';
import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import { answer, empty } from '../../wire/fields.ts';
import { bulkHeaders, listHeaders } from '../../wire/instances.ts';
import {
  cleanedEntities,
  cleanEntitiesQuery,
  storedEntity,
  storedEntityList,
  storedEntityListQuery,
  storedEntityQuery,
} from '../../wire/stored.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Front, Route } from '../front.ts';
import { continuationHeader, continuationToken, pageSize } from '../paging.ts';
import type { Query } from '../query.ts';

const tags = ['Entities'];
const page = {
  [continuationHeader]: 'Send it with the next request; empty on the last page.',
};

/** What `perdure/client` reads. A path without a key is the empty one: no other means a list here. */
export const storedEntities: Route = (app, front) => {
  const get = {
    tags,
    querystring: storedEntityQuery,
    response: {
      ...commonErrors,
      200: answer(storedEntity, 'What is known of it.'),
      404: empty('Nothing is known of it.'),
    },
  };
  app.get<{ Params: EntityParams; Querystring: Query }>(
    '/stored-entities/:entityName/:entityKey',
    {
      schema: {
        ...get,
        operationId: 'getStoredEntity',
        summary: 'Get an entity as it is stored',
        params: entityParams,
      },
    },
    (request, reply) =>
      sendEntity(front, request, reply, { name: request.params.entityName, key: request.params.entityKey }),
  );
  app.get<{ Params: EntityNameParams; Querystring: Query }>(
    '/stored-entities/:entityName',
    {
      schema: {
        ...get,
        operationId: 'getStoredEntityWithoutKey',
        summary: 'Get the entity with the empty key as it is stored',
        params: entityNameParams,
      },
    },
    (request, reply) => sendEntity(front, request, reply, { name: request.params.entityName, key: '' }),
  );
  const list = {
    operationId: 'listStoredEntities',
    summary: 'List entities as they are stored',
    tags,
    querystring: storedEntityListQuery,
    headers: listHeaders,
    response: {
      ...commonErrors,
      200: answer(storedEntityList, 'One page; only the token says whether there are more.', page),
      400: answer(errorBody, 'A filter or the token is not valid.'),
    },
  };
  app.get<{ Querystring: Query }>('/stored-entities', { schema: list }, async (request, reply) => {
    const token = continuationToken(request);
    const found = await front.client(request).listEntities(filterOf(request.query), {
      limit: pageSize(request.query),
      ...(token === undefined ? {} : { continuationToken: token }),
    });
    void reply.header(continuationHeader, found.continuationToken ?? '');
    return sendJson(reply, 200, JSON.stringify(found.entities));
  });
  const clean = {
    operationId: 'cleanEntityStorage',
    summary: 'Remove what empty entities left, and release locks that nobody holds',
    tags,
    querystring: cleanEntitiesQuery,
    headers: bulkHeaders,
    response: {
      ...commonErrors,
      ...repeatErrors,
      200: answer(cleanedEntities, 'What this call did; the token goes on.', page),
    },
  };
  app.post<{ Querystring: Query }>('/bulk/clean-entities', { schema: clean }, async (request, reply) => {
    const { query } = request;
    const token = continuationToken(request);
    const options = {
      removeEmptyEntities: query.strictFlag('removeEmptyEntities', true),
      releaseOrphanedLocks: query.strictFlag('releaseOrphanedLocks', true),
      ...(token === undefined ? {} : { continuationToken: token }),
    };
    const { continuationToken: next, ...cleaned } = await front.client(request).cleanEntityStorage(options);
    void reply.header(continuationHeader, next ?? '');
    return sendJson(reply, 200, JSON.stringify(cleaned));
  });
};

async function sendEntity(
  front: Front,
  request: FastifyRequest<{ Querystring: Query }>,
  reply: FastifyReply,
  entity: EntityAddress,
): Promise<FastifyReply> {
  if (entityIdProblem(entity.name, entity.key) !== null) return sendEmpty(reply, 404);
  const includeState = request.query.flag('includeState', true);
  const found = await front.client(request).getEntity(entity, { includeState });
  return found === undefined ? sendEmpty(reply, 404) : sendJson(reply, 200, JSON.stringify(found));
}

function filterOf(query: Query): EntityFilter {
  const instanceIdPrefix = query.text('instanceIdPrefix') || undefined;
  const from = query.instant('lastModifiedFrom');
  const to = query.instant('lastModifiedTo');
  return {
    includeState: query.flag('includeState', true),
    includeTransient: query.flag('includeTransient', false),
    ...(instanceIdPrefix === undefined ? {} : { instanceIdPrefix }),
    ...(from === undefined ? {} : { lastModifiedFrom: from }),
    ...(to === undefined ? {} : { lastModifiedTo: to }),
  };
}
