/** Puts right in the OpenAPI document, in place, what its generators cannot be told. */

/** Request bodies that may be left out; the generators take every body for required. */
const optionalBodies = /^(?:start|signal|rotate)/;
/** Bodies that may as well be text. */
const textBodies = /^signal/;

const requestId = {
  description: 'Names the request; the log of the service has what went wrong under it.',
  schema: { type: 'string' },
};
const replayed = {
  description: '`true`: this is the answer to an earlier call with the same `Idempotency-Key`.',
  schema: { type: 'string', enum: ['true'] },
};
const retryAfter = { description: 'Seconds.', schema: { type: 'string' } };
const tooLarge = {
  description: 'The body is too large.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

export function corrected<T extends object>(document: T): T {
  removeTwins(document);
  const components = member(document, 'components');
  components['headers'] = { RequestId: requestId, IdempotencyReplayed: replayed };
  for (const path of Object.values(member(document, 'paths')).filter(isRecord)) {
    for (const [method, operation] of Object.entries(path)) {
      if (isRecord(operation)) correctOperation(method, operation);
    }
  }
  return document;
}

function correctOperation(method: string, operation: Record<string, unknown>): void {
  const { operationId, requestBody, responses, tags } = operation;
  if (typeof operationId !== 'string' || !isRecord(responses)) return;
  if (isRecord(requestBody)) {
    if (optionalBodies.test(operationId)) requestBody['required'] = false;
    const content = member(requestBody, 'content');
    if (textBodies.test(operationId)) content['text/plain'] = { schema: { type: 'string' } };
  }
  // Probes need no key.
  if (Array.isArray(tags) && tags.includes('Health')) operation['security'] = [];
  // Also what takes no body is refused when it comes with too large a one.
  if (method !== 'get') responses['413'] ??= tooLarge;
  const isRepeatable = Array.isArray(operation['parameters']) && operation['parameters'].some(isIdempotencyKey);
  for (const [status, response] of Object.entries(responses)) {
    if (!isRecord(response)) continue;
    response['headers'] = {
      // Also where a 409 has its own words it may be about a call that is under way.
      ...(isRepeatable && status === '409' ? { 'Retry-After': retryAfter } : {}),
      ...member(response, 'headers'),
      'x-request-id': { $ref: '#/components/headers/RequestId' },
      ...(isRepeatable && Number(status) < 500
        ? { 'idempotency-replayed': { $ref: '#/components/headers/IdempotencyReplayed' } }
        : {}),
    };
  }
}

function isIdempotencyKey(parameter: unknown): boolean {
  return isRecord(parameter) && parameter['in'] === 'header' && parameter['name'] === 'idempotency-key';
}

/** They make a second form of every named schema for requests; ours are the same in both directions. */
function removeTwins(document: object): void {
  const components = member(document, 'components');
  const schemas = member(components, 'schemas');
  const isTwin = (name: string) => name.endsWith('Input') && name.slice(0, -'Input'.length) in schemas;
  components['schemas'] = Object.fromEntries(Object.entries(schemas).filter(([name]) => !isTwin(name)));
  redirect(document, (reference) => {
    const name = reference.slice(reference.lastIndexOf('/') + 1);
    return isTwin(name) ? reference.slice(0, -'Input'.length) : reference;
  });
}

/** Changes every reference below a value. */
function redirect(value: unknown, change: (reference: string) => string): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if (name === '$ref' && typeof inner === 'string') Object.assign(value, { $ref: change(inner) });
    else redirect(inner, change);
  }
}

function member(parent: object, name: string): Record<string, unknown> {
  const value: unknown = isRecord(parent) ? parent[name] : undefined;
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
