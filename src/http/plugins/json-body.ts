/**
 * Bodies of any content type arrive as bytes; routes that want JSON ask for it. Clients send
 * `Content-Type: application/json` with no body, `application/octet-stream`, or nothing at all, and Fastify's own
 * parsers would refuse some of these.
 */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readJsonText } from '../json-text.ts';
import { invalidJson, Problem } from '../problem.ts';

const mediaType = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;|$)/;
const jsonMediaType = /^application\/json\s*(?:;|$)/i;
const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i;

export function acceptAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  // Fastify answers 415 to a type that is no media type at all, before any parser is asked. Without one it is content.
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request.raw;
    const type = headers['content-type'];
    if (type !== undefined && !mediaType.test(type)) delete headers['content-type'];
    done();
  });
}

export function hasJsonMediaType(request: FastifyRequest): boolean {
  return jsonMediaType.test(request.headers['content-type'] ?? '');
}

/**
 * The JSON text of the body.
 * @returns `undefined` for none
 * @throws Problem 400 when it is not JSON, 415 for an encoding or a character set that we do not read
 */
export function jsonBody(request: FastifyRequest): string | undefined {
  const body = readableBody(request);
  return body === undefined ? undefined : readJsonText(body);
}

/**
 * The body as text.
 * @returns `undefined` for none
 * @throws Problem 400 when it is not UTF-8, 415 for an encoding or a character set that we do not read
 */
export function textBody(request: FastifyRequest): string | undefined {
  const body = readableBody(request);
  if (body === undefined || body.length === 0) return undefined;
  if (!isUtf8(body)) throw invalidJson('The body is not valid UTF-8.');
  return body.toString('utf8');
}

function readableBody(request: FastifyRequest): Buffer | undefined {
  const body = request.body;
  if (!Buffer.isBuffer(body)) return undefined;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw unsupported('content encoding', encoding);
  const type = request.headers['content-type'];
  const named = type === undefined ? undefined : charset.exec(type)?.[1]?.toLowerCase();
  if (named !== undefined && named !== 'utf-8' && named !== 'utf8') throw unsupported('character set', named);
  return body;
}

function unsupported(what: string, named: string): Problem {
  return new Problem(415, {
    kind: 'object',
    message: 'Only UTF-8 request content without compression is supported',
    detail: `The ${what} '${named.slice(0, 40)}' is not supported.`,
    type: 'UnsupportedContent',
  });
}
