import type { FastifyReply } from 'fastify';
import type { OrchestrationInstance } from '../model/instance.ts';
import { instanceFilter } from './filters.ts';
import type { Front, ManagementRequest } from './front.ts';
import { continuationHeader, continuationToken, pageSize } from './paging.ts';

/**
 * The page of instances that a request asks for; its header is set: always there, and empty on the last page.
 * @throws DurableError `InvalidArgument`
 */
export async function instancePage(
  front: Front,
  request: ManagementRequest,
  reply: FastifyReply,
): Promise<readonly OrchestrationInstance[]> {
  const filter = instanceFilter(request.query);
  const limit = pageSize(request.query);
  const token = continuationToken(request);
  const page =
    filter.runtimeStatus?.length === 0
      ? { instances: [] }
      : await front.client(request).getStatusBy(filter, {
          limit,
          ...(token === undefined ? {} : { continuationToken: token }),
        });
  void reply.header(continuationHeader, page.continuationToken ?? '');
  return page.instances;
}
