/** Mounts, paths, query strings, authority of links, key (http-api.md 6.1). */
import { describe, expect, it, test } from 'vitest';
import type { Api } from './support.ts';
import { expectEmpty, expectError, R, stage, W } from './support.ts';

const it6 = stage();
const K = '/admin/extensions/DurableTaskExtension';

describe('paths', () => {
  test('#1 a trailing slash never matters', async () => {
    await it6.api.run('Echo', 1, 'slash-1');
    const plain = await it6.api.get('/instances');
    expect(plain.statusCode).toBe(200);
    expect((await it6.api.get('/instances/')).body).toBe(plain.body);
    expect((await it6.api.send('GET', `${W}//instances`)).body).toBe(plain.body);
    expect((await it6.api.get('/instances/slash-1/')).json()).toMatchObject({ instanceId: 'slash-1' });
  });

  test('#2 fixed segments are compared without case, ids with', async () => {
    await it6.api.run('Echo', 1, 'CaseId');
    expect((await it6.api.get('/Instances/CaseId')).json()).toMatchObject({ instanceId: 'CaseId' });
    expectEmpty(await it6.api.get('/Instances/caseid'), 404);
    expect((await it6.api.post('/Orchestrators/Echo', { body: 1 })).statusCode).toBe(202);
    const upper = await it6.api.send('GET', `${W.toUpperCase()}/INSTANCES/CaseId`);
    expect(upper.json()).toMatchObject({ instanceId: 'CaseId' });
  });

  test.each([
    ['#3', 'GET', ''],
    ['#3', 'GET', '/'],
    ['#3', 'GET', '/nothing'],
    ['#4', 'GET', '/orchestrators/Echo'],
    ['#5', 'DELETE', '/orchestrators/Echo'],
    ['#6', 'POST', '/instances'],
    ['#6', 'POST', '/instances/x'],
    ['#7', 'GET', '/instances/x/terminate'],
    ['#8', 'POST', '/instances/x/bogus'],
    ['#9', 'POST', '/instances/x/raiseEvent'],
    ['#10', 'POST', '/instances/x/raiseEvent/a/b'],
    ['#12', 'PUT', '/instances/x'],
    ['#12', 'PATCH', '/instances/x'],
    ['#12', 'OPTIONS', '/instances/x'],
    ['#226', 'GET', '/instances/x/restart'],
    ['an empty inner segment', 'POST', '/instances//terminate'],
    ['GET of rewind', 'GET', '/instances/x/rewind'],
    ['makeprimary', 'POST', '/makeprimary'],
  ])('%s %s %s is 404, empty', async (_number, method, path) => {
    expectEmpty(await it6.api.send(method, W + path), 404);
    expectEmpty(await it6.api.send(method, R + path), 404);
  });

  test.each(['/', '/nothing', '/api', '/api/nothing', '/durabletaskx/instances', '/runtime'])(
    '%s outside the mounts never leaks framework JSON',
    async (path) => {
      const answer = await it6.api.send('POST', path, { raw: '{', headers: { 'content-type': 'application/json' } });
      expectEmpty(answer, 404);
    },
  );

  test('#7 a GET of an operation leaves the instance alone', async () => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.get(`/instances/${id}/terminate`), 404);
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
  });

  test('#11 operations are compared without case', async () => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${id}/RAISEEVENT/Go`, { body: 5 }), 202);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: 5 });
    const other = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${other}/TERMINATE?reason=x`), 202);
    await it6.api.reach(other, 'Terminated');
  });

  test('#32 HEAD is 404 without a body', async () => {
    const answer = await it6.api.send('HEAD', `${W}/instances`);
    expect(answer.statusCode).toBe(404);
    expect(answer.body).toBe('');
  });

  test('an illegal percent escape in a path is 400 in our own shape', async () => {
    const body = expectError(await it6.api.get('/instances/%zz'), 400);
    expect(body).not.toHaveProperty('statusCode');
    expectError(await it6.api.get('/instances/%ff'), 400);
  });

  test('every answer names its request', async () => {
    const first = await it6.api.get('/instances');
    const second = await it6.api.get('/nothing');
    expect(first.headers['x-request-id']).toMatch(/^[\w-]+$/);
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
  });
});

describe('mounts', () => {
  test.each([R, K])('#13 a start through %s is seen through the webhook mount', async (mount) => {
    const started = await it6.api.send('POST', `${mount}/orchestrators/Echo`, { body: { a: 1 } });
    expect(started.statusCode).toBe(202);
    const links: Record<string, string> = started.json();
    expect(Object.keys(links)).toHaveLength(8);
    expect(links['statusQueryGetUri']).toContain(`${W}/instances/${links['id']}`);
    await it6.api.reach(String(links['id']), 'Completed');
    const own = await it6.api.send('GET', `${mount}/instances/${links['id']}`);
    expect(own.json()).toMatchObject({ output: { a: 1 } });
  });

  test('#14 an empty hub has an empty list', async () => {
    const answer = await it6.api.send('GET', `${R}/instances?taskHub=nobody`);
    expect([answer.statusCode, answer.body]).toEqual([200, '[]']);
  });
});

describe('key', () => {
  const key = 'a+b/c==';
  const code = encodeURIComponent(key);
  let guarded: Api;

  it('takes the key of the service', async () => {
    guarded = await it6.server({ systemKey: key });
  });

  test.each([W, R, K])('#15 %s without a key is 401, empty', async (mount) => {
    const wrong = { headers: { 'x-functions-key': 'wrong' } };
    expectEmpty(await guarded.send('GET', `${mount}/instances`), 401);
    expectEmpty(await guarded.send('GET', `${mount}/instances?code=wrong`), 401);
    expectEmpty(await guarded.send('GET', `${mount}/instances`, wrong), 401);
    expectEmpty(await guarded.send('GET', `${mount}/nothing`), 401);
    expectEmpty(await guarded.send('POST', `${mount}/orchestrators/Echo`, { raw: 'no json' }), 401);
    expectEmpty(await guarded.send('GET', `${mount}/instances/%zz`), 401);
    expectEmpty(await guarded.send('GET', `${mount}/instances?code=%00`), 401);
  });

  test('#16 the key is taken from the query or from the header', async () => {
    expect((await guarded.get(`/instances?code=${code}`)).statusCode).toBe(200);
    expect((await guarded.get('/instances', { headers: { 'x-functions-key': key } })).statusCode).toBe(200);
    const both = { headers: { 'x-functions-key': key } };
    expect((await guarded.get('/instances?code=wrong', both)).statusCode).toBe(200);
    expectError(await guarded.get(`/instances/%zz?code=${code}`), 400);
    expectEmpty(await guarded.get(`/nothing?code=${code}`), 404);
  });

  test.each(['query', 'header'])('#17 links repeat the key that came in the %s', async (where) => {
    const started =
      where === 'query'
        ? await guarded.post(`/orchestrators/Echo?code=${code}`)
        : await guarded.post('/orchestrators/Echo', { headers: { 'x-functions-key': key } });
    const { id, ...links }: Record<string, string> = started.json();
    expect(id).toBeTruthy();
    for (const link of Object.values(links)) expect(link).toMatch(/&code=a%2Bb%2Fc%3D%3D$/);
    const own = new URL(String(links['statusQueryGetUri']));
    expect((await guarded.send('GET', own.pathname + own.search)).statusCode).toBeLessThan(300);
  });

  test('health and documentation on loopback want no key', async () => {
    for (const path of ['/livez', '/readyz', '/healthz', '/openapi.json', '/docs']) {
      expect((await guarded.send('GET', path)).statusCode, path).toBe(200);
    }
  });

  test('without a configured key any code is accepted', async () => {
    expect((await it6.api.get('/instances?code=whatever')).statusCode).toBe(200);
  });
});

describe('authority of links', () => {
  const evil = { host: 'other.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };

  async function linksOf(api: Api, headers: Record<string, string>, query = ''): Promise<string[]> {
    const started = await api.post(`/orchestrators/WaitGo${query}`, { headers });
    expect(started.statusCode, started.body).toBe(202);
    const { id, ...links }: Record<string, string> = started.json();
    const status = await api.get(`/instances/${id}${query}`, { headers });
    expect(status.statusCode).toBe(202);
    return [...Object.values(links), String(started.headers.location), String(status.headers.location)];
  }

  test("#18 without a public URL the request's Host is used", async () => {
    for (const link of await linksOf(it6.api, { host: 'a.example:8080' })) {
      expect(link).toMatch(/^http:\/\/a\.example:8080\/runtime\/webhooks\/durabletask\//);
    }
  });

  test('#19 a public URL always wins, for every link and Location', async () => {
    const api = await it6.server({ publicUrl: 'https://pub.example/x/', trustProxy: true });
    for (const link of await linksOf(api, evil)) {
      expect(link).toMatch(/^https:\/\/pub\.example\/x\/runtime\/webhooks\/durabletask\//);
    }
  });

  test('behind a public URL the Location of a status is on the webhook mount, whatever mount was asked', async () => {
    const api = await it6.server({ publicUrl: 'https://pub.example' });
    const id = await api.running('WaitGo');
    const status = await api.send('GET', `${R}/instances/${id}?foo=1`);
    expect(status.headers.location).toBe(`https://pub.example${W}/instances/${id}?foo=1`);
  });

  test('#20 forwarded headers are not believed by default', async () => {
    for (const link of await linksOf(it6.api, evil)) expect(link).toMatch(/^http:\/\/other\.example\//);
  });

  test.each([
    [
      '#21 host with port',
      { 'x-forwarded-host': 'f.example:8443', 'x-forwarded-proto': 'https' },
      'https://f.example:8443/',
    ],
    [
      'the first element',
      { 'x-forwarded-host': 'f.example, g', 'x-forwarded-proto': 'https,http' },
      'https://f.example/',
    ],
    ['#22 only a host', { 'x-forwarded-host': 'f.example' }, 'http://f.example/'],
    ['only a scheme', { 'x-forwarded-proto': 'https' }, 'https://own.example/'],
    ['a port', { 'x-forwarded-host': 'f.example', 'x-forwarded-port': '81' }, 'http://f.example:81/'],
    ['an implied port', { 'x-forwarded-host': 'f', 'x-forwarded-port': '80' }, 'http://f/'],
    ['no legal host', { 'x-forwarded-host': 'f"x/../y' }, 'http://own.example/'],
    ['no legal scheme', { 'x-forwarded-host': 'f', 'x-forwarded-proto': 'javascript' }, 'http://f/'],
    ['an IPv6 host', { 'x-forwarded-host': '[::1]:70' }, 'http://[::1]:70/'],
  ])('forwarding enabled: %s', async (_case, headers, expected) => {
    const api = await it6.server({ trustProxy: true });
    for (const link of await linksOf(api, { host: 'own.example', ...headers }))
      expect(link.startsWith(expected)).toBe(true);
  });

  const forwarded = { 'x-forwarded-host': 'f.example', 'x-forwarded-proto': 'https' };

  test.each([
    ['the address of the peer', ['127.0.0.1'], forwarded, 'https://f.example/'],
    ['its range', ['127.0.0.0/8', '::1'], forwarded, 'https://f.example/'],
    ['its name', ['loopback'], forwarded, 'https://f.example/'],
    ['one proxy', 1, forwarded, 'https://f.example/'],
    ['other addresses', ['10.0.0.0/8', 'fc00::/7'], forwarded, 'http://own.example/'],
    ['no proxy', 0, forwarded, 'http://own.example/'],
    ['a path prefix', 1, { ...forwarded, 'x-forwarded-prefix': '/x/y/' }, 'https://f.example/x/y/runtime/'],
    ['a path prefix that is none', 1, { ...forwarded, 'x-forwarded-prefix': '/"/../' }, 'https://f.example/runtime/'],
    // Appended by the one proxy that is believed; what stands before it is the caller's own.
    ['the entry of the proxy', 1, { 'x-forwarded-host': 'evil.example, f.example' }, 'http://f.example/'],
    [
      'the entry of the outer one of two proxies',
      ['loopback', '10.1.1.1'],
      { 'x-forwarded-host': 'evil.example, f.example, inner', 'x-forwarded-for': '6.6.6.6, 10.1.1.1' },
      'http://f.example/',
    ],
    [
      'the entry of the inner proxy, when the outer one is not believed',
      ['loopback'],
      { 'x-forwarded-host': 'evil.example, inner', 'x-forwarded-for': '6.6.6.6, 10.1.1.1' },
      'http://inner/',
    ],
    ['no Forwarded header', true, { forwarded: 'host=evil.example;proto=https' }, 'http://own.example/'],
  ])('believed is %s', async (_case, trustProxy, headers, expected) => {
    const api = await it6.server({ trustProxy });
    for (const link of await linksOf(api, { host: 'own.example', ...headers })) {
      expect(link.slice(0, expected.length)).toBe(expected);
    }
  });

  test.each(['10.0.0.0/33', 'proxy.example', '10.0.0.0/8/8', '::/129', ''])(
    'the proxy %s is refused',
    async (entry) => {
      await expect(it6.server({ trustProxy: [entry] })).rejects.toThrow(TypeError);
    },
  );

  test('a Host that is no host is not used', async () => {
    for (const link of await linksOf(it6.api, { host: 'a"b{}' })) expect(link).toMatch(/^http:\/\/[\w.:[\]]+\/runtime/);
  });

  test.each(['ftp://x', 'nonsense', 'https://x/?a=1', 'https://x/#a'])(
    'the public URL %s is refused',
    async (publicUrl) => {
      await expect(it6.server({ publicUrl })).rejects.toThrow(TypeError);
    },
  );

  test('#23 links name the hub of the request, and hubs do not see each other', async () => {
    const started = await it6.api.post('/orchestrators/Echo/hubbed?taskHub=OtherHub');
    const links: Record<string, string> = started.json();
    for (const [name, link] of Object.entries(links)) if (name !== 'id') expect(link).toContain('taskHub=OtherHub&');
    expectEmpty(await it6.api.get('/instances/hubbed'), 404);
    expect((await it6.api.get('/instances/hubbed?taskHub=otherhub')).statusCode).toBe(202);
  });

  test('#24 links name the connection of the request', async () => {
    for (const link of (await linksOf(it6.api, {}, '?connection=Other%20One')).slice(0, -1)) {
      expect(link).toMatch(/taskHub=default&connection=Other%20One$/);
    }
  });

  test('#25 a blank hub is the default hub', async () => {
    const started = await it6.api.post('/orchestrators/Echo?taskHub=');
    expect(started.json().statusQueryGetUri).toMatch(/\?taskHub=default&connection=Storage$/);
    await it6.api.reach(started.json().id, 'Completed');
    const blank = await it6.api.post('/orchestrators/Echo?taskHub=%20');
    await it6.api.reach(blank.json().id, 'Completed');
  });

  test('an impossible hub name is 400', async () => {
    expectError(await it6.api.get(`/instances?taskHub=${'x'.repeat(300)}`), 400);
    expectError(await it6.api.get('/instances?taskHub=a%00b'), 400);
  });
});

describe('query strings', () => {
  test('#26 names are compared without case', async () => {
    const id = await it6.api.run('Echo', { a: 1 });
    expect(await it6.api.status(id, '?TASKHUB=default&SHOWINPUT=false')).toMatchObject({ input: null });
  });

  test('#27 unknown and empty parts are ignored', async () => {
    const id = await it6.api.run('Echo', { a: 1 });
    expect((await it6.api.get(`/instances/${id}?foo=bar&&`)).statusCode).toBe(200);
    expect((await it6.api.get(`/instances/${id}?&=&x&%zz=%zz&toString=1&__proto__=2`)).statusCode).toBe(200);
  });
});

describe('ids in URLs', () => {
  test.each([
    ['#28', 'my id', 'my%20id'],
    ['#29', 'a+b', 'a%2Bb'],
    ['#30', '100%', '100%25'],
    ['#30 twice escaped', '%41', '%2541'],
    ['#31', 'ünï-日本', '%C3%BCn%C3%AF-%E6%97%A5%E6%9C%AC'],
    ['a letter whose lower case is longer', 'İd', '%C4%B0d'],
    ['emoji', 'x🐙', 'x%F0%9F%90%99'],
    ['markup', `<script>"'&;`, '%3Cscript%3E%22%27%26%3B'],
    ['marks that forms leave alone', 'a-b_c.d!e*f(g)', 'a-b_c.d!e*f(g)'],
    ['marks that forms escape', `~':@,=$`, '%7E%27%3A%40%2C%3D%24'],
    ['names of Object', '__proto__', '__proto__'],
    ['names of Object', 'toString', 'toString'],
  ])('%s %s survives the link', async (_number, id, encoded) => {
    const started = await it6.api.post(`/orchestrators/Echo/${encodeURIComponent(id)}`, { body: 1 });
    expect(started.statusCode, started.body).toBe(202);
    expect(started.json().id).toBe(id);
    const uri = new URL(started.json().statusQueryGetUri);
    expect(started.json().statusQueryGetUri).toContain(`/instances/${encoded}?`);
    const status = await it6.api.send('GET', uri.href.slice(uri.origin.length));
    expect(status.json()).toMatchObject({ instanceId: id, name: 'Echo' });
    await it6.api.reach(id, 'Completed');
    expect((await it6.api.delete(`/instances/${encodeURIComponent(id)}`)).json()).toEqual({ instancesDeleted: 1 });
  });

  test('a + in an old link means a blank when there is no other', async () => {
    await it6.api.run('Echo', 1, 'old link');
    expect((await it6.api.get('/instances/old+link')).json()).toMatchObject({ instanceId: 'old link' });
    expectEmpty(await it6.api.get('/instances/old%2Blink'), 404);
    expectEmpty(await it6.api.delete('/instances/old+link'), 404);
    expectEmpty(await it6.api.post('/instances/old+link/terminate'), 404);
  });
});
