/** The user's own HTTP endpoints. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import { http, type HttpTriggerDefinition } from '../../src/client/http-trigger.ts';
import { DurableError } from '../../src/model/errors.ts';
import { orchestration } from '../../src/model/functions.ts';
import type { Api } from './support.ts';
import { expectEmpty, expectError, stage, W } from './support.ts';

const it6 = stage();
const key = 'secret';
const log: string[] = [];
const logger = pino({}, new Writable({ write: (chunk, _encoding, done) => done(void log.push(String(chunk))) }));
const echo = orchestration('Echo', (_ctx, input: unknown) => input);

const triggers: HttpTriggerDefinition[] = [
  http('HttpStart', { methods: ['POST'], route: 'orders' }, async (request, client) => {
    const id = await client.startNew('Echo', { input: await request.json() });
    return client.createCheckStatusResponse(request, id);
  }),
  http('Params', { route: 'orders/{orderId}/lines/{line}' }, (request) => ({
    params: request.params,
    query: Object.fromEntries(request.query),
    method: request.method,
    url: request.url,
    header: request.headers.get('x-mine'),
  })),
  http('Special', { route: 'orders/special/lines/{line}' }, () => 'special'),
  http('Optional', { route: 'optional/{name?}' }, (request) => request.params),
  http('Rest', { route: 'files/{*path}' }, (request) => request.params),
  http('Plain', { methods: ['GET'] }, () => 'text'),
  http('Nothing', {}, () => undefined),
  http('Null', {}, () => null),
  http('Body', { methods: ['PUT'] }, async (request) => new Response(await request.arrayBuffer(), { status: 201 })),
  http('Stream', {}, () => new Response(chunks(), { headers: { 'content-type': 'text/x-parts' } })),
  http('Cookies', {}, () => {
    const response = new Response(null, { status: 302, headers: { location: '/x' } });
    response.headers.append('set-cookie', 'a=1');
    response.headers.append('set-cookie', 'b=2');
    return response;
  }),
  http('Guarded', { authLevel: 'function' }, () => 'in'),
  http('Throws', {}, () => {
    throw new Error('secret detail');
  }),
  http('ThrowsText', {}, () => {
    throw 'just text'; // users do
  }),
  http('OwnSyntaxError', {}, () => JSON.parse('{')),
  http('Unjsonable', {}, () => 12n),
  http('Durable', { route: 'durable/{code}' }, (request) => {
    throw new DurableError(request.params['code'] as 'InvalidArgument', 'the words');
  }),
  http('Missing', {}, (_request, client) => client.terminate('nobody')),
  http('Wait', { methods: ['POST'], route: 'wait/{name}' }, async (request, client) => {
    const id = await client.startNew(request.params['name'] ?? '', { input: 1 });
    return client.waitForCompletionOrCreateCheckStatusResponse(request, id, { timeoutInMilliseconds: 500 });
  }),
  http('WaitMissing', {}, (request, client) => client.waitForCompletionOrCreateCheckStatusResponse(request, 'nobody')),
  http('Typed', {}, async (request, client) => {
    const id = await client.startNew(echo, { input: 1 });
    return client.createHttpManagementPayload(id, request);
  }),
  http('Foreign', {}, (_request, client) =>
    client.createHttpManagementPayload('i', new Request('https://other.example/x')),
  ),
];

function chunks(): ReadableStream<Uint8Array> {
  const parts = ['one,', 'two,', 'three'];
  return new ReadableStream({
    pull: (controller) => {
      const part = parts.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(part));
    },
  });
}

let api: Api;
beforeAll(async () => {
  api = await it6.server({ triggers, systemKey: key, logger });
});

const send = (method: string, path: string, call = {}) => api.send(method, `/api/${path}`, call);

describe('the request', () => {
  test('starts an orchestration and answers with its links', async () => {
    const answer = await send('POST', 'orders', { body: { a: 1 }, headers: { host: 'h.example' } });
    expect(answer.statusCode, answer.body).toBe(202);
    const links: Record<string, string> = answer.json();
    expect(Object.keys(links)).toHaveLength(8);
    expect(links['statusQueryGetUri']).toMatch(/^http:\/\/h\.example\/runtime\/webhooks\/durabletask\/instances\//);
    expect(answer.headers['location']).toBe(links['statusQueryGetUri']);
    expect(answer.headers['retry-after']).toBe('10');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const status = await api.get(`/instances/${links['id']}?code=${key}`);
    expect(status.json()).toMatchObject({ input: { a: 1 } });
  });

  test('links repeat the key that the caller presented', async () => {
    const answer = await send('POST', `orders?code=${key}`, { body: 1 });
    expect(answer.json().statusQueryGetUri).toMatch(/&code=secret$/);
    expect((await send('POST', 'orders', { body: 1 })).json().statusQueryGetUri).not.toContain('code=');
  });

  test('has parameters, query and headers', async () => {
    const answer = await send('GET', 'Orders/a%2Fb%20İ/LINES/7?x=1&y=a+b', {
      headers: { 'x-mine': 'yes', host: 'h.example' },
    });
    expect(answer.json()).toEqual({
      params: { orderId: 'a/b İ', line: '7' },
      query: { x: '1', y: 'a b' },
      method: 'GET',
      url: expect.stringMatching(/^http:\/\/h\.example\/api\/Orders\//),
      header: 'yes',
    });
  });

  test('literals win over parameters', async () => {
    expect((await send('GET', 'orders/special/lines/7')).json()).toBe('special');
  });

  test('optional and remaining segments', async () => {
    expect((await send('GET', 'optional')).json()).toEqual({});
    expect((await send('GET', 'optional/x/')).json()).toEqual({ name: 'x' });
    expect((await send('GET', 'files/a/b%20c')).json()).toEqual({ path: 'a/b c' });
    expect((await send('GET', 'files')).json()).toEqual({ path: '' });
  });

  test('gives bytes through', async () => {
    const bytes = Buffer.from([0, 255, 128, 10]);
    const answer = await send('PUT', 'Body', { raw: bytes, headers: { 'content-type': 'application/octet-stream' } });
    expect(answer.statusCode).toBe(201);
    expect(answer.rawPayload).toEqual(bytes);
  });

  test.each([
    ['GET', 'orders'],
    ['POST', 'Plain'],
    ['GET', 'nowhere'],
    ['GET', 'orders/1/lines'],
    ['GET', 'orders/1/lines/2/3'],
    ['GET', ''],
    ['HEAD', 'Plain'],
    ['OPTIONS', 'Plain'],
  ])('%s /api/%s is 404', async (method, path) => {
    expect((await send(method, path)).statusCode).toBe(404);
  });

  test('a path that cannot be decoded is 400', async () => {
    expectError(await send('GET', 'orders/%zz/lines/1'), 400);
  });

  test('only those that ask for the key want it', async () => {
    expectEmpty(await send('GET', 'Guarded'), 401);
    expect((await send('GET', `Guarded?code=${key}`)).json()).toBe('in');
    expect((await send('GET', 'Guarded', { headers: { 'x-functions-key': key } })).json()).toBe('in');
    const open = await it6.server({ triggers });
    expect((await open.send('GET', '/api/Guarded')).json()).toBe('in');
  });

  test('a public URL is what triggers see and link to', async () => {
    const open = await it6.server({ triggers, publicUrl: 'https://pub.example/x' });
    expect((await open.send('GET', '/api/orders/1/lines/2')).json().url).toBe(
      'https://pub.example/x/api/orders/1/lines/2',
    );
    const started = await open.send('POST', '/api/orders', { body: 1 });
    expect(started.headers['location']).toMatch(/^https:\/\/pub\.example\/x\/runtime/);
    const foreign = await open.send('GET', '/api/Foreign');
    expect(foreign.json().statusQueryGetUri).toMatch(/^https:\/\/pub\.example\/x\/runtime/);
  });
});

describe('the answer', () => {
  test('plain values are JSON', async () => {
    const answer = await send('GET', 'plain');
    expect([answer.statusCode, answer.body]).toEqual([200, '"text"']);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect((await send('GET', 'Null')).body).toBe('null');
  });

  test('nothing is 204', async () => {
    expectEmpty(await send('GET', 'Nothing'), 204);
  });

  test('streams go through', async () => {
    const answer = await send('GET', 'Stream');
    expect([answer.body, answer.headers['content-type']]).toEqual(['one,two,three', 'text/x-parts']);
  });

  test('status, headers and cookies go through', async () => {
    const answer = await send('GET', 'Cookies');
    expect([answer.statusCode, answer.body, answer.headers['location']]).toEqual([302, '', '/x']);
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  });

  test('management payloads have the rewind link too', async () => {
    const answer = await send('GET', 'Typed', { headers: { host: 'h.example' } });
    expect(Object.keys(answer.json())).toEqual([
      'id',
      'statusQueryGetUri',
      'sendEventPostUri',
      'terminatePostUri',
      'rewindPostUri',
      'purgeHistoryDeleteUri',
      'restartPostUri',
      'suspendPostUri',
      'resumePostUri',
    ]);
    expect(answer.json().rewindPostUri).toContain(`http://h.example${W}/instances/`);
    expect((await send('GET', 'Foreign')).json().statusQueryGetUri).toMatch(/^https:\/\/other\.example\/runtime/);
  });

  test('waiting answers with the output, the status, or links', async () => {
    const done = await send('POST', 'wait/Echo');
    expect([done.statusCode, done.body]).toEqual([200, '1']);
    const failed = await send('POST', 'wait/Boom');
    expect([failed.statusCode, failed.json().runtimeStatus]).toEqual([500, 'Failed']);
    const late = await send('POST', 'wait/WaitGo');
    expect([late.statusCode, Object.keys(late.json()).length]).toEqual([202, 8]);
    expectError(await send('GET', 'WaitMissing'), 404);
  });
});

describe('errors', () => {
  test.each(['Throws', 'ThrowsText', 'Unjsonable', 'OwnSyntaxError'])('%s is 500 and is logged', async (path) => {
    log.length = 0;
    const answer = await send('GET', path);
    const body = expectError(answer, 500, 'Something went wrong while processing your request');
    expect(body['RequestId']).toBe(answer.headers['x-request-id']);
    expect(answer.body).not.toMatch(/secret detail|just text|at .*:\d+|BigInt/);
    expect(log.join('')).toContain(path === 'Throws' ? 'secret detail' : path);
    expect(log.join('')).toContain(String(body['RequestId']));
  });

  test.each(['{', '', 'x'])('a body %s that is no JSON is 400', async (raw) => {
    log.length = 0;
    const answer = await send('POST', 'orders', { raw, headers: { 'content-type': 'application/json' } });
    expectError(answer, 400, 'Invalid JSON content');
    expect(log).toEqual([]);
  });

  test('bytes that are no UTF-8 inside a text are 400, never replaced', async () => {
    const raw = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const answer = await send('POST', 'orders', { raw, headers: { 'content-type': 'application/json' } });
    expectError(answer, 400, 'Invalid JSON content');
  });

  test.each([
    ['InvalidArgument', 400],
    ['OrchestratorNotRegistered', 400],
    ['InstanceNotFound', 404],
    ['InstanceAlreadyExists', 409],
    ['InstanceTerminal', 410],
    ['InstanceNotTerminal', 412],
    ['InvalidTransition', 409],
    ['PayloadTooLarge', 413],
    ['StoreUnavailable', 503],
    ['OutcomeUnknown', 503],
    ['StorageFull', 503],
  ])('a DurableError %s is %i', async (code, status) => {
    const answer = await send('GET', `durable/${code}`);
    const body = expectError(answer, status);
    expect(body['ExceptionType']).toBe(code);
    expect(answer.headers['retry-after']).toBe(status === 503 ? '5' : undefined);
    expect(body['ExceptionMessage'] === 'the words').toBe(status !== 503);
  });

  test('errors of the client come through', async () => {
    expect(expectError(await send('GET', 'Missing'), 404)['ExceptionType']).toBe('InstanceNotFound');
  });

  test('a body above the limit is 413', async () => {
    const small = await it6.server({ triggers, maxBodyBytes: 10 });
    expectError(await small.send('POST', '/api/orders', { raw: 'x'.repeat(11) }), 413);
  });
});

describe('routes that cannot be served', () => {
  test.each([
    [[http('A', { route: 'x/{id}' }, () => 1), http('B', { route: 'X/{other}' }, () => 1)]],
    [[http('A', { route: 'x/{id:int}' }, () => 1)]],
    [[http('A', { route: 'x-{id}' }, () => 1)]],
    [[http('A', { route: '{*rest}/x' }, () => 1)]],
    [[http('A', { route: '{x?}/y' }, () => 1)]],
    [[http('A', { route: 'x//y' }, () => 1)]],
  ])('%# are refused at start', async (bad) => {
    await expect(it6.server({ triggers: bad })).rejects.toThrow(/http\('/);
  });

  test('the same route for other methods is fine', async () => {
    const get = http('A', { methods: ['GET'], route: 'both' }, () => 'get');
    const post = http('B', { methods: ['POST'], route: 'both' }, () => 'post');
    const both = await it6.server({ triggers: [get, post] });
    expect((await both.send('GET', '/api/both')).json()).toBe('get');
    expect((await both.send('POST', '/api/both')).json()).toBe('post');
  });
});
