import type { FastifyReply, FastifyRequest } from 'fastify';
import { entityIdProblem, entityInstanceId } from '../../model/entity-id.ts';
import type { EntityMetadata } from '../../model/entity-work.ts';
import { entityList, entityListQuery, entityNameParams, type EntityNameParams } from '../../wire/entities.ts';
import { commonErrors, errorBody } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { listHeaders } from '../../wire/instances.ts';
import { sendJson } from '../answers.ts';
import type { Front, Route } from '../front.ts';
import { continuationHeader, continuationToken, pageSize } from '../paging.ts';
import type { Query } from '../query.ts';

/** Those with a state, of all names or of one; the header is always there, and empty on the last page. */
export const listEntities: Route = (app, front) => {
  const schema = {
    tags: ['Entities'],
    querystring: entityListQuery,
    headers: listHeaders,
    response: {
      ...commonErrors,
      200: answer(entityList, 'One page; only the token says whether there are more.', {
        [continuationHeader]: 'Send it with the next request; empty on the last page.',
      }),
      400: answer(errorBody, 'A filter or the token is not valid.'),
    },
  };
  app.get<{ Querystring: Query }>(
    '/entities',
    { schema: { ...schema, operationId: 'listEntities', summary: 'List entities' } },
    (request, reply) => list(front, request, reply, undefined),
  );
  app.get<{ Params: EntityNameParams; Querystring: Query }>(
    '/entities/:entityName',
    {
      schema: {
        ...schema,
        operationId: 'listEntitiesByName',
        summary: 'List the entities of one name',
        params: entityNameParams,
      },
    },
    (request, reply) => list(front, request, reply, request.params.entityName),
  );
};

async function list(
  front: Front,
  request: FastifyRequest<{ Querystring: Query }>,
  reply: FastifyReply,
  name: string | undefined,
): Promise<FastifyReply> {
  const { query } = request;
  const from = query.instant('lastOperationTimeFrom');
  const to = query.instant('lastOperationTimeTo');
  const token = continuationToken(request);
  const page = { limit: pageSize(query), ...(token === undefined ? {} : { continuationToken: token }) };
  const isImpossible = name !== undefined && entityIdProblem(name, '') !== null;
  const found = isImpossible
    ? { entities: [] }
    : await front.client(request).listEntities(
        {
          ...(name === undefined ? {} : { instanceIdPrefix: entityInstanceId({ name, key: '' }) }),
          includeState: query.flag('fetchState', false),
          ...(from === undefined ? {} : { lastModifiedFrom: from }),
          ...(to === undefined ? {} : { lastModifiedTo: to }),
        },
        page,
      );
  void reply.header(continuationHeader, found.continuationToken ?? '');
  return sendJson(reply, 200, `[${found.entities.map(present).join(',')}]`);
}

/** The state is embedded as it is stored (A7). */
function present({ name, key, lastModifiedAt, state }: EntityMetadata): string {
  const entityId = JSON.stringify({ name, key });
  return `{"entityId":${entityId},"lastOperationTime":"${fraction(lastModifiedAt)}","state":${state ?? 'null'}}`;
}

/** Without the zeros that .NET would drop. */
function fraction(date: Date): string {
  return date.toISOString().replace(/\.?0+Z$/, 'Z');
}
