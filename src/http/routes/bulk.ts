import { bulkOperations, type BulkOperation } from '../../client/listing-client.ts';
import { DurableError } from '../../model/errors.ts';
import { commonErrors, errorBody, repeatErrors } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { bulkHeaders, bulkQuery, bulkResult, bulkTerminateQuery } from '../../wire/instances.ts';
import { sendJson } from '../answers.ts';
import { instanceFilter } from '../filters.ts';
import type { Front, ManagementRequest, Route } from '../front.ts';
import { continuationHeader, continuationToken } from '../paging.ts';
import type { Query } from '../query.ts';
import { leaving } from '../waiting.ts';

const summaries: Readonly<Record<BulkOperation, string>> = {
  terminate: 'Ask for the end of all live instances that match',
  suspend: 'Suspend all pending and running instances that match',
  resume: 'Resume all suspended instances that match',
  rewind: 'Run again what failed in all failed instances that match',
};

/**
 * Additions to the API of Azure. Below `instances` they could be taken for operations on an instance of that id; `bulk` is
 * no collection there.
 */
export const bulk: Route = (app, front) => {
  for (const operation of bulkOperations) {
    const schema = {
      operationId: `bulk${operation.charAt(0).toUpperCase()}${operation.slice(1)}`,
      summary: summaries[operation],
      tags: ['Instances'],
      querystring: operation === 'terminate' ? bulkTerminateQuery : bulkQuery,
      headers: bulkHeaders,
      response: {
        ...commonErrors,
        ...repeatErrors,
        200: answer(bulkResult, 'How many there were, also when there was none.', {
          [continuationHeader]: 'Send it with the next request to go on; empty when all is done.',
        }),
        400: answer(errorBody, 'A value is not allowed, or nothing says which instances are meant; nothing was done.'),
      },
    };
    app.post<{ Querystring: Query }>(`/bulk/${operation}`, { schema }, async (request, reply) => {
      const left = leaving(front, reply);
      try {
        const { continuationToken: token, ...outcome } = await act(front, request, operation, left.signal);
        void reply.header(continuationHeader, token ?? '');
        return await sendJson(reply, 200, JSON.stringify(outcome));
      } finally {
        left.stop();
      }
    });
  }
};

async function act(front: Front, request: ManagementRequest, operation: BulkOperation, signal: AbortSignal) {
  const { query } = request;
  const filter = instanceFilter(query);
  const dryRun = query.strictFlag('dryRun', false);
  const all = query.strictFlag('all', false);
  const recursive = operation === 'terminate' && query.strictFlag('recursive', false);
  const limit = query.integer('top');
  const reason = query.text('reason');
  const token = continuationToken(request);
  const client = front.client(request);
  if (filter.runtimeStatus?.length === 0) {
    // Statuses that no instance ever has; for the client an empty list means any.
    if (limit !== undefined && limit < 1) throw new DurableError('InvalidArgument', "'top' must be 1 or more.");
    return { dryRun, matched: 0, accepted: 0, refused: 0, instanceIds: [], continuationToken: undefined };
  }
  return client.bulk(operation, filter, {
    dryRun,
    all,
    recursive,
    signal,
    ...(limit === undefined ? {} : { limit }),
    ...(reason === undefined ? {} : { reason }),
    ...(token === undefined ? {} : { continuationToken: token }),
  });
}
