import { commonErrors } from '../../wire/errors.ts';
import { answer, empty } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams, instanceStatus, statusQuery } from '../../wire/instances.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf, spacedInstanceId } from '../instance-id.ts';
import { hasEnded, presentStatus } from '../present.ts';
import type { Query } from '../query.ts';
import { shownBy } from '../shown.ts';

/** 202 tells pollers to come back: `Location` is this very URL, so that `showHistory` and the like survive. */
export const getInstance: Route = (app, front) => {
  const schema = {
    operationId: 'getInstance',
    summary: 'Get the status of an instance',
    tags: ['Instances'],
    params: instanceParams,
    querystring: statusQuery,
    response: {
      ...commonErrors,
      200: answer(instanceStatus, 'It has ended.'),
      202: answer(instanceStatus, 'It goes on.', { Location: 'This URL.', 'Retry-After': 'Seconds.' }),
      404: empty('There is no such instance.'),
      500: answer(instanceStatus, 'It has failed, and the request asked for this status.'),
    },
  };
  app.get<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId',
    { schema },
    async (request, reply) => {
      const client = front.client(request);
      const shown = shownBy(request.query);
      const options = { showHistory: shown.history };
      const spaced = spacedInstanceId(request);
      const instance =
        (await client.getStatus(instanceIdOf(request), options)) ??
        (spaced === undefined ? undefined : await client.getStatus(spaced, options));
      if (instance === undefined) return sendEmpty(reply, 404);
      if (!hasEnded(instance)) {
        void reply.header('location', front.ownUrl(request)).header('retry-after', '5');
        return sendJson(reply, 202, presentStatus(instance, shown));
      }
      const asError =
        instance.runtimeStatus === 'Failed' && request.query.flag('returnInternalServerErrorOnFailure', false);
      return sendJson(reply, asError ? 500 : 200, presentStatus(instance, shown));
    },
  );
};
