import { commonErrors, repeatErrors } from '../../wire/errors.ts';
import { empty, postHeaders, terminateQuery } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams } from '../../wire/instances.ts';
import { sendEmpty } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import type { Query } from '../query.ts';

/** 202 means stored: the status turns `Terminated` a little later. Body and content type are ignored. */
export const terminateInstance: Route = (app, front) => {
  const schema = {
    operationId: 'terminateInstance',
    summary: 'Ask for the end of an instance',
    tags: ['Instances'],
    params: instanceParams,
    querystring: terminateQuery,
    headers: postHeaders,
    response: {
      ...commonErrors,
      ...repeatErrors,
      202: empty('Stored.'),
      404: empty('There is no such instance.'),
      410: empty('It has ended.'),
    },
  };
  app.post<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId/terminate',
    { schema },
    async (request, reply) => {
      const recursive = request.query.strictFlag('recursive', false);
      await front.client(request).terminate(instanceIdOf(request), request.query.text('reason'), { recursive });
      return sendEmpty(reply, 202);
    },
  );
};
