/** What only real sockets can show (reliability.md 6). */
import { connect, type AddressInfo, type Socket } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { stage, W } from './support.ts';

const it6 = stage({ maxBodyBytes: 1_000 });
let port = 0;

beforeAll(async () => {
  await it6.api.app.listen({ port: 0, host: '127.0.0.1' });
  port = (it6.api.app.server.address() as AddressInfo).port;
});

interface Talk {
  readonly text: string;
  readonly ended: boolean;
}

/** Sends bytes and collects what comes back until the server closes or there is a whole answer. */
function talk(write: (socket: Socket) => void, until: 'answer' | 'close' = 'answer'): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const done = (ended: boolean) => {
      socket.destroy();
      resolve({ text, ended });
    };
    socket.setTimeout(8_000, () => reject(new Error(`no answer; so far: ${text}`)));
    socket.on('error', () => done(true));
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const length = /content-length: (\d+)/i.exec(text)?.[1];
      const head = text.indexOf('\r\n\r\n');
      if (until === 'answer' && head !== -1 && text.length >= head + 4 + Number(length ?? 0)) done(false);
    });
    socket.on('close', () => done(true));
    socket.on('connect', () => write(socket));
  });
}

const start = (headers: string) => `POST ${W}/orchestrators/Echo HTTP/1.1\r\nHost: h\r\n${headers}\r\n\r\n`;

describe('bodies', () => {
  test('413 with a Content-Length comes before the body does', async () => {
    const { text, ended } = await talk((socket) => socket.write(start('Content-Length: 1000000000')), 'close');
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain('"Message":"The request body is too large"');
    expect(text).toMatch(/connection: close/i);
    expect(text).toMatch(/x-request-id: /i);
    expect(ended).toBe(true);
  });

  test('413 without one, while the body never ends', async () => {
    const { text } = await talk((socket) => {
      socket.write(start('Transfer-Encoding: chunked'));
      const chunk = `400\r\n${'x'.repeat(0x400)}\r\n`;
      const timer = setInterval(() => socket.write(chunk), 5);
      socket.on('close', () => clearInterval(timer));
    }, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('413 reaches a client that writes everything first', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}${W}/orchestrators/Echo`, {
      method: 'POST',
      body: 'x'.repeat(3_000_000),
    });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ ExceptionType: 'PayloadTooLarge' });
  });

  test('413 on any operation', async () => {
    const url = `http://127.0.0.1:${port}${W}/instances/x/terminate`;
    expect((await fetch(url, { method: 'POST', body: 'x'.repeat(2_000) })).status).toBe(413);
  });

  test('an empty chunked body is no input', async () => {
    const { text } = await talk((socket) => socket.write(`${start('Transfer-Encoding: chunked')}0\r\n\r\n`));
    expect(text).toMatch(/^HTTP\/1\.1 202 /);
  });
});

describe('no HTTP', () => {
  test.each([
    ['garbage', 'garbage\r\n\r\n', 400],
    ['a bad method', 'WALTZ / HTTP/1.1\r\nHost: h\r\n\r\n', 400],
    ['a broken header', 'GET / HTTP/1.1\r\nHost h\r\n\r\n', 400],
    ['two lengths', start('Content-Length: 1\r\nContent-Length: 2'), 400],
    ['length and chunks', start('Content-Length: 1\r\nTransfer-Encoding: chunked'), 400],
    ['bad chunks', `${start('Transfer-Encoding: chunked')}zz\r\n`, 400],
    ['headers too large', `GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, 431],
    ['a URL too long', `GET ${W}/instances/${'x'.repeat(70_000)} HTTP/1.1\r\nHost: h\r\n\r\n`, 431],
  ])('%s gets our own error', async (_case, bytes, status) => {
    const { text } = await talk((socket) => socket.write(bytes));
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const body: unknown = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
    expect(body).toMatchObject({ Message: expect.any(String), ExceptionType: expect.any(String) });
    expect(body).not.toHaveProperty('statusCode');
  });

  test('the service goes on', async () => {
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
  });
});

describe('odd but legal', () => {
  test('a request target in absolute form', async () => {
    const { text } = await talk((socket) =>
      socket.write(`GET http://elsewhere${W}/instances HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`),
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('HTTP/1.0 without a Host makes links to the own address', async () => {
    const { text } = await talk((socket) => socket.write(`POST ${W}/orchestrators/Echo HTTP/1.0\r\n\r\n`), 'close');
    expect(text).toContain(`http://127.0.0.1:${port}${W}/instances/`);
  });

  // Every URL library would resolve these before sending.
  test.each(['.', '..', '%2e', '%2E%2e'])('the id %s is 400 on start and unknown elsewhere', async (id) => {
    const post = `POST ${W}/orchestrators/Echo/${id} HTTP/1.1\r\nHost: h\r\n\r\n`;
    expect((await talk((socket) => socket.write(post))).text).toMatch(/^HTTP\/1\.1 400 /);
    const get = `GET ${W}/instances/${id} HTTP/1.1\r\nHost: h\r\n\r\n`;
    expect((await talk((socket) => socket.write(get))).text).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('many requests on one connection', async () => {
    const get = `GET ${W}/instances/unknown HTTP/1.1\r\nHost: h\r\n\r\n`;
    const last = `GET ${W}/instances/unknown HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`;
    const { text } = await talk((socket) => socket.write(get.repeat(20) + last), 'close');
    expect(text.match(/HTTP\/1\.1 404 /g)).toHaveLength(21);
  });

  test('no answer lets headers in', async () => {
    const { text } = await talk((socket) =>
      socket.write(`GET ${W}/instances/a%0d%0aX-Evil:1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`),
    );
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
    expect(text).not.toMatch(/^x-evil/im);
  });
});
