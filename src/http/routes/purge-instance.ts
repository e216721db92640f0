import { commonErrors, errorText } from '../../wire/errors.ts';
import { answer, empty, purgeInstanceQuery } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams, purgeResult } from '../../wire/instances.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import type { Query } from '../query.ts';

/** A live instance answers 412 with a JSON string, as the current real service does. */
export const purgeInstance: Route = (app, front) => {
  const schema = {
    operationId: 'purgeInstance',
    summary: 'Remove an ended instance with its history',
    tags: ['Instances'],
    params: instanceParams,
    querystring: purgeInstanceQuery,
    response: {
      ...commonErrors,
      200: answer(purgeResult, 'It was removed.'),
      404: empty('There is no such instance.'),
      412: answer(errorText, 'It has not ended, or one of its sub-orchestrations that were to be removed too.'),
    },
  };
  app.delete<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId',
    { schema },
    async (request, reply) => {
      const recursive = request.query.strictFlag('recursive', false);
      const { instancesDeleted } = await front
        .client(request)
        .purgeInstanceHistory(instanceIdOf(request), { recursive });
      if (instancesDeleted === 0) return sendEmpty(reply, 404);
      return sendJson(reply, 200, JSON.stringify({ instancesDeleted }));
    },
  );
};
