import { postHeaders } from '../../wire/fields.ts';
import { startBody, startQuery, startWithIdParams, type StartWithIdParams } from '../../wire/orchestrators.ts';
import type { Route } from '../front.ts';
import type { Query } from '../query.ts';
import { start, startAnswers } from './start-orchestration.ts';

/** An ended instance of the same id is replaced, history included, unless `onExisting` says otherwise. */
export const startOrchestrationWithId: Route = (app, front) => {
  const schema = {
    operationId: 'startOrchestrationWithId',
    summary: 'Start an orchestration under a given id',
    tags: ['Orchestrations'],
    params: startWithIdParams,
    querystring: startQuery,
    headers: postHeaders,
    body: startBody,
    response: startAnswers,
  };
  app.post<{ Params: StartWithIdParams; Querystring: Query }>(
    '/orchestrators/:functionName/:instanceId',
    { schema },
    (request, reply) => {
      const { functionName: name, instanceId } = request.params;
      return start({ front, request, reply }, { name, instanceId });
    },
  );
};
