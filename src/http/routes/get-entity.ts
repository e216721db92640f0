import { entityIdProblem } from '../../model/entity-id.ts';
import { entityParams, entityState, type EntityParams } from '../../wire/entities.ts';
import { commonErrors } from '../../wire/errors.ts';
import { answer, commonQuery, empty } from '../../wire/fields.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import type { Query } from '../query.ts';

/** The bare state. What was deleted, never existed or cannot exist is 404; the key `$` is the empty one. */
export const getEntity: Route = (app, front) => {
  const schema = {
    operationId: 'getEntity',
    summary: 'Read the state of an entity',
    tags: ['Entities'],
    params: entityParams,
    querystring: commonQuery,
    response: {
      ...commonErrors,
      200: answer(entityState, 'The state as it was stored last.'),
      404: empty('It has no state.'),
    },
  };
  app.get<{ Params: EntityParams; Querystring: Query }>(
    '/entities/:entityName/:entityKey',
    { schema },
    async (request, reply) => {
      const { entityName: name, entityKey } = request.params;
      const key = entityKey === '$' ? '' : entityKey;
      if (entityIdProblem(name, key) !== null) return sendEmpty(reply, 404);
      const entity = await front.client(request).getEntity({ name, key });
      return entity?.state === undefined ? sendEmpty(reply, 404) : sendJson(reply, 200, entity.state);
    },
  );
};
