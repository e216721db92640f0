import { runtimeStatuses } from '../../model/instance.ts';
import { commonErrors, errorBody } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { countQuery, instanceCounts } from '../../wire/instances.ts';
import { sendJson } from '../answers.ts';
import { instanceFilter } from '../filters.ts';
import type { Route } from '../front.ts';
import type { Query } from '../query.ts';
import { leaving } from '../waiting.ts';

/** An addition to the API of Azure, under a path that no id can have there. */
export const countInstances: Route = (app, front) => {
  const schema = {
    operationId: 'countInstances',
    summary: 'Count instances by status',
    tags: ['Instances'],
    querystring: countQuery,
    response: {
      ...commonErrors,
      200: answer(instanceCounts, 'Every status, also those of which there are none.'),
      400: answer(errorBody, 'A filter is not valid.'),
    },
  };
  app.get<{ Querystring: Query }>('/counts', { schema }, async (request, reply) => {
    const filter = instanceFilter(request.query);
    const client = front.client(request);
    const left = leaving(front, reply);
    try {
      const byStatus =
        filter.runtimeStatus?.length === 0
          ? Object.fromEntries(runtimeStatuses.map((status) => [status, 0]))
          : await client.countBy(filter, { signal: left.signal });
      const total = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
      return await sendJson(reply, 200, JSON.stringify({ total, byStatus }));
    } finally {
      left.stop();
    }
  });
};
