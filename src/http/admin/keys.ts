/** Named keys and the secret that signs links, for admins. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Access } from '../../client/access.ts';
import type { AccessKey } from '../../model/access.ts';
import { DurableError } from '../../model/errors.ts';
import { commonErrors, errorBody } from '../../wire/errors.ts';
import { answer, empty } from '../../wire/fields.ts';
import { type AccessKeyBody, keyList, type KeyParams, keyParams, keyValue, newKey, rotation } from '../../wire/keys.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import { originOf } from '../origin.ts';
import type { Gate } from '../plugins/auth.ts';
import { jsonBody } from '../plugins/json-body.ts';

const tags = ['Keys'];
const errors = { ...commonErrors, 401: answer(errorBody, 'The key is missing or wrong.') };

/** Without a key these are never open to the network, whatever else is. */
export function serveKeys(app: FastifyInstance, access: Access, gate: Gate): void {
  const onRequest = [gate.look, gate.requireAdmin(true)];

  const list = { operationId: 'listKeys', summary: 'List the named keys', tags };
  app.get(
    '/admin/keys',
    { schema: { ...list, response: { ...errors, 200: answer(keyList, 'By name, expired ones too.') } }, onRequest },
    async (_request, reply) => {
      const keys = (await access.listKeys()).map(present);
      return sendJson(uncached(reply), 200, JSON.stringify({ keys }));
    },
  );

  const create = { operationId: 'createKey', summary: 'Create a named key', tags, body: newKey };
  const created = { 201: answer(keyValue, 'Created.'), 409: answer(errorBody, 'There is one of this name.') };
  app.post(
    '/admin/keys',
    { schema: { ...create, response: { ...errors, ...created, ...bodyErrors } }, onRequest },
    async (request, reply) => {
      const { name, scopes, expiresIn } = readBody(request, newKey);
      const expiry = expiresIn === undefined ? {} : { expiresInMs: expiresIn * 1_000 };
      const value = await access.createKey({ name, scopes, ...expiry }, originOf(request));
      return sendJson(uncached(reply), 201, JSON.stringify({ name, value }));
    },
  );

  const rotate = { operationId: 'rotateKey', summary: 'Give a named key a new value', tags, params: keyParams };
  const rotated = { 200: answer(keyValue, 'Rotated.'), 404: answer(errorBody, 'There is no such key.') };
  app.post<{ Params: KeyParams }>(
    '/admin/keys/:name/rotate',
    { schema: { ...rotate, body: rotation, response: { ...errors, ...rotated, ...bodyErrors } }, onRequest },
    async (request, reply) => {
      const { name } = request.params;
      const value = await access.rotateKey(name, graceOf(request), originOf(request));
      return sendJson(uncached(reply), 200, JSON.stringify({ name, value }));
    },
  );

  const revoke = { operationId: 'revokeKey', summary: 'Revoke a named key', tags, params: keyParams };
  const revoked = { 204: empty('It is refused from now on, by other processes within seconds.') };
  app.delete<{ Params: KeyParams }>(
    '/admin/keys/:name',
    { schema: { ...revoke, response: { ...errors, ...revoked, 404: rotated[404] } }, onRequest },
    async (request, reply) => {
      await access.revokeKey(request.params.name, originOf(request));
      return sendEmpty(reply, 204);
    },
  );

  const secret = { operationId: 'rotateLinkSecret', summary: 'Sign links with a new secret', tags, body: rotation };
  app.post(
    '/admin/link-secret/rotate',
    { schema: { ...secret, response: { ...errors, 204: empty('Rotated.'), ...bodyErrors } }, onRequest },
    async (request, reply) => {
      await access.rotateSigningSecret(graceOf(request), originOf(request));
      return sendEmpty(reply, 204);
    },
  );
}

const bodyErrors = {
  413: answer(errorBody, 'The body is too large.'),
  415: answer(errorBody, 'The body is not UTF-8 by its own account, or compressed.'),
};

/** @throws DurableError `InvalidArgument` that says what is wrong with the body */
function readBody<T extends z.ZodType>(request: FastifyRequest, schema: T): z.infer<T> {
  const text = jsonBody(request) ?? '{}';
  const parsed = schema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') || 'the body';
  throw new DurableError('InvalidArgument', `${where}: ${issue?.message ?? 'not as it should be'}`);
}

function graceOf(request: FastifyRequest): { readonly graceMs?: number } {
  const { graceSeconds } = readBody(request, rotation);
  return graceSeconds === undefined ? {} : { graceMs: graceSeconds * 1_000 };
}

function present(key: AccessKey): AccessKeyBody {
  return {
    name: key.name,
    scopes: [...key.scopes],
    createdTime: key.createdAt.toISOString(),
    rotatedTime: key.rotatedAt?.toISOString() ?? null,
    expiryTime: key.expiresAt?.toISOString() ?? null,
  };
}

function uncached(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}
