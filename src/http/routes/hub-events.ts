import type { InstanceFilter, InstanceStatus } from '../../model/instance.ts';
import { DurableError } from '../../model/errors.ts';
import { commonErrors } from '../../wire/errors.ts';
import { eventHeaders, eventStream, hubEventsQuery } from '../../wire/events.ts';
import { empty } from '../../wire/fields.ts';
import { sendEmpty } from '../answers.ts';
import { openStream, presentChange } from '../event-stream.ts';
import { statusesOf } from '../filters.ts';
import type { ManagementRequest, Route } from '../front.ts';
import type { Query } from '../query.ts';

type Filter = Pick<InstanceFilter, 'runtimeStatus' | 'instanceIdPrefix' | 'name'>;

/** What happens from now on; what is there already a list tells. An addition to the API of Azure. */
export const hubEvents: Route = (app, front) => {
  const schema = {
    operationId: 'hubEvents',
    summary: 'Follow the status of all orchestrations of a task hub',
    tags: ['Events'],
    querystring: hubEventsQuery,
    headers: eventHeaders,
    response: {
      ...commonErrors,
      200: eventStream('`status` events; `missed` when there may have been some that are not remembered.'),
      404: empty('This service does not tell.'),
    },
  };
  app.get<{ Querystring: Query }>('/events', { schema }, (request, reply) => {
    const filter = filterOf(request.query);
    const { taskHub } = front.client(request);
    const { events } = front;
    if (events === undefined) return sendEmpty(reply, 404);
    return openStream(front, reply, (stream) => {
      const listener = {
        event: ({ id, instance }: { readonly id: string; readonly instance: InstanceStatus }) => {
          if (matches(instance, filter)) stream.send({ name: 'status', id, data: presentChange(instance) });
        },
        missed: () => stream.send({ name: 'missed', data: '{}' }),
      };
      stream.onEnd(events.listen(taskHub, listener, lastOf(request)));
    });
  });
};

function lastOf({ headers }: ManagementRequest): string | undefined {
  const last = headers['last-event-id'];
  return (Array.isArray(last) ? last[0] : last) || undefined;
}

function filterOf(query: Query): Filter {
  const runtimeStatus = statusesOf(query.list('runtimeStatus'));
  const instanceIdPrefix = query.text('instanceIdPrefix');
  const name = query.value('name');
  if ((name?.length ?? 0) > 256) {
    throw new DurableError('InvalidArgument', 'The name of an orchestration has at most 256 characters.');
  }
  return {
    ...(runtimeStatus === undefined ? {} : { runtimeStatus }),
    ...(instanceIdPrefix === undefined ? {} : { instanceIdPrefix }),
    ...(name === undefined ? {} : { name }),
  };
}

function matches(instance: InstanceStatus, { runtimeStatus, instanceIdPrefix = '', name }: Filter): boolean {
  return (
    (runtimeStatus === undefined || runtimeStatus.includes(instance.runtimeStatus)) &&
    instance.instanceId.startsWith(instanceIdPrefix) &&
    (name === undefined || instance.name.toLowerCase() === name.toLowerCase())
  );
}
