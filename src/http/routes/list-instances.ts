import { commonErrors, errorBody } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { instanceList, listHeaders, listQuery } from '../../wire/instances.ts';
import { sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import { instancePage } from '../instance-page.ts';
import { continuationHeader } from '../paging.ts';
import { presentStatus } from '../present.ts';
import type { Query } from '../query.ts';

/** Always 200; the header is always there, and empty on the last page. `showHistory` is not read here. */
export const listInstances: Route = (app, front) => {
  const schema = {
    operationId: 'listInstances',
    summary: 'List instances',
    tags: ['Instances'],
    querystring: listQuery,
    headers: listHeaders,
    response: {
      ...commonErrors,
      200: answer(
        instanceList,
        'One page, perhaps a short or an empty one; only the token says whether there are more.',
        {
          [continuationHeader]: 'Send it with the next request; empty on the last page.',
        },
      ),
      400: answer(errorBody, 'A filter or the token is not valid.'),
    },
  };
  app.get<{ Querystring: Query }>('/instances', { schema }, async (request, reply) => {
    const { query } = request;
    const instances = await instancePage(front, request, reply);
    const shown = { input: query.flag('showInput', true), history: false, historyOutput: false };
    return sendJson(reply, 200, `[${instances.map((one) => presentStatus(one, shown)).join(',')}]`);
  });
};
