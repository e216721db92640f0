import { DurableError } from '../../model/errors.ts';
import { commonErrors, errorText, repeatErrors } from '../../wire/errors.ts';
import { answer, empty, postHeaders, reasonQuery } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams } from '../../wire/instances.ts';
import { sendEmpty } from '../answers.ts';
import type { Route } from '../front.ts';
import { textProblem } from '../problem.ts';
import type { Query } from '../query.ts';

/** Its errors are JSON strings: JavaScript clients show the parsed body as it is. */
export const rewindInstance: Route = (app, front) => {
  const schema = {
    operationId: 'rewindInstance',
    summary: 'Run again what failed in a failed instance',
    tags: ['Instances'],
    params: instanceParams,
    querystring: reasonQuery,
    headers: postHeaders,
    response: {
      ...commonErrors,
      ...repeatErrors,
      202: empty('It runs again.'),
      404: answer(errorText, 'There is no such instance.'),
      412: answer(errorText, 'It has not failed.'),
    },
  };
  app.post<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId/rewind',
    { schema },
    async (request, reply) => {
      try {
        await front.client(request).rewind(request.params.instanceId, request.query.text('reason'));
      } catch (error) {
        if (error instanceof DurableError && error.code === 'InstanceNotFound') throw textProblem(404, error.message);
        throw error;
      }
      return sendEmpty(reply, 202);
    },
  );
};
