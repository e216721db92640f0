import type { OrchestrationClient } from '../../client/client.ts';
import { DurableError } from '../../model/errors.ts';
import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import { answer, payload, postHeaders } from '../../wire/fields.ts';
import { type InstanceParams, instanceParams, restartQuery } from '../../wire/instances.ts';
import { checkStatus, startHeaders } from '../../wire/orchestrators.ts';
import type { ManagementRequest, Route } from '../front.ts';
import { Problem } from '../problem.ts';
import type { Query } from '../query.ts';
import { sendEnded, sendStarted, waitRequested } from '../waiting.ts';

/** An unknown instance is 400 here, not 404, and every other argument error has the same misleading `Message`. */
export const restartInstance: Route = (app, front) => {
  const schema = {
    operationId: 'restartInstance',
    summary: 'Start the same orchestrator with the same input again',
    tags: ['Instances'],
    params: instanceParams,
    querystring: restartQuery,
    headers: postHeaders,
    response: {
      ...commonErrors,
      ...repeatErrors,
      200: answer(payload, 'With `timeout`: the output, or the status of an instance that failed or was terminated.'),
      202: answer(checkStatus, 'Started; the links manage the instance that runs now.', startHeaders),
      400: answer(errorBody, 'There is no such instance, or a value is not allowed.'),
      409: answer(errorBody, 'It is to keep its id and has not ended.'),
    },
  };
  app.post<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId/restart',
    { schema },
    async (request, reply) => {
      const exchange = { front, request, reply };
      const client = front.client(request);
      const { instanceId, wait } = await restart(client, request);
      return wait === undefined
        ? sendStarted(exchange, instanceId)
        : sendEnded(exchange, client, { instanceId, timeoutMs: wait.timeoutMs });
    },
  );
};

async function restart(client: OrchestrationClient, { params, query }: ManagementRequest<InstanceParams>) {
  try {
    const wait = waitRequested(query);
    const restartWithNewInstanceId = query.strictFlag('restartWithNewInstanceId', true);
    if (params.instanceId.includes('\0')) throw notFound(params.instanceId);
    return { wait, instanceId: await client.restart(params.instanceId, { restartWithNewInstanceId }) };
  } catch (error) {
    throw restartProblem(error, params.instanceId);
  }
}

function restartProblem(error: unknown, instanceId: string): unknown {
  if (!(error instanceof DurableError)) return error;
  switch (error.code) {
    case 'InstanceNotFound':
      return notFound(instanceId);
    case 'InvalidArgument':
    case 'OrchestratorNotRegistered':
      return argumentProblem(error.message, error.code);
    case 'InstanceAlreadyExists': {
      const message = 'A non-terminal instance with this instance ID already exists.';
      return new Problem(409, { kind: 'object', message, detail: error.message, type: error.code });
    }
    default:
      return error;
  }
}

/** The spelling is that of the real service. */
function notFound(instanceId: string): Problem {
  return argumentProblem(`An orchestrastion with the instanceId ${instanceId} was not found.`, 'InstanceNotFound');
}

function argumentProblem(detail: string, type: string): Problem {
  const message = 'InstanceId does not match a valid orchestration instance.';
  return new Problem(400, { kind: 'object', message, detail, type });
}
