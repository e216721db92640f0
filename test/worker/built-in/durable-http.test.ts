import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  tokenProvider,
  type HttpActivityRequest,
  type TokenProviderDefinition,
} from '../../../src/model/durable-http.ts';
import type { ActivityContext } from '../../../src/model/functions.ts';
import {
  openDurableHttp,
  type DurableHttp,
  type DurableHttpSettings,
} from '../../../src/worker/in-process/built-in/durable-http.ts';

const opened: DurableHttp[] = [];
afterEach(async () => {
  for (const http of opened.splice(0)) await http.close();
});

interface Sending {
  readonly settings?: DurableHttpSettings;
  readonly providers?: readonly TokenProviderDefinition[];
  readonly signal?: AbortSignal;
}

/** Sends one request through the built-in activity; loopback is allowed unless a test says otherwise. */
async function send(request: Partial<HttpActivityRequest> & { readonly uri: string }, given: Sending = {}) {
  const { settings = { allow: ['127.0.0.1', 'localhost'] }, providers = [], signal } = given;
  const http = openDurableHttp(settings, providers);
  opened.push(http);
  const context = { signal: signal ?? new AbortController().signal } as ActivityContext;
  return await http.activity.run({ method: 'GET', ...request }, context);
}

/** A server on a port of its own. @returns its origin */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers with what it got. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method, url, headers } = request;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
}

const echoing: RequestListener = (request, response) => void echo(request, response);
const json = (text: string) =>
  JSON.parse(text) as { method: string; url: string; headers: Record<string, string>; body: string };

describe('a request', () => {
  it('arrives as it was written', async () => {
    const origin = await serve(echoing);
    const { statusCode, headers, content } = await send({
      method: 'POST',
      uri: `${origin}/a%20b?c=d`,
      headers: { 'X-Mine': 'yes', 'Content-Type': 'text/plain', 'Content-Length': '999', 'Accept-Encoding': 'gzip' },
      content: 'häßlich',
    });
    expect(statusCode).toBe(200);
    expect(headers['content-type']).toBe('application/json');
    const got = json(content);
    expect(got).toMatchObject({ method: 'POST', url: '/a%20b?c=d', body: 'häßlich' });
    expect(got.headers).toMatchObject({
      'x-mine': 'yes',
      'content-type': 'text/plain',
      'content-length': '9',
      'user-agent': 'perdure',
    });
    expect(got.headers['accept-encoding']).toBeUndefined();
  });

  it.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'REPORT'])('may be a %s', async (method) => {
    const origin = await serve(echoing);
    expect(json((await send({ method, uri: origin })).content).method).toBe(method);
  });

  it('may be a HEAD, whose answer has a length and no content', async () => {
    const origin = await serve((_request, response) => response.setHeader('content-length', 99_000_000).end());
    expect(await send({ method: 'HEAD', uri: origin })).toMatchObject({ statusCode: 200, content: '' });
  });
});

describe('an answer', () => {
  it.each([204, 304, 400, 404, 418, 500, 503])('of %d is a result', async (status) => {
    const origin = await serve((_request, response) => response.writeHead(status).end());
    expect((await send({ uri: origin })).statusCode).toBe(status);
  });

  it('is text in the charset that it names', async () => {
    const origin = await serve((_request, response) =>
      response.setHeader('content-type', 'text/plain; charset="ISO-8859-1"').end(Buffer.from([0xe4])),
    );
    expect((await send({ uri: origin })).content).toBe('ä');
  });

  it('is unpacked when the server packed it unasked', async () => {
    const origin = await serve((_request, response) =>
      response.setHeader('content-encoding', 'gzip').end(gzipSync('packed')),
    );
    expect((await send({ uri: origin })).content).toBe('packed');
  });

  it('has several headers of one name in one text', async () => {
    const origin = await serve((_request, response) => response.setHeader('x-a', ['1', '2']).end());
    expect((await send({ uri: origin })).headers['x-a']).toBe('1, 2');
  });

  it.each<[string, RequestListener]>([
    ['declared', (_request, response) => response.setHeader('content-length', 3_000).end('x'.repeat(3_000))],
    ['sent in pieces', (_request, response) => (response.write('x'.repeat(1_500)), response.end('x'.repeat(1_500)))],
    [
      'unpacked',
      (_request, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('x'.repeat(3_000))),
    ],
  ])('that is too large when %s fails for good', async (_how, listener) => {
    const settings = { allow: ['127.0.0.1'], maxResponseBytes: 2_000 };
    await expect(send({ uri: await serve(listener) }, { settings })).rejects.toMatchObject({
      name: 'HttpResponseTooLargeError',
      isNonRetriable: true,
      message: expect.stringContaining('more than 2000 bytes') as string,
    });
  });
});

describe('no answer', () => {
  it('is a failure that says what was asked, without the query', async () => {
    const origin = await serve((request) => request.socket.destroy());
    const failing = send({ uri: `${origin}/path?code=secret` });
    await expect(failing).rejects.toMatchObject({
      name: 'HttpRequestError',
      message: expect.stringMatching(/^GET http:\/\/127\.0\.0\.1:\d+\/path failed: /) as string,
    });
    await expect(failing).rejects.not.toThrow('secret');
  });

  it('in time is a TimeoutError, whether nothing comes or too slowly', async () => {
    const silent = await serve(() => undefined);
    const slow = await serve((_request, response) => response.write('a'));
    for (const uri of [silent, slow]) {
      await expect(send({ uri, timeoutMs: 100 })).rejects.toMatchObject({ name: 'TimeoutError' });
    }
  });

  it('is not waited for when the activity is told to stop', async () => {
    const stop = new AbortController();
    const origin = await serve(() => stop.abort(new Error('the orchestration ended')));
    await expect(send({ uri: origin }, { signal: stop.signal })).rejects.toThrow('the orchestration ended');
  });
});

describe('redirects', () => {
  /** Two origins; the first sends to the second. */
  async function redirecting(status: number, path = '/'): Promise<{ readonly from: string; readonly to: string }> {
    const to = await serve(echoing);
    const from = await serve((request, response) => {
      if (request.url === '/same') echoing(request, response);
      else response.writeHead(status, { location: path === '/same' ? path : `${to}${path}` }).end();
    });
    return { from, to };
  }

  it.each([
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [307, 'POST', 'POST', 'body'],
    [308, 'PUT', 'PUT', 'body'],
  ])('%d of a %s becomes a %s', async (status, method, becomes, body) => {
    const { from } = await redirecting(status);
    const got = json((await send({ method, uri: from, content: 'body', headers: { 'content-type': 'a/b' } })).content);
    expect([got.method, got.body, got.headers['content-type']]).toEqual([
      becomes,
      body,
      body === '' ? undefined : 'a/b',
    ]);
  });

  const headers = { Authorization: 'a', cookie: 'b', 'X-API-Key': 'c', 'x-plain': 'd' };

  it('carry credentials at the same origin', async () => {
    const { from } = await redirecting(302, '/same');
    const got = json((await send({ uri: from, headers })).content);
    expect(got.headers).toMatchObject({ authorization: 'a', cookie: 'b', 'x-api-key': 'c', 'x-plain': 'd' });
  });

  it('carry neither credentials nor tokens to another origin', async () => {
    const { from } = await redirecting(307);
    const providers = [tokenProvider('K', () => 'secret')];
    const got = json(
      (await send({ uri: from, headers, tokenSource: { kind: 'K', resource: 'r' } }, { providers })).content,
    );
    expect(got.headers['x-plain']).toBe('d');
    for (const name of ['authorization', 'cookie', 'x-api-key']) expect(got.headers[name]).toBeUndefined();
  });

  it('may not lead to an address that is not allowed', async () => {
    const origin = await serve((_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
    );
    await expect(send({ uri: origin })).rejects.toMatchObject({ name: 'HttpAddressNotAllowedError' });
  });

  it('do not go round for ever', async () => {
    const origin = await serve((_request, response) => response.writeHead(302, { location: '/' }).end());
    await expect(send({ uri: origin })).rejects.toThrow('more than 10 redirects');
  });

  it('make a Location of a 202 absolute, as seen from where it came', async () => {
    const to = await serve((_request, response) => response.writeHead(202, { location: 'status/1' }).end());
    const from = await serve((_request, response) => response.writeHead(307, { location: `${to}/jobs/` }).end());
    expect((await send({ uri: from })).headers['location']).toBe(`${to}/jobs/status/1`);
  });
});

describe('addresses', () => {
  it.each(['127.0.0.1', 'localhost', '[::1]', '2130706433', '0x7f.1', '[::ffff:7f00:1]'])(
    'of this machine are refused by default: %s',
    async (host) => {
      let requests = 0;
      const origin = await serve((_request, response) => {
        requests += 1;
        response.end();
      });
      const uri = `http://${host}:${new URL(origin).port}/`;
      await expect(send({ uri }, { settings: {} })).rejects.toMatchObject({
        name: 'HttpAddressNotAllowedError',
        isNonRetriable: true,
        message: expect.stringContaining('--http-allow') as string,
      });
      expect(requests).toBe(0);
    },
  );

  it('that a name resolves to are checked, and reached when the name is allowed', async () => {
    const origin = await serve((_request, response) => response.end('here'));
    const uri = `http://localhost:${new URL(origin).port}/`;
    expect((await send({ uri }, { settings: { allow: ['127.0.0.0/8'] } })).content).toBe('here');
    expect((await send({ uri }, { settings: { allow: ['localhost'] } })).content).toBe('here');
  });
});

describe('a token source', () => {
  it('authorizes the request, whatever header it had', async () => {
    const origin = await serve(echoing);
    const asked: unknown[] = [];
    const providers = [
      tokenProvider('AzureManagedIdentity', async (source) => {
        asked.push(source);
        return 'secret';
      }),
    ];
    const tokenSource = { kind: 'AzureManagedIdentity', resource: 'https://r' };
    const { content } = await send({ uri: origin, tokenSource, headers: { authorization: 'mine' } }, { providers });
    expect(json(content).headers['authorization']).toBe('Bearer secret');
    expect(asked).toEqual([tokenSource]);
  });

  it('that nobody provides fails for good, before anything is sent', async () => {
    const failing = send({ uri: 'http://127.0.0.1:1', tokenSource: { kind: 'Nobody', resource: 'r' } });
    await expect(failing).rejects.toMatchObject({ name: 'TokenProviderNotRegistered', isNonRetriable: true });
    await expect(failing).rejects.toThrow("tokenProvider('Nobody', …)");
  });

  it.each([undefined, '', 'a\r\nX-Evil: 1'])('whose provider gives %j fails without telling it', async (token) => {
    const providers = [tokenProvider('K', () => token as string)];
    const failing = send({ uri: 'http://127.0.0.1:1', tokenSource: { kind: 'K', resource: 'r' } }, { providers });
    await expect(failing).rejects.toThrow("The token provider of the kind 'K' gave no token");
    await expect(failing).rejects.not.toThrow('Evil');
  });

  it('has one provider of each kind', () => {
    const one = tokenProvider('K', () => 'a');
    expect(() => openDurableHttp({}, [one, one])).not.toThrow();
    expect(() => openDurableHttp({}, [one, tokenProvider('K', () => 'b')])).toThrow(
      "Two token providers are of the kind 'K'",
    );
    expect(() => tokenProvider('', () => 'a')).toThrow('must be a text that is not empty');
    expect(() => tokenProvider('K', 'secret' as never)).toThrow('must be the function that gets a token');
  });
});

describe('an answer that is to be retried', () => {
  it.each<[number, readonly number[] | undefined, boolean]>([
    [503, undefined, false],
    [503, [], true],
    [404, [], true],
    [302, [], false],
    [503, [500, 503], true],
    [404, [500, 503], false],
    [200, [200], true],
  ])('%d with the list %j: %j', async (status, statusCodesToRetry, fails) => {
    const origin = await serve((_request, response) => response.writeHead(status).end('the reason'));
    const sending = send({ uri: `${origin}/x`, ...(statusCodesToRetry === undefined ? {} : { statusCodesToRetry }) });
    if (!fails) expect((await sending).statusCode).toBe(status);
    else {
      await expect(sending).rejects.toMatchObject({
        name: 'HttpRequestError',
        message: expect.stringMatching(new RegExp(`^GET ${origin}/x answered ${status} .*: the reason$`)) as string,
      });
    }
  });
});
