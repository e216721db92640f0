import type { FastifyInstance } from 'fastify';
import type { Access } from '../../client/access.ts';
import { type AuditFilter, auditOutcomes, type AuditRecord } from '../../model/access.ts';
import { DurableError } from '../../model/errors.ts';
import { auditList, auditQuery, type AuditRecordBody } from '../../wire/audit.ts';
import { commonErrors } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { listHeaders } from '../../wire/instances.ts';
import { sendJson } from '../answers.ts';
import { continuationHeader, continuationToken, pageSize } from '../paging.ts';
import type { Gate } from '../plugins/auth.ts';
import type { Query } from '../query.ts';

/** Newest first; an addition to the API of Azure, paged as its lists are. */
export function listAudit(app: FastifyInstance, access: Access, gate: Gate): void {
  const schema = {
    operationId: 'listAudit',
    summary: 'List what operators did',
    tags: ['Audit'],
    querystring: auditQuery,
    headers: listHeaders,
    response: {
      ...commonErrors,
      200: answer(auditList, 'One page; only the token says whether there are more.', {
        [continuationHeader]: 'Send it with the next request; empty on the last page.',
      }),
    },
  };
  app.get<{ Querystring: Query }>('/audit', { schema, onRequest: gate.requireAdmin(false) }, async (request, reply) => {
    const filter = filterOf(request.query);
    const limit = pageSize(request.query);
    if (limit < 1) throw new DurableError('InvalidArgument', `A page must have at least 1 record, not ${limit}.`);
    const token = continuationToken(request);
    const page = await access.listAudit(filter, {
      limit,
      ...(token === undefined ? {} : { continuationToken: token }),
    });
    void reply.header(continuationHeader, page.continuationToken ?? '').header('cache-control', 'no-store');
    return sendJson(reply, 200, JSON.stringify(page.records.map(present)));
  });
}

function filterOf(query: Query): AuditFilter {
  const word = query.value('outcome')?.toLowerCase();
  const outcome = auditOutcomes.find((one) => one === word);
  if (word !== undefined && outcome === undefined) {
    throw new DurableError(
      'InvalidArgument',
      `The query parameter 'outcome' must be one of ${auditOutcomes.join(', ')}.`,
    );
  }
  const given = {
    from: query.instant('from'),
    to: query.instant('to'),
    taskHub: query.value('taskHub'),
    action: query.value('action'),
    target: query.text('target') || undefined,
    actor: query.value('actor'),
    outcome,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function present({ at, ...record }: AuditRecord): AuditRecordBody {
  return { ...record, time: at.toISOString() };
}
