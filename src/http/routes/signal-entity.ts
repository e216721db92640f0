import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import {
  entityNameParams,
  entityParams,
  signalBody,
  signalQuery,
  type EntityNameParams,
  type EntityParams,
} from '../../wire/entities.ts';
import { answer, empty, postHeaders } from '../../wire/fields.ts';
import { sendEmpty } from '../answers.ts';
import { entityOf, entityProblem, toEntityProblem } from '../entity-address.ts';
import type { Front, ManagementRequest, Route } from '../front.ts';
import { hasJsonMediaType, jsonBody, textBody } from '../plugins/json-body.ts';
import { Problem } from '../problem.ts';
import type { Query } from '../query.ts';
import { traceContextOf } from '../plugins/tracing.ts';

/**
 * 202 says that the operation is queued, not that it will succeed; the entity need not exist. Without a key it is the
 * entity with the empty one: `$` stands for that only where a missing key means something else, in GET.
 */
export const signalEntity: Route = (app, front) => {
  const schema = {
    tags: ['Entities'],
    querystring: signalQuery,
    body: signalBody,
    headers: postHeaders,
    response: { ...signalAnswers, ...repeatErrors },
  };
  app.post<{ Params: EntityParams; Querystring: Query }>(
    '/entities/:entityName/:entityKey',
    {
      schema: {
        ...schema,
        operationId: 'signalEntity',
        summary: 'Send an operation to an entity',
        params: entityParams,
      },
    },
    async (request, reply) => {
      const { entityName, entityKey } = request.params;
      await send(front, request, { name: entityName, key: entityKey, ...operationOf(request.query) });
      return sendEmpty(reply, 202);
    },
  );
  app.post<{ Params: EntityNameParams; Querystring: Query }>(
    '/entities/:entityName',
    {
      schema: {
        ...schema,
        operationId: 'signalEntityWithoutKey',
        summary: 'Send an operation to the entity with the empty key',
        params: entityNameParams,
      },
    },
    async (request, reply) => {
      await send(front, request, { name: request.params.entityName, key: '', ...operationOf(request.query) });
      return sendEmpty(reply, 202);
    },
  );
  app.post<{ Querystring: Query }>('/entities', { schema: { hide: true } }, () => {
    throw entityProblem('The name of the entity is missing: POST …/entities/{entityName}/{entityKey}?op={operation}.');
  });
};

/** The answers of everything that sends an operation. */
export const signalAnswers = {
  ...commonErrors,
  202: empty('Stored; it will run once.'),
  400: answer(errorBody, 'No live worker has such an entity, its key is not allowed, or the body is no JSON.'),
  413: answer(errorBody, 'The body is too large.'),
  415: answer(errorBody, 'The body is not UTF-8 by its own account, or compressed.'),
};

/** Sends the body as the input of an operation. */
export async function send(
  front: Front,
  request: ManagementRequest,
  to: { readonly name: string; readonly key: string; readonly operation: string; readonly scheduledTime?: Date },
): Promise<void> {
  const entity = entityOf(to.name, to.key);
  const input = inputOf(request);
  const { operation, scheduledTime } = to;
  const traceContext = traceContextOf(request);
  try {
    await front.client(request).signalEntityText({
      entity,
      operation,
      ...(input === undefined ? {} : { input }),
      ...(scheduledTime === undefined ? {} : { scheduledTime }),
      ...(traceContext === undefined ? {} : { traceContext }),
    });
  } catch (error) {
    throw toEntityProblem(error);
  }
}

function operationOf(query: Query): { readonly operation: string; readonly scheduledTime?: Date } {
  const scheduledTime = query.instant('scheduledTime');
  return { operation: query.text('op') ?? '', ...(scheduledTime === undefined ? {} : { scheduledTime }) };
}

/** JSON only when it says so: any other body is text. */
function inputOf(request: ManagementRequest): string | undefined {
  if (!hasJsonMediaType(request)) {
    const text = textBody(request);
    return text === undefined ? undefined : JSON.stringify(text);
  }
  try {
    return jsonBody(request);
  } catch (error) {
    if (!(error instanceof Problem) || error.body.kind !== 'object' || error.status !== 400) throw error;
    throw entityProblem(`Could not parse JSON content: ${error.body.detail ?? error.body.message}`, error.body.type);
  }
}
