import { DurableError } from '../../model/errors.ts';
import { type InstanceFilter, isTerminal } from '../../model/instance.ts';
import { commonErrors, errorText } from '../../wire/errors.ts';
import { answer, empty } from '../../wire/fields.ts';
import { purgeQuery, purgeResult } from '../../wire/instances.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import { startFilter, statusesOf } from '../filters.ts';
import type { Route } from '../front.ts';
import { textProblem } from '../problem.ts';
import type { Query } from '../query.ts';

/**
 * Removes ended instances only. The real service drops filters that it cannot parse, and then `runtimeStatus=Running`
 * or a typing error removes everything in the window; here they match nothing or answer 400.
 */
export const purgeInstances: Route = (app, front) => {
  const schema = {
    operationId: 'purgeInstances',
    summary: 'Remove ended instances that match',
    tags: ['Instances'],
    querystring: purgeQuery,
    response: {
      ...commonErrors,
      200: answer(purgeResult, 'How many were removed, or with `dryRun` would be.'),
      400: answer(errorText, 'A filter is missing or not valid; nothing was removed.'),
      404: empty('Nothing matched.'),
    },
  };
  app.delete<{ Querystring: Query }>('/instances', { schema }, async (request, reply) => {
    const client = orRefuse(() => front.client(request), "Please provide a valid value for 'taskHub' parameter.");
    const filter = filterOf(request.query);
    const dryRun = orRefuse(
      () => request.query.strictFlag('dryRun', false),
      "Please provide a valid value for 'dryRun' parameter.",
    );
    if (filter.runtimeStatus?.length === 0) return sendEmpty(reply, 404);
    const purged = await client.purgeInstanceHistoryBy(filter, { dryRun }).catch((error: unknown) => {
      throw isArgumentError(error) ? textProblem(400, error.message) : error;
    });
    if ((purged.instancesMatched ?? purged.instancesDeleted) === 0) return sendEmpty(reply, 404);
    return sendJson(reply, 200, JSON.stringify(purged));
  });
};

/** Every 400 of this operation is a JSON string. */
function filterOf(query: Query): InstanceFilter {
  const missing = "Please provide value for 'createdTimeFrom' parameter.";
  const createdFrom = orRefuse(() => query.instant('createdTimeFrom'), missing);
  if (createdFrom === undefined) throw textProblem(400, missing);
  const createdTo = orRefuse(
    () => query.instant('createdTimeTo'),
    "Please provide a valid value for 'createdTimeTo' parameter.",
  );
  const runtimeStatus = orRefuse(
    () => statusesOf(query.list('runtimeStatus')),
    "Please provide valid values for 'runtimeStatus' parameter.",
  )?.filter(isTerminal);
  const instanceIdPrefix = orRefuse(
    () => query.text('instanceIdPrefix') || undefined,
    "Please provide a valid value for 'instanceIdPrefix' parameter.",
  );
  return {
    createdFrom,
    ...(createdTo === undefined ? {} : { createdTo }),
    ...(runtimeStatus === undefined ? {} : { runtimeStatus }),
    ...(instanceIdPrefix === undefined ? {} : { instanceIdPrefix }),
    ...orRefuse(() => startFilter(query), "Please provide valid values for 'name', 'version' and 'tag' parameters."),
  };
}

function orRefuse<T>(read: () => T, text: string): T {
  try {
    return read();
  } catch (error) {
    throw isArgumentError(error) ? textProblem(400, text) : error;
  }
}

function isArgumentError(error: unknown): error is DurableError {
  return error instanceof DurableError && error.code === 'InvalidArgument';
}
