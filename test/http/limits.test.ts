/** What callers may take: origins, headers, time, connections, load (reliability.md 6). */
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, expectEmpty, expectError, stage, W } from './support.ts';
import { waitFor } from '../support/wait-for.ts';

const it6 = stage();

describe('origins', () => {
  const page = 'https://app.example';
  const preflight = {
    origin: page,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type',
  };

  test('CORS is off by default: no answer says anything about it', async () => {
    const answer = await it6.api.get('/instances', { headers: { origin: page } });
    expect(answer.statusCode).toBe(200);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expectEmpty(await it6.api.send('OPTIONS', `${W}/orchestrators/Echo`, { headers: preflight }), 404);
  });

  test('an origin that was let in may ask first, without a key, and then call', async () => {
    const api = await it6.server({ corsOrigins: [page], systemKey: 'k' });
    const asked = await api.send('OPTIONS', `${W}/orchestrators/Echo`, { headers: preflight });
    expect(asked.statusCode).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-methods': expect.stringContaining('DELETE'),
      'access-control-allow-headers': 'content-type',
    });
    const called = await api.post('/orchestrators/Echo?code=k', { body: 1, headers: { origin: page } });
    expect(called.statusCode).toBe(202);
    expect(called.headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-expose-headers': expect.stringContaining('Location'),
    });
    expect(called.headers['access-control-allow-credentials']).toBeUndefined();
    const refused = await api.get('/instances', { headers: { origin: page } });
    expectEmpty(refused, 401);
    expect(refused.headers['access-control-allow-origin']).toBe(page);
  });

  test('any other origin is not', async () => {
    const api = await it6.server({ corsOrigins: [page] });
    for (const origin of ['https://evil.example', 'http://app.example', 'https://app.example.evil.example', 'null']) {
      const asked = await api.send('OPTIONS', `${W}/instances`, { headers: { ...preflight, origin } });
      expect(asked.headers['access-control-allow-origin']).not.toBe(origin);
    }
  });

  test('* lets every page in', async () => {
    const api = await it6.server({ corsOrigins: ['*'] });
    const answer = await api.get('/instances', { headers: { origin: page } });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
  });
});

describe('headers of answers', () => {
  test('the page runs its own scripts only, and nobody frames it', async () => {
    const { headers } = await it6.api.send('GET', '/docs');
    expect(headers['content-security-policy']).toMatch(/default-src 'none';script-src 'self';/);
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(headers['strict-transport-security']).toBeUndefined();
  });

  test('no page of ours has a script of its own in it', async () => {
    expect((await it6.api.send('GET', '/docs')).body).not.toMatch(/<script>|<script [^>]*>[^<\s]|\son\w+=/i);
  });

  test('answers of the API are what they say they are', async () => {
    for (const path of [`${W}/instances`, `${W}/nothing`, '/nothing', '/livez', '/openapi.json']) {
      const { headers } = await it6.api.send('GET', path);
      expect([path, headers['x-content-type-options']]).toEqual([path, 'nosniff']);
      expect(headers['server']).toBeUndefined();
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });
});

describe('load', () => {
  // More than none: the first look at the heap is always over this.
  const limits = { maxHeapPercent: 0.000_001, maxEventLoopDelayMs: 0 };

  test('F13: when the process cannot keep up, calls get 503 with Retry-After and change nothing', async () => {
    const api = await it6.server({ limits });
    const refused = await waitFor(
      async () => {
        const answer = await api.post('/orchestrators/Echo/shed', { body: 1 });
        return answer.statusCode === 503 && answer;
      },
      { what: 'the first look at the heap' },
    );
    expect(expectError(refused, 503)['ExceptionType']).toBe('Overloaded');
    expect(refused.headers['retry-after']).toBe('5');
    expect((await api.post('/orchestrators/Echo/turned-away')).statusCode).toBe(503);
    expectEmpty(await it6.api.get('/instances/turned-away'), 404);
    expect((await api.send('GET', '/api/nothing')).statusCode).toBe(503);
    // Probes see a process that lives and should get no requests.
    expect((await api.send('GET', '/livez')).statusCode).toBe(200);
    const ready = await api.send('GET', '/readyz?x=1');
    expect([ready.statusCode, ready.json()]).toEqual([503, { status: 'overloaded' }]);
  });

  test('a limit of 0 is none', async () => {
    const api = await it6.server({ limits: { maxHeapPercent: 0, maxEventLoopDelayMs: 0 } });
    expect((await api.get('/instances')).statusCode).toBe(200);
  });
});

describe('connections', () => {
  const limits = { headersTimeoutMs: 200, requestTimeoutMs: 400, maxHeaderBytes: 4_096, keepAliveTimeoutMs: 300 };
  let api: Api;
  let port = 0;

  beforeAll(async () => {
    api = await it6.server({ limits });
    port = await listen(api);
  });

  async function listen(server: Api): Promise<number> {
    await server.app.listen({ port: 0, host: '127.0.0.1' });
    return (server.app.server.address() as AddressInfo).port;
  }

  /** What the server says until it hangs up, while a byte of the rest is sent now and then. */
  async function drip(head: string, rest: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    let at = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.write(head);
    const timer = setInterval(() => {
      if (socket.writable) socket.write(rest[at++ % rest.length] ?? '');
    }, 20);
    await once(socket, 'close');
    clearInterval(timer);
    return text;
  }

  test('#25 headers at a byte now and then are cut off at the limit', async () => {
    expect(await drip(`GET ${W}/instances HTTP/1.1\r\nHost: h\r\nX: `, 'x')).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('#25 a body at a byte now and then is cut off at the limit, and nothing is stored', async () => {
    const head = `POST ${W}/orchestrators/Echo/slow HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n`;
    expect(await drip(head, '1')).not.toMatch(/^HTTP\/1\.1 2/);
    expectEmpty(await api.get('/instances/slow'), 404);
  });

  test('many slow ones do not keep others waiting', async () => {
    const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.write(`POST ${W}/orchestrators/Echo HTTP/1.1\r\n`);
    }
    const closed = Promise.all(sockets.map((socket) => once(socket, 'close')));
    expect((await fetch(`http://127.0.0.1:${port}${W}/instances/x`)).status).toBe(404);
    for (const socket of sockets) socket.resume();
    await closed;
  });

  test('headers over the limit are 431', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /livez HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(5_000)}\r\n\r\n`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 431 /);
    socket.destroy();
  });

  test('an idle connection ends', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
  });

  test('the last request of a connection is told to be', async () => {
    const few = await listen(await it6.server({ limits: { maxRequestsPerSocket: 2 } }));
    const socket = connect(few, '127.0.0.1');
    const answers: string[] = [];
    for (let at = 0; at < 2; at += 1) {
      socket.write('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
      answers.push(String((await once(socket, 'data'))[0]));
    }
    expect(answers.map((text) => /connection: (\S+)/i.exec(text)?.[1])).toEqual(['keep-alive', 'close']);
    socket.destroy();
  });

  test('connections over the limit are closed, and those within it are served', async () => {
    const few = await it6.server({ limits: { maxConnections: 2 } });
    const address = await listen(few);
    const open: Socket[] = [];
    for (let at = 0; at < 2; at += 1) {
      const socket = connect(address, '127.0.0.1');
      await once(socket, 'connect');
      open.push(socket);
    }
    await waitFor(
      async () => {
        const more = connect(address, '127.0.0.1');
        more.on('error', () => undefined);
        more.write('GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
        let said = false;
        more.on('data', () => (said = true));
        await once(more, 'close');
        return !said;
      },
      { what: 'a connection too many to be closed' },
    );
    open[0]?.write('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(String((await once(open[0] ?? few.app.server, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    for (const socket of open) socket.destroy();
  });
});
