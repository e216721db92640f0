/** The client in the process and the one over HTTP keep the same promises; then what only the second has to deal with. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHttpClient, DurableError, type HttpClient, type HttpClientOptions } from 'perdure/client';
import { clientContract } from '../contract/client.ts';
import { waitFor } from '../support/wait-for.ts';
import { stage, W } from './support.ts';

const it6 = stage();
let url = '';

beforeAll(async () => {
  url = await it6.api.app.listen({ port: 0, host: '127.0.0.1' });
});

describe('in the process', () => {
  clientContract((taskHub) => (taskHub === undefined ? it6.hub.client : it6.hub.clients.open(taskHub)));
});

describe('over HTTP', () => {
  clientContract((taskHub) => createHttpClient({ url, ...(taskHub === undefined ? {} : { taskHub }) }));
});

describe('the service', () => {
  test.each(['', '/', W, `${W}/`])('is found when its URL ends in %j', async (end) => {
    expect(await createHttpClient({ url: url + end }).getStatus('nobody')).toBeUndefined();
  });

  test.each([
    { url: 'nonsense' },
    { url: 'ftp://x' },
    { url: 'http://h/?code=1' },
    { url: '' },
    { url: 'http://h', timeoutMs: 0 },
    { url: 'http://h', timeoutMs: Number.NaN },
    { url: 'http://h', retries: -1 },
  ])('cannot be at %j', (options) => {
    expect(() => createHttpClient(options)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });

  test('asks for a key, and says so when it is wrong, or good for something else', async () => {
    const guarded = await it6.server({ systemKey: 'the key + all' });
    const at = await guarded.app.listen({ port: 0, host: '127.0.0.1' });
    const admin = createHttpClient({ url: at, key: 'the key + all' });
    const id = await admin.startNew('WaitGo');
    for (const key of [undefined, 'wrong']) {
      const stranger = createHttpClient({ url: at, ...(key === undefined ? {} : { key }) });
      await expect(stranger.getStatus(id)).rejects.toMatchObject({ code: 'Unauthorized' });
    }
    const headers = { 'x-functions-key': 'the key + all' };
    const made = await guarded.send('POST', '/admin/keys', { body: { name: 'client', scopes: ['read'] }, headers });
    const reader = createHttpClient({ url: at, key: String(made.json().value) });
    expect(await reader.getStatus(id)).toMatchObject({ name: 'WaitGo' });
    const refused = reader.terminate(id);
    await expect(refused).rejects.toMatchObject({
      code: 'Forbidden',
      message: expect.stringContaining("'admin'"),
    });
    // The links are for somebody else.
    expect(JSON.stringify(admin.createHttpManagementPayload(id))).not.toContain('code=');
  });

  test('takes no more than it says', async () => {
    const small = await it6.server({ maxBodyBytes: 100 });
    const client = createHttpClient({ url: await small.app.listen({ port: 0, host: '127.0.0.1' }) });
    await expect(client.startNew('Echo', { input: 'x'.repeat(200) })).rejects.toMatchObject({
      code: 'PayloadTooLarge',
    });
  });
});

describe('links', () => {
  const client = (): HttpClient => createHttpClient({ url });
  const request = new Request('http://caller.example/api/start');

  test('lead to the service', async () => {
    const id = await client().startNew('WaitGo', { instanceId: `a link ${Math.random()}` });
    const answer = client().createCheckStatusResponse(request, id);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('retry-after')).toBe('10');
    const status = await fetch(String(answer.headers.get('location')));
    expect(await status.json()).toMatchObject({ instanceId: id });
    const { sendEventPostUri, rewindPostUri } = client().createHttpManagementPayload(id);
    const sent = await fetch(sendEventPostUri.replace('{eventName}', 'Go'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '1',
    });
    expect(sent.status).toBe(202);
    expect(rewindPostUri).toContain('/rewind?reason={text}&taskHub=&');
  });

  test('are the answer when the end does not come in time; else it is the output', async () => {
    const wait = async (id: string, timeoutInMilliseconds: number) => {
      const answer = await client().waitForCompletionOrCreateCheckStatusResponse(request, id, {
        timeoutInMilliseconds,
      });
      return [answer.status, await answer.json()];
    };
    expect(await wait(await client().startNew('Echo', { input: [7] }), 5_000)).toEqual([200, [7]]);
    const failed = await wait(await client().startNew('Boom'), 5_000);
    expect(failed).toEqual([500, expect.objectContaining({ runtimeStatus: 'Failed' })]);
    const id = await client().startNew('WaitGo');
    expect(await wait(id, 50)).toEqual([202, expect.objectContaining({ id })]);
    await client().terminate(id, 'enough');
    expect(await wait(id, 5_000)).toEqual([200, expect.objectContaining({ output: 'enough' })]);
    await expect(wait('nobody', 50)).rejects.toMatchObject({ code: 'InstanceNotFound' });
  });
});

describe('what goes wrong on the way', () => {
  type Answerer = (
    request: IncomingMessage,
    count: number,
  ) => { status: number; body?: string; headers?: object } | 'cut' | 'silence';
  let server: Server | undefined;
  const seen: string[] = [];

  /** A client of a service that answers like this. */
  async function against(answer: Answerer, options: Partial<HttpClientOptions> = {}): Promise<HttpClient> {
    seen.length = 0;
    const own = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      const said = answer(request, seen.length);
      if (said === 'cut') return void request.socket.destroy();
      if (said === 'silence') return;
      response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers });
      response.end(said.body);
    });
    server = own;
    await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
    return createHttpClient({ url: `http://127.0.0.1:${(own.address() as AddressInfo).port}`, ...options });
  }

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  const error = (type: string) =>
    JSON.stringify({ Message: 'm', ExceptionMessage: `because of ${type}`, ExceptionType: type });
  const started = { status: 202, body: '{"id":"i"}' };

  test('reads are repeated', async () => {
    const client = await against((_request, count) =>
      count === 1 ? 'cut' : count === 2 ? { status: 503, body: error('StoreUnavailable') } : { status: 404 },
    );
    expect(await client.getStatus('i')).toBeUndefined();
    expect(seen).toHaveLength(3);
  });

  test('what may have been done is not repeated, and the error says that nobody knows', async () => {
    const client = await against(() => 'cut');
    for (const call of [
      () => client.terminate('i'),
      () => client.raiseEvent('i', 'Go', 1),
      () => client.startNew('Echo', { instanceId: 'mine' }),
      () => client.purgeInstanceHistory('i'),
      () => client.restart('i'),
      () => client.signalEntityText({ entity: { name: 'counter', key: 'k' }, operation: 'add' }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'OutcomeUnknown' });
    }
    expect(seen).toHaveLength(6);
    const unsure = await against(() => ({ status: 503, body: error('OutcomeUnknown') }));
    await expect(unsure.terminate('i')).rejects.toMatchObject({ code: 'OutcomeUnknown' });
    expect(seen).toHaveLength(1);
  });

  test('a start under a fresh id is repeated, and once it is there that is that', async () => {
    const client = await against((_request, count) =>
      count === 1 ? 'cut' : { status: 409, body: error('InstanceAlreadyExists') },
    );
    const id = await client.startNew('Echo');
    expect(seen).toEqual([`POST ${W}/orchestrators/Echo/${id}`, `POST ${W}/orchestrators/Echo/${id}`]);
    // Not when nothing was repeated: then somebody else has it.
    const taken = await against(() => ({ status: 409, body: error('InstanceAlreadyExists') }));
    await expect(taken.startNew('Echo')).rejects.toMatchObject({ code: 'InstanceAlreadyExists' });
    const returning = await against((_request, count) => (count === 1 ? 'cut' : started));
    expect(await returning.startNew('Echo', { instanceId: 'i', onExisting: 'return' })).toBe('i');
  });

  test('with a key for every call everything is repeated, under the same key, also while the first is under way', async () => {
    const keys: unknown[] = [];
    const client = await against(
      ({ headers }, count) => {
        keys.push(headers['idempotency-key']);
        if (count === 1) return 'cut';
        return count === 2 ? { status: 409, body: error('IdempotencyKeyInUse') } : { status: 202 };
      },
      { idempotencyKeys: true },
    );
    await client.terminate('i');
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    await client.terminate('i');
    expect(new Set(keys).size).toBe(2);
  });

  test('what was turned away at the door is repeated, after the time that was asked for', async () => {
    for (const type of ['Overloaded', 'TooManyRequests']) {
      const status = type === 'Overloaded' ? 503 : 429;
      const client = await against((_request, count) =>
        count === 1 ? { status, body: error(type), headers: { 'retry-after': '1' } } : { status: 202 },
      );
      const before = performance.now();
      await client.terminate('i');
      expect(performance.now() - before).toBeGreaterThanOrEqual(990);
      expect(seen).toHaveLength(2);
    }
  });

  test('a service that is not there is one', async () => {
    const gone = await against(() => ({ status: 200 }), { retries: 1 });
    server?.close();
    for (const call of [
      () => gone.getStatus('i'),
      () => gone.terminate('i'),
      () => gone.startNew('Echo', { instanceId: 'i' }),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'ServiceUnavailable',
        message: expect.stringMatching(
          /^The service at http:\/\/127\.0\.0\.1:\d+ could not be reached: .*ECONNREFUSED/,
        ),
      });
    }
  });

  test('one that does not answer is given up in time, repetitions included', async () => {
    const silent = await against(() => 'silence', { timeoutMs: 200 });
    const before = performance.now();
    await expect(silent.getStatus('i')).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    await expect(silent.terminate('i')).rejects.toMatchObject({
      code: 'OutcomeUnknown',
      message: expect.stringContaining('did not answer within 200 ms'),
    });
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  test.each([
    ['a page of somebody else', { status: 404, body: '<html>not here</html>' }],
    ['a page with 200', { status: 200, body: '<html>welcome</html>' }],
    ['JSON of somebody else', { status: 200, body: '{"hello":"world"}' }],
    ['null', { status: 200, body: 'null' }],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
    ['500', { status: 500, body: error('InternalError'), headers: { 'x-request-id': 'abc-7' } }],
  ])('%s is no answer', async (_what, said) => {
    const client = await against(() => said, { retries: 0 });
    const thrown: unknown = await client.getStatus('i').catch((caught: unknown) => caught);
    expect(thrown).toBeInstanceOf(DurableError);
    expect(thrown).toMatchObject({ code: 'ServiceUnavailable' });
  });

  test('headers of one’s own are sent, and fetch can be another', async () => {
    const sent: unknown[] = [];
    const client = createHttpClient({
      url: 'https://flows.example/prefix/',
      key: 'k',
      taskHub: 'a hub',
      headers: { 'x-tenant': 't' },
      fetch: async (at, { headers, method }) => {
        sent.push([method, at, headers]);
        return new Response(null, { status: 202 });
      },
    });
    await client.terminate('i 1', 'a&b');
    expect(sent).toEqual([
      [
        'POST',
        `https://flows.example/prefix${W}/instances/i%201/terminate?taskHub=a%20hub&reason=a%26b`,
        { accept: 'application/json', 'x-tenant': 't', 'x-functions-key': 'k' },
      ],
    ]);
  });

  test('a wait goes on over an answer that was lost', async () => {
    const client = await against((request, count) => {
      if (count === 1) return 'cut';
      if (count < 4) return { status: 202, body: '{}' };
      return request.url?.includes('stored') === true ? { status: 404 } : { status: 200, body: '{}' };
    });
    expect(await client.waitForCompletion('i', { timeoutMs: 10_000 })).toBeUndefined();
    await waitFor(() => seen.length === 5);
  });
});
