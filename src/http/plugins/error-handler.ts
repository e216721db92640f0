/** The one place where errors become answers: those of the client, of the front, of Fastify and of the HTTP parser. */
import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DurableError } from '../../model/errors.ts';
import type { ErrorBody } from '../../wire/errors.ts';
import { jsonType, sendEmpty, sendJson } from '../answers.ts';
import { mount } from '../canonical-url.ts';
import { badArguments, durableProblem, emptyProblem, internalError, Problem } from '../problem.ts';

/** Unknown paths and methods: 404 without a body or a content type, never 405. */
export function handleErrors(app: FastifyInstance): void {
  app.setNotFoundHandler((_request, reply) => sendEmpty(reply, 404));
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
}

/** Answers any error; what is none of ours is logged and says nothing about itself. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const managed = request.url.startsWith(mount);
  if (isUnknownRoute(error, request)) return sendEmpty(reply, 404);
  const problem = toProblem(error, managed) ?? unexpected(error, request);
  if (problem.status === 413 && !request.raw.complete) return refuseBody(problem, request, reply, managed);
  return sendProblem(problem, request, reply, managed);
}

/** Fastify looks at the body of requests that it has no route for; they are unknown all the same. */
function isUnknownRoute(error: unknown, request: FastifyRequest): boolean {
  return request.is404 && error instanceof Error && 'code' in error && error.code !== 'FST_ERR_BAD_URL';
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply, managed: boolean): FastifyReply {
  // What was set for an answer that did not come about.
  void reply.removeHeader('location').removeHeader('retry-after');
  if (problem.retryAfter !== undefined) void reply.header('retry-after', problem.retryAfter);
  const text = bodyText(problem, managed ? undefined : request.id);
  return text === undefined ? sendEmpty(reply, problem.status) : sendJson(reply, problem.status, text);
}

function bodyText(problem: Problem, requestId: string | undefined): string | undefined {
  const { body } = problem;
  if (body.kind === 'empty') return undefined;
  if (body.kind === 'text') return JSON.stringify(body.text);
  const error: ErrorBody = {
    Message: body.message,
    ExceptionMessage: body.detail ?? body.message,
    ExceptionType: body.type,
    ...(requestId === undefined ? {} : { RequestId: requestId }),
  };
  return JSON.stringify(error);
}

function toProblem(error: unknown, managed: boolean): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof DurableError) return durableProblem(error, { alwaysObject: !managed });
  if (error instanceof Error && 'statusCode' in error) return frameworkProblem(error);
  return undefined;
}

/** Fastify's own errors, in our words. */
function frameworkProblem(
  error: Error & { readonly statusCode?: unknown; readonly code?: unknown },
): Problem | undefined {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem(413, {
        kind: 'object',
        message: 'The request body is too large',
        detail:
          'The body is over the limit of the service (--max-body-bytes, 4 MiB by default). Store large data elsewhere and pass a reference, or raise the limit.',
        type: 'PayloadTooLarge',
      });
    case 'FST_ERR_BAD_URL':
      return badRequest('The path holds an illegal percent escape.');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return emptyProblem(404);
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return badRequest('The body is shorter or longer than its Content-Length says.');
    default: {
      const isCallers = typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500;
      return isCallers ? badRequest('The request could not be read.') : undefined;
    }
  }
}

function badRequest(detail: string): Problem {
  return new Problem(400, { kind: 'object', message: badArguments, detail, type: 'InvalidRequest' });
}

function unexpected(error: unknown, request: FastifyRequest): Problem {
  request.log.error({ err: error, requestId: request.id }, 'request failed');
  return new Problem(500, {
    kind: 'object',
    message: internalError,
    detail: 'The log of the service has the error under the id of this request.',
    type: 'InternalError',
  });
}

/** How long, and how much, we listen to a body that was refused. */
const lingerMs = 1_000;
const lingerBytes = 16 * 1024 * 1024;

/**
 * A body over the limit is answered at once and never kept. Closing at once as well would reset the connection while the
 * caller still writes, and it would never see the answer; so the rest is thrown away for a moment, then the
 * connection ends.
 */
function refuseBody(problem: Problem, request: FastifyRequest, reply: FastifyReply, managed: boolean): FastifyReply {
  const text = bodyText(problem, managed ? undefined : request.id) ?? '';
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(problem.status, {
    'content-type': jsonType,
    'content-length': Buffer.byteLength(text),
    'x-request-id': request.id,
    connection: 'close',
  });
  raw.write(text);
  let left = lingerBytes;
  const timer = setTimeout(() => raw.end(), lingerMs);
  raw.on('close', () => clearTimeout(timer));
  request.raw.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) raw.end();
  });
  request.raw.on('end', () => raw.end());
  request.raw.on('error', () => raw.end());
  request.raw.resume();
  return reply;
}

/** Bytes that are no HTTP request: there is no request and no reply yet, only a socket. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || isBeingAnswered(socket)) {
    socket.destroy();
    return;
  }
  const [status, reason] = clientErrorStatus(error.code);
  const body: ErrorBody = { Message: badArguments, ExceptionMessage: reason, ExceptionType: 'InvalidRequest' };
  const text = JSON.stringify(body);
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: ${jsonType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
      `Connection: close\r\n\r\n${text}`,
  );
  socket.destroySoon();
}

/** Whether bytes of an answer are on their way, into which another answer must not be written. */
function isBeingAnswered(socket: Socket): boolean {
  const message: unknown = '_httpMessage' in socket ? socket._httpMessage : undefined;
  return message instanceof ServerResponse && message.headersSent;
}

function clientErrorStatus(code: string | undefined): readonly [status: string, reason: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', 'The request line and headers are too large.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'The request took too long to arrive.'];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ['413 Payload Too Large', 'The chunk extensions are too large.'];
    default:
      return ['400 Bad Request', 'The request is not valid HTTP.'];
  }
}

/** For errors that Fastify finds before routing. */
export function answerFrameworkError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  void sendError(error, request, reply.header('x-request-id', request.id));
}
