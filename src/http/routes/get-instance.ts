import type { OrchestrationClient } from '../../client/client.ts';
import type { OrchestrationInstance } from '../../model/instance.ts';
import { commonErrors } from '../../wire/errors.ts';
import { answer, empty } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams, instanceStatus, statusQuery } from '../../wire/instances.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf, spacedInstanceId } from '../instance-id.ts';
import { hasEnded, presentStatus } from '../present.ts';
import type { Query } from '../query.ts';
import { shownBy } from '../shown.ts';
import { type Exchange, longPollMs, waitForEnd } from '../waiting.ts';

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
      const timeoutMs = longPollMs(request.query);
      const spaced = spacedInstanceId(request);
      const look = (instanceId: string): Promise<OrchestrationInstance | undefined> =>
        lookAt({ front, reply }, client, { instanceId, timeoutMs, showHistory: shown.history });
      const instance = (await look(instanceIdOf(request))) ?? (spaced === undefined ? undefined : await look(spaced));
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

/** At once, or when it has ended or the time is up. */
async function lookAt(
  { front, reply }: Pick<Exchange, 'front' | 'reply'>,
  client: OrchestrationClient,
  wanted: { readonly instanceId: string; readonly timeoutMs: number; readonly showHistory: boolean },
): Promise<OrchestrationInstance | undefined> {
  const { instanceId, timeoutMs, showHistory } = wanted;
  if (timeoutMs === 0) return client.getStatus(instanceId, { showHistory });
  const instance = await waitForEnd({ front, reply }, client, { instanceId, timeoutMs });
  return instance === undefined || !showHistory ? instance : client.getStatus(instanceId, { showHistory });
}
