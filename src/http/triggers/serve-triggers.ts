/** Serves the user's own HTTP triggers below `/api/`. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { httpMethods, type HttpTriggerContext, type HttpTriggerDefinition } from '../../client/http-trigger.ts';
import { DurableError } from '../../model/errors.ts';
import type { ReplaySafeLog } from '../../model/functions.ts';
import type { BaseUrl } from '../base-url.ts';
import { splitTarget } from '../canonical-url.ts';
import type { Front } from '../front.ts';
import type { LinkSigner } from '../link-signer.ts';
import type { Gate } from '../plugins/auth.ts';
import { emptyProblem, internalError, invalidJson, Problem } from '../problem.ts';
import { TriggerClient } from './trigger-client.ts';
import { isBodyError, triggerRequest } from './trigger-request.ts';
import { sendTriggerResult } from './trigger-response.ts';
import { type TriggerMatch, TriggerTable } from './trigger-table.ts';

export interface TriggerParts {
  readonly triggers: readonly HttpTriggerDefinition[];
  readonly front: Front;
  readonly baseUrl: BaseUrl;
  readonly gate: Gate;
  readonly signer: LinkSigner;
  readonly hasPublicUrl: boolean;
}

/** @throws TypeError for routes that cannot be served */
export function serveTriggers(app: FastifyInstance, parts: TriggerParts): void {
  const table = new TriggerTable(parts.triggers);
  const { gate } = parts;
  // What a trigger does is its own business: a key that may only look does not open it.
  const forKeys = gate.requireScope('write', false);
  const forAdmins = gate.requireScope('admin', false);
  for (const url of ['/api', '/api/*']) {
    app.route({
      method: [...httpMethods],
      url,
      schema: { hide: true },
      // Before the body is read: who may not call needs no answer about bodies.
      onRequest: [
        (request, _reply, done) => done(findTrigger(table, request) === undefined ? emptyProblem(404) : undefined),
        gate.look,
        (request, reply, done) => {
          const level = findTrigger(table, request)?.trigger.authLevel;
          const check = level === 'admin' ? forAdmins : level === 'function' ? forKeys : gate.limitStrangers;
          check.call(app, request, reply, done);
        },
        parts.signer.prepareForUserCode,
      ],
      handler: (request, reply) => runTrigger(table, parts, { request, reply }),
    });
  }
}

function findTrigger(table: TriggerTable, request: FastifyRequest): TriggerMatch | undefined {
  return table.find(request.method, splitTarget(request.url).path.slice('/api/'.length));
}

async function runTrigger(
  table: TriggerTable,
  parts: TriggerParts,
  exchange: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<FastifyReply> {
  const { request, reply } = exchange;
  const match = findTrigger(table, request);
  if (match === undefined) throw emptyProblem(404);
  const { path, tail } = splitTarget(request.url);
  const scope = parts.front.links(request, true);
  const standard = triggerRequest({ ...exchange, url: parts.baseUrl(request) + path + tail, params: match.params });
  const links = { scope, request: standard, hasPublicUrl: parts.hasPublicUrl, signer: parts.signer };
  const client = new TriggerClient(parts.front.defaultClient, links);
  // What goes wrong while a streamed body is sent is no failure of the handler; so that is awaited by Fastify, not here.
  let answer: FastifyReply;
  try {
    answer = sendTriggerResult(
      await match.trigger.handler(standard, client, contextOf(request, match.trigger.name)),
      reply,
    );
  } catch (error) {
    throw triggerProblem(error, match.trigger.name, request);
  }
  return answer;
}

function contextOf(request: FastifyRequest, trigger: string): HttpTriggerContext {
  const at =
    (level: keyof ReplaySafeLog): ReplaySafeLog['info'] =>
    (message, fields) =>
      request.log[level]({ ...fields, trigger, requestId: request.id }, message);
  return {
    invocationId: request.id,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  };
}

function triggerProblem(error: unknown, trigger: string, request: FastifyRequest): unknown {
  if (error instanceof DurableError) return error;
  if (isBodyError(error)) return invalidJson('The body is not one complete JSON value in UTF-8.');
  request.log.error({ err: error, trigger, requestId: request.id }, 'http trigger failed');
  return new Problem(500, {
    kind: 'object',
    message: internalError,
    detail: `The HTTP trigger '${trigger}' failed; the log of the service has the error under the id of this request.`,
    type: 'HttpTriggerFailed',
  });
}
