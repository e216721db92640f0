import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import { answer, empty, postHeaders, reasonQuery } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams } from '../../wire/instances.ts';
import { sendEmpty } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import type { Query } from '../query.ts';

/** The real service answers 500 to an instance that is not suspended; here it is 409 with the same text. */
export const resumeInstance: Route = (app, front) => {
  const schema = {
    operationId: 'resumeInstance',
    summary: 'Resume a suspended instance',
    tags: ['Instances'],
    params: instanceParams,
    querystring: reasonQuery,
    headers: postHeaders,
    response: {
      ...commonErrors,
      ...repeatErrors,
      202: empty('Stored.'),
      404: empty('There is no such instance.'),
      409: answer(errorBody, 'It is not suspended.'),
      410: empty('It has ended.'),
    },
  };
  app.post<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId/resume',
    { schema },
    async (request, reply) => {
      await front.client(request).resume(instanceIdOf(request), request.query.text('reason'));
      return sendEmpty(reply, 202);
    },
  );
};
