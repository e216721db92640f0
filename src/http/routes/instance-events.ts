import { createHash } from 'node:crypto';
import { type InstanceStatus, isTerminal } from '../../model/instance.ts';
import { commonErrors } from '../../wire/errors.ts';
import { answer, commonQuery, empty } from '../../wire/fields.ts';
import { eventHeaders, eventStream } from '../../wire/events.ts';
import { type InstanceParams, instanceParams } from '../../wire/instances.ts';
import { sendEmpty } from '../answers.ts';
import { openStream, presentChange } from '../event-stream.ts';
import type { Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import type { Query } from '../query.ts';

/**
 * States, not a log: first how it is, then whenever that is another. So a caller that comes back with the id of the state
 * that it knows misses nothing but what came and went meanwhile. An addition to the API of Azure.
 */
export const instanceEvents: Route = (app, front) => {
  const schema = {
    operationId: 'instanceEvents',
    summary: 'Follow the status of an instance',
    tags: ['Events'],
    params: instanceParams,
    querystring: commonQuery,
    headers: eventHeaders,
    response: {
      ...commonErrors,
      200: eventStream('`status` events, until it has ended; `gone` when it is removed.'),
      204: empty('It has ended, and the caller knows how: there is nothing to come back for.'),
      404: empty('There is no such instance.'),
      503: answer(
        commonErrors[503],
        'There are as many streams as may be, or as for any operation; see `Retry-After`.',
      ),
    },
  };
  app.get<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId/events',
    { schema },
    async (request, reply) => {
      const { events } = front;
      const instance = await front.client(request).getStatus(instanceIdOf(request));
      if (instance === undefined || events === undefined) return sendEmpty(reply, 404);
      let last = request.headers['last-event-id'];
      if (isTerminal(instance.runtimeStatus) && last === idOf(instance)) return sendEmpty(reply, 204);
      return openStream(front, reply, (stream) => {
        const stop = events.watch(instance.key, (now) => {
          if (now === undefined) {
            stream.send({ name: 'gone', data: JSON.stringify({ instanceId: instance.instanceId }) });
            stream.end();
            return;
          }
          const id = idOf(now);
          if (id !== last) stream.send({ name: 'status', id, data: presentChange(now) });
          last = id;
          if (isTerminal(now.runtimeStatus)) stream.end();
        });
        stream.onEnd(stop);
      });
    },
  );
};

/** Stands for a state. */
function idOf({
  key,
  runtimeStatus,
  customStatus,
}: Pick<InstanceStatus, 'key' | 'runtimeStatus' | 'customStatus'>): string {
  return createHash('sha256')
    .update(JSON.stringify([key, runtimeStatus, customStatus]))
    .digest('base64url')
    .slice(0, 16);
}
