import type { FastifyReply } from 'fastify';
import { DurableError } from '../../model/errors.ts';
import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import { answer, payload, postHeaders } from '../../wire/fields.ts';
import {
  checkStatus,
  startBody,
  startHeaders,
  startParams,
  startQuery,
  type StartParams,
} from '../../wire/orchestrators.ts';
import type { Route } from '../front.ts';
import { requireScopeOf } from '../plugins/auth.ts';
import { traceContextOf } from '../plugins/tracing.ts';
import { jsonBody } from '../plugins/json-body.ts';
import type { Query } from '../query.ts';
import { startSettings } from '../start-settings.ts';
import { type Exchange, sendEnded, sendStarted, waitRequested } from '../waiting.ts';

/** What both forms of a start answer. */
export const startAnswers = {
  ...commonErrors,
  ...repeatErrors,
  200: answer(payload, 'With `timeout`: the output, or the status of an instance that failed or was terminated.'),
  202: answer(checkStatus, 'Started; the links manage the instance.', startHeaders),
  400: answer(errorBody, 'The body is no JSON, a value is not allowed, or no worker knows the orchestrator.'),
  409: answer(errorBody, 'An instance has this id that is not to be replaced; without `onExisting` a live one.'),
  413: answer(errorBody, 'The body is too large.'),
  415: answer(errorBody, 'The body is not UTF-8 by its own account, or compressed.'),
};

/** POST only, whatever older samples suggest. The content type is not looked at. */
export const startOrchestration: Route = (app, front) => {
  const schema = {
    operationId: 'startOrchestration',
    summary: 'Start an orchestration under a new id',
    tags: ['Orchestrations'],
    params: startParams,
    querystring: startQuery,
    headers: postHeaders,
    body: startBody,
    response: startAnswers,
  };
  app.post<{ Params: StartParams; Querystring: Query }>('/orchestrators/:functionName', { schema }, (request, reply) =>
    start({ front, request, reply }, { name: request.params.functionName }),
  );
};

/** Starts, then answers with links or, when the request wants to wait, with the output. */
export async function start(
  exchange: Exchange,
  target: { readonly name: string; readonly instanceId?: string },
): Promise<FastifyReply> {
  const { front, request } = exchange;
  const client = front.client(request);
  const wait = waitRequested(request.query);
  const settings = startSettings(request.query);
  const input = jsonBody(request);
  checkName(target.name);
  // It ends a live instance, as a terminate does.
  if (settings.onExisting === 'terminate') requireScopeOf(request, 'admin');
  const traceContext = traceContextOf(request);
  const instanceId = await client.startNewText({
    ...settings,
    ...target,
    ...(traceContext === undefined ? {} : { traceContext }),
    ...(input === undefined ? {} : { input }),
  });
  return wait === undefined
    ? sendStarted(exchange, instanceId)
    : await sendEnded(exchange, client, { instanceId, timeoutMs: wait.timeoutMs });
}

function checkName(name: string): void {
  if (name.length > 256 || /\p{Cc}/u.test(name)) {
    throw new DurableError(
      'InvalidArgument',
      'An orchestrator name has at most 256 characters, none of them a control.',
    );
  }
}
