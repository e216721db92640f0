/** The examples of reliability.md 6, one by one. What only a socket can show is at the end. */
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Scope } from '../../src/model/access.ts';
import { expectEmpty, expectError, invalidJson, stage, W } from './support.ts';

const it6 = stage({ maxBodyBytes: 40_000, limits: { headersTimeoutMs: 300, requestTimeoutMs: 600 } });
const json = { 'content-type': 'application/json' };

/** A start that must be refused, and leave no instance. */
async function refusedStart(id: string, raw: string | Buffer, status: number, headers: Record<string, string> = json) {
  const answer = await it6.api.post(`/orchestrators/Echo/${id}`, { raw, headers });
  const body = expectError(answer, status);
  expectEmpty(await it6.api.get(`/instances/${id}`), 404);
  return body;
}

/** What an input has become when it comes back as the output, as text. */
async function echoed(raw: string): Promise<string> {
  const answer = await it6.api.post('/orchestrators/Echo?timeout=10', { raw, headers: json });
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.body;
}

test('#1 broken JSON is 400', async () => {
  for (const raw of ['{"a":', 'bad', '{} tail', "{'a':1}", '{"a":1,}', 'NaN']) {
    expect(await refusedStart('bad-1', raw, 400)).toMatchObject({ Message: invalidJson });
  }
  const id = await it6.api.running('WaitGo');
  expectError(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { raw: '{', headers: json }), 400, invalidJson);
  expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
});

test('#2 an empty body with a JSON content type is accepted on start, terminate, suspend and resume', async () => {
  const started = await it6.api.post('/orchestrators/WaitGo', { headers: json });
  expect(started.statusCode).toBe(202);
  const { id } = started.json();
  await it6.api.reach(id, 'Running');
  for (const operation of ['suspend', 'resume', 'terminate']) {
    expectEmpty(await it6.api.post(`/instances/${id}/${operation}`, { headers: json }), 202);
  }
});

test('#3 bytes that are not UTF-8 inside a string are 400, never replaced', async () => {
  await refusedStart('bad-3', Buffer.from([0x22, 0x61, 0xff, 0x22]), 400);
  await refusedStart('bad-3', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 400);
});

test('#4 a body over the limit is 413', async () => {
  expect(await refusedStart('bad-4', `"${'x'.repeat(50_000)}"`, 413)).toMatchObject({
    ExceptionType: 'PayloadTooLarge',
  });
});

test('#5 5,000 levels of nesting are 400', async () => {
  expect(await refusedStart('bad-5', '['.repeat(5_000) + ']'.repeat(5_000), 400)).toMatchObject({
    ExceptionType: 'JsonTooDeep',
  });
});

test('#6 the key __proto__ is 400 with its own code, and no object changes', async () => {
  for (const raw of ['{"__proto__":{"polluted":1}}', '{"a":[{"\\u005f_proto__":{"polluted":1}}]}']) {
    expect(await refusedStart('bad-6', raw, 400)).toMatchObject({ ExceptionType: 'ForbiddenKey' });
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('#7 constructor and then are ordinary data', async () => {
  expect(await echoed('{"constructor":"acme","then":1}')).toBe('{"constructor":"acme","then":1}');
});

test('#8 U+0000 or a lone surrogate in a value comes back the same', async () => {
  for (const raw of ['"a\\u0000b"', '{"x":"\\ud800"}', '["\\udc00\\ud800"]']) {
    const answer = await it6.api.post('/orchestrators/Echo', { raw, headers: json });
    expect(answer.statusCode).toBe(202);
    const { input, output } = await it6.api.reach(answer.json().id, 'Completed');
    expect([input, output]).toEqual([JSON.parse(raw), JSON.parse(raw)]);
  }
});

test('#9 1e400 is 400', async () => {
  for (const raw of ['1e400', '{"a":[-1e400]}']) {
    expect(await refusedStart('bad-9', raw, 400)).toMatchObject({ ExceptionType: 'NumberOutOfRange' });
  }
});

test('#10 null, false, 0 and "" come back the same', async () => {
  for (const raw of ['null', 'false', '0', '""']) expect(await echoed(raw)).toBe(raw);
});

test('#11 another character set is 415', async () => {
  const headers = { 'content-type': 'application/json; charset=utf-16' };
  await refusedStart('bad-11', Buffer.from('"x"', 'utf16le'), 415, headers);
});

test.each(['a%00b', 'a%0d%0aX-Evil:1', 'a%09b', 'a%7fb', 'a%c2%85b'])(
  '#12 the id %s is 400, and no header gets in',
  async (id) => {
    const answer = await it6.api.post(`/orchestrators/Echo/${id}`, { body: 1 });
    expectError(answer, 400);
    expect(answer.headers['x-evil']).toBeUndefined();
  },
);

test.each(['a%2Fb', 'a%5Cb', 'a%3Fb', 'a%23b', '@x', '%40x'])('#13 the id %s is 400', async (id) => {
  expectError(await it6.api.post(`/orchestrators/Echo/${id}`, { body: 1 }), 400);
});

test.each(['a b', 'a+b', '100%', '\u{1f419}', '<script>alert(1)<script>', "'; drop table instances; --", '1 or 1=1'])(
  '#14 the id %s is ordinary, and its links work',
  async (id) => {
    const started = await it6.api.post(`/orchestrators/Echo/${encodeURIComponent(id)}`, { body: 1 });
    expect(started.json().id).toBe(id);
    const link = new URL(started.json().statusQueryGetUri);
    expect((await it6.api.send('GET', link.pathname + link.search)).json()).toMatchObject({ instanceId: id });
    await it6.api.reach(id, 'Completed');
    expect((await it6.api.delete(`/instances/${encodeURIComponent(id)}`)).json()).toEqual({ instancesDeleted: 1 });
  },
);

test('#15 an id of 256 characters is accepted, one of 257 is 400', async () => {
  expect((await it6.api.post(`/orchestrators/Echo/${'i'.repeat(256)}`)).statusCode).toBe(202);
  expectError(await it6.api.post(`/orchestrators/Echo/${'i'.repeat(257)}`), 400);
});

test.each(['__proto__', 'toString', 'constructor', 'hasOwnProperty'])('#16 the id %s is ordinary', async (id) => {
  await it6.api.run('Echo', id, id);
  expect(await it6.api.status(id)).toMatchObject({ instanceId: id, output: id });
  expectEmpty(await it6.api.post(`/instances/${id}/terminate`), 410);
});

test('#17 an empty id on DELETE never purges many', async () => {
  const id = await it6.api.run('Echo', 1);
  expect((await it6.api.delete('/instances/')).statusCode).toBe(400);
  for (const path of ['/instances/%20', '/instances//', '/instances/%00']) {
    expect([400, 404]).toContain((await it6.api.delete(path)).statusCode);
  }
  expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Completed' });
});

test('#18 top=-1, 1.5 and 99999999999 are 400; given twice the last one counts (decision 28)', async () => {
  for (const top of ['-1', '1.5', '99999999999', '0', 'x']) {
    expectError(await it6.api.get(`/instances?top=${top}`), 400);
    expectError(await it6.api.get(`/instances?top=1&top=${top}`), 400);
  }
  expect((await it6.api.get('/instances?top=1&top=2')).statusCode).toBe(200);
});

test('#19 an unknown runtimeStatus is 400, and a purge with one removes nothing', async () => {
  const id = await it6.api.run('Echo', 1);
  expectError(await it6.api.get('/instances?runtimeStatus=Completed,Done'), 400);
  for (const status of ['Done', 'Completed,Done', 'Complete', '%00']) {
    const answer = await it6.api.delete(`/instances?createdTimeFrom=2000-01-01&runtimeStatus=${status}`);
    expect([answer.statusCode, typeof answer.json()]).toEqual([400, 'string']);
  }
  expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Completed' });
});

test.each(['2024-02-30', 'now', '1', '2024-13-01', '20240101'])('#20 createdTimeFrom=%s is 400', async (time) => {
  const id = await it6.api.run('Echo', 1);
  expectError(await it6.api.get(`/instances?createdTimeFrom=${time}`), 400);
  expect((await it6.api.delete(`/instances?createdTimeFrom=${time}`)).statusCode).toBe(400);
  expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Completed' });
});

test('#21 a continuation token changed by one bit is 400', async () => {
  await it6.api.run('Echo', 1);
  await it6.api.run('Echo', 2);
  const token = String((await it6.api.get('/instances?top=1')).headers['x-ms-continuation-token']);
  expect(token).not.toBe('');
  for (let at = 0; at < token.length; at += 1) {
    const flipped = String.fromCharCode(token.charCodeAt(at) ^ 1);
    if (!/[!-~]/.test(flipped) || flipped === ',') continue;
    const headers = { 'x-ms-continuation-token': token.slice(0, at) + flipped + token.slice(at + 1) };
    expectError(await it6.api.get('/instances?top=1', { headers }), 400);
  }
});

test('#22 an unknown query parameter is ignored', async () => {
  const id = await it6.api.run('Echo', 1);
  expect((await it6.api.get(`/instances/${id}?foo=bar&x[]=1&constructor=1&__proto__=1`)).statusCode).toBe(200);
});

test('#23 no key and a wrong one are 401, one of another scope is 403', async () => {
  const guarded = await it6.server({ systemKey: 'k' });
  const key = await it6.hub.access.createKey({ name: 'reader', scopes: ['read'] satisfies Scope[] }, nobody);
  expectEmpty(await guarded.post('/orchestrators/Echo/bad-23', { raw: '{' }), 401);
  expectEmpty(await guarded.post('/orchestrators/Echo/bad-23?code=wrong'), 401);
  expectError(await guarded.post(`/orchestrators/Echo/bad-23?code=${key}`, { raw: '{' }), 403);
  expectEmpty(await it6.api.get('/instances/bad-23'), 404);
});

const nobody = { actor: 'test', actorKind: 'cli', address: null, userAgent: null, requestId: null } as const;

test('#24 forged X-Forwarded-* and, with a public URL, a forged Host are not used in links', async () => {
  const evil = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-prefix': '/evil.example',
    forwarded: 'host=evil.example',
  };
  const fixed = await it6.server({ publicUrl: 'https://good.example/x' });
  const behind = await it6.server({ publicUrl: 'https://good.example/x', trustProxy: true });
  for (const api of [fixed, behind]) {
    const started = await api.post('/orchestrators/WaitGo', { headers: evil });
    const status = await api.get(`/instances/${started.json().id}`, { headers: evil });
    for (const answer of [started, status]) {
      expect(answer.body + JSON.stringify(answer.headers)).not.toContain('evil');
      expect(answer.headers.location).toMatch(/^https:\/\/good\.example\/x\/runtime/);
    }
  }
  const { host: _host, ...forwarded } = evil;
  const plain = await it6.api.post('/orchestrators/WaitGo', { headers: { ...forwarded, host: 'own.example' } });
  expect(plain.body + JSON.stringify(plain.headers)).not.toContain('evil');
});

describe('on a socket', () => {
  async function port(): Promise<number> {
    const { server } = it6.api.app;
    if (!server.listening) await it6.api.app.listen({ port: 0, host: '127.0.0.1' });
    return (server.address() as AddressInfo).port;
  }

  test('#4 a body over the limit, with and without its length, is 413 before it ends', async () => {
    for (const headers of ['Content-Length: 1000000000', 'Transfer-Encoding: chunked']) {
      const socket = connect(await port(), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(`POST ${W}/orchestrators/Echo HTTP/1.1\r\nHost: h\r\n${headers}\r\n\r\n`);
      if (headers.startsWith('Transfer')) socket.write(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 413 /);
      socket.destroy();
    }
  });

  test.each([
    ['headers', `GET ${W}/instances HTTP/1.1\r\nHost: h\r\nX: `],
    ['a body', `POST ${W}/orchestrators/Echo/bad-25 HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n`],
  ])('#25 %s at a byte now and then are closed at the limit', async (_what, head) => {
    const socket = connect(await port(), '127.0.0.1');
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.write(head);
    const timer = setInterval(() => socket.writable && socket.write('1'), 30);
    await once(socket, 'close');
    clearInterval(timer);
    expect(text).not.toMatch(/^HTTP\/1\.1 2/);
    expectEmpty(await it6.api.get('/instances/bad-25'), 404);
  });
});
