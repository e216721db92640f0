import { commonErrors, errorBody } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { type InstanceParams, listHeaders } from '../../wire/instances.ts';
import {
  noInstance,
  storedInstance,
  storedInstanceList,
  storedInstanceParams,
  storedInstanceQuery,
  storedListQuery,
} from '../../wire/stored.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import { instancePage } from '../instance-page.ts';
import { continuationHeader } from '../paging.ts';
import type { Query } from '../query.ts';

/** What `perdure/client` reads: always 200 for an instance that is there, whether it has ended or not. */
export const storedInstances: Route = (app, front) => {
  const get = {
    operationId: 'getStoredInstance',
    summary: 'Get an instance as it is stored',
    tags: ['Instances'],
    params: storedInstanceParams,
    querystring: storedInstanceQuery,
    response: { ...commonErrors, 200: answer(storedInstance, 'The instance.'), 404: noInstance },
  };
  app.get<{ Params: InstanceParams; Querystring: Query }>(
    '/stored-instances/:instanceId',
    { schema: get },
    async (request, reply) => {
      const showHistory = request.query.flag('showHistory', false);
      const instance = await front.client(request).getStatus(instanceIdOf(request), { showHistory });
      return instance === undefined ? sendEmpty(reply, 404) : sendJson(reply, 200, JSON.stringify(instance));
    },
  );
  const list = {
    operationId: 'listStoredInstances',
    summary: 'List instances as they are stored',
    tags: ['Instances'],
    querystring: storedListQuery,
    headers: listHeaders,
    response: {
      ...commonErrors,
      200: answer(storedInstanceList, 'One page; only the token says whether there are more.', {
        [continuationHeader]: 'Send it with the next request; empty on the last page.',
      }),
      400: answer(errorBody, 'A filter or the token is not valid.'),
    },
  };
  app.get<{ Querystring: Query }>('/stored-instances', { schema: list }, async (request, reply) =>
    sendJson(reply, 200, JSON.stringify(await instancePage(front, request, reply))),
  );
};
