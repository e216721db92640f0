import { entityNameParams, entityParams, type EntityNameParams, type EntityParams } from '../../wire/entities.ts';
import { commonQuery } from '../../wire/fields.ts';
import { sendEmpty } from '../answers.ts';
import { entityProblem } from '../entity-address.ts';
import type { Route } from '../front.ts';
import type { Query } from '../query.ts';
import { send, signalAnswers } from './signal-entity.ts';

/** The same as a POST of the operation `delete`, whatever `op` says; a body is its input. */
export const deleteEntity: Route = (app, front) => {
  const schema = { tags: ['Entities'], querystring: commonQuery, response: signalAnswers };
  app.delete<{ Params: EntityParams; Querystring: Query }>(
    '/entities/:entityName/:entityKey',
    { schema: { ...schema, operationId: 'deleteEntity', summary: 'Send delete to an entity', params: entityParams } },
    async (request, reply) => {
      const { entityName, entityKey } = request.params;
      await send(front, request, { name: entityName, key: entityKey, operation: 'delete' });
      return sendEmpty(reply, 202);
    },
  );
  app.delete<{ Params: EntityNameParams; Querystring: Query }>(
    '/entities/:entityName',
    {
      schema: {
        ...schema,
        operationId: 'deleteEntityWithoutKey',
        summary: 'Send delete to the entity with the empty key',
        params: entityNameParams,
      },
    },
    async (request, reply) => {
      await send(front, request, { name: request.params.entityName, key: '', operation: 'delete' });
      return sendEmpty(reply, 202);
    },
  );
  app.delete<{ Querystring: Query }>('/entities', { schema: { hide: true } }, () => {
    throw entityProblem('The name of the entity is missing: DELETE …/entities/{entityName}/{entityKey}.');
  });
};
