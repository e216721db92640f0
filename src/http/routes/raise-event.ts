import type { OrchestrationClient } from '../../client/client.ts';
import { DurableError } from '../../model/errors.ts';
import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import { answer, commonQuery, empty, postHeaders } from '../../wire/fields.ts';
import { eventBody, type EventParams, eventParams } from '../../wire/instances.ts';
import { sendEmpty } from '../answers.ts';
import type { ManagementRequest, Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import { hasJsonMediaType, jsonBody } from '../plugins/json-body.ts';
import { durableProblem, emptyProblem, invalidJson, Problem } from '../problem.ts';
import { hasEnded } from '../present.ts';
import type { Query } from '../query.ts';

/** Unlike a start, it insists on `application/json` and on a body. */
export const raiseEvent: Route = (app, front) => {
  const schema = {
    operationId: 'raiseEvent',
    summary: 'Send an event to an instance',
    tags: ['Instances'],
    params: eventParams,
    querystring: commonQuery,
    headers: postHeaders,
    body: eventBody,
    response: {
      ...commonErrors,
      ...repeatErrors,
      202: empty('Stored; kept until the orchestrator waits for it.'),
      400: answer(errorBody, 'The content type is not `application/json`, or the body is no JSON.'),
      404: empty('There is no such instance.'),
      410: empty('It has ended.'),
      413: answer(errorBody, 'The body is too large.'),
      415: answer(errorBody, 'The body is not UTF-8 by its own account, or compressed.'),
    },
  };
  app.post<{ Params: EventParams; Querystring: Query }>(
    '/instances/:instanceId/raiseEvent/:eventName',
    { schema },
    async (request, reply) => {
      const client = front.client(request);
      const instanceId = instanceIdOf(request);
      const event = readEvent(request);
      if (event instanceof Problem) throw await problemOfTarget(client, instanceId, event);
      await client.raiseEventText(instanceId, request.params.eventName, event);
      return sendEmpty(reply, 202);
    },
  );
};

/** The event's data, or why it is refused. */
function readEvent(request: ManagementRequest<EventParams>): string | Problem {
  try {
    if (request.params.eventName.includes('\0')) {
      return durableProblem(new DurableError('InvalidArgument', 'An event name must not hold U+0000.'));
    }
    if (!hasJsonMediaType(request)) {
      const message = 'Only application/json request content is supported';
      const detail = `${message}: send the header 'Content-Type: application/json'.`;
      return new Problem(400, { kind: 'object', message, detail, type: 'UnsupportedContentType' });
    }
    return jsonBody(request) ?? invalidJson('The body is empty.');
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/** The state of the instance is checked before the body: a bad body for an ended instance is 410. */
async function problemOfTarget(client: OrchestrationClient, instanceId: string, problem: Problem): Promise<Problem> {
  const instance = await client.getStatus(instanceId);
  if (instance === undefined) return emptyProblem(404);
  return hasEnded(instance) ? emptyProblem(410) : problem;
}
