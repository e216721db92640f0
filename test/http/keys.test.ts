/** Named keys: scopes, rotation, revocation, and where keys are asked for (http-api.md 1.2, reliability.md 6 no. 23). */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import { http } from '../../src/client/http-trigger.ts';
import type { Scope } from '../../src/model/access.ts';
import { DurableError } from '../../src/model/errors.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { waitFor } from '../support/wait-for.ts';
import { type Api, expectEmpty, expectError, stage, W } from './support.ts';

const it6 = stage();
const systemKey = 'the system key';
const log: string[] = [];
const logger = pino(
  { level: 'trace' },
  new Writable({ write: (chunk, _encoding, done) => done(void log.push(String(chunk))) }),
);
const system = { 'x-functions-key': systemKey };
const triggers = [
  http('Open', { authLevel: 'anonymous' }, () => 'in'),
  http('ForKeys', { authLevel: 'function' }, () => 'in'),
  http('ForAdmins', { authLevel: 'admin' }, () => 'in'),
];
let api: Api;

beforeAll(async () => {
  api = await it6.server({ systemKey, triggers, logger });
});

async function create(name: string, scopes: readonly Scope[], more: object = {}): Promise<string> {
  const made = await api.send('POST', '/admin/keys', { body: { name, scopes, ...more }, headers: system });
  expect(made.statusCode, made.body).toBe(201);
  expect(made.headers['cache-control']).toBe('no-store');
  expect(made.json()).toEqual({ name, value: expect.stringMatching(/^perdure_[\w-]{43}$/) });
  return String(made.json().value);
}

const by = (key: string) => ({ headers: { 'x-functions-key': key } });

describe('scopes', () => {
  /** The status of each kind of call with a key. */
  async function allowed(key: string): Promise<Record<string, number>> {
    const id = await it6.api.running('WaitGo');
    const calls: readonly (readonly [string, string, string])[] = [
      ['list', 'GET', `${W}/instances?top=1`],
      ['status', 'GET', `${W}/instances/${id}?showHistory=true`],
      ['start', 'POST', `${W}/orchestrators/Echo`],
      ['raiseEvent', 'POST', `${W}/instances/${id}/raiseEvent/Other`],
      ['suspend', 'POST', `${W}/instances/${id}/suspend`],
      ['resume', 'POST', `${W}/instances/${id}/resume`],
      ['restart', 'POST', `${W}/instances/${id}/restart`],
      ['terminate', 'POST', `${W}/instances/${id}/terminate`],
      ['purge', 'DELETE', `${W}/instances/nobody`],
      ['purgeMany', 'DELETE', `${W}/instances?createdTimeFrom=2000-01-01&createdTimeTo=2000-01-02`],
      ['keys', 'GET', '/admin/keys'],
      ['function', 'GET', '/api/ForKeys'],
      ['admin', 'GET', '/api/ForAdmins'],
    ];
    const statuses: [string, number][] = [];
    for (const [what, method, url] of calls) {
      const body = what === 'raiseEvent' ? { body: 1 } : {};
      statuses.push([what, (await api.send(method, url, { ...body, ...by(key) })).statusCode]);
    }
    return Object.fromEntries(statuses);
  }

  const nothing = {
    ...{ list: 403, status: 403, start: 403, raiseEvent: 403, suspend: 403, resume: 403, restart: 403, terminate: 403 },
    ...{ purge: 403, purgeMany: 403, keys: 403, function: 403, admin: 403 },
  };
  const reading = { list: 200, status: 202 };
  const writing = { start: 202, raiseEvent: 202, function: 200 };
  const everything = {
    ...{ ...reading, ...writing, suspend: 202, resume: 202, restart: 202, terminate: 202 },
    ...{ purge: 404, purgeMany: 404, keys: 200, admin: 200 },
  };

  test.each([
    { scopes: ['read'], expected: { ...nothing, ...reading } },
    { scopes: ['write'], expected: { ...nothing, ...writing } },
    { scopes: ['read', 'write'], expected: { ...nothing, ...reading, ...writing } },
    { scopes: ['admin'], expected: everything },
  ] as const)('#23 a key with $scopes', async ({ scopes, expected }) => {
    expect(await allowed(await create(`only-${scopes.join('-')}`, scopes))).toEqual(expected);
  });

  test('#23 a key of another scope gets 403 that says which one is missing, and changes nothing', async () => {
    const key = await create('looker', ['read']);
    const answer = await api.post('/orchestrators/Echo/forbidden', by(key));
    expect(expectError(answer, 403)).toMatchObject({
      Message: "The key 'looker' does not have the scope 'write', which this takes.",
      ExceptionType: 'Forbidden',
    });
    expectEmpty(await it6.api.get('/instances/forbidden'), 404);
  });

  test('#23 a key that may start, and no more, ends no live instance by starting another in its place', async () => {
    const key = await create('replacer', ['write']);
    const path = '/orchestrators/WaitGo/replaced';
    const start = async (text: string, query: string, as: string) =>
      api.post(`${path}${query}`, { ...by(as), body: text });
    const inputNow = async () => (await it6.api.get('/instances/replaced')).json<{ input: unknown }>().input;
    expect((await start('first', '', key)).statusCode).toBe(202);
    expect(expectError(await start('second', '?onExisting=terminate', key), 403)).toMatchObject({
      Message: "The key 'replacer' does not have the scope 'admin', which this takes.",
    });
    expect(await inputNow()).toBe('first');
    expect((await start('third', '?onExisting=terminate', await create('chief', ['admin']))).statusCode).toBe(202);
    expect(await inputNow()).toBe('third');
  });

  test('#16, #17 named keys come as code too, and links repeat them', async () => {
    const key = await create('starter', ['write']);
    const started = await api.post(`/orchestrators/Echo?code=${key}`);
    const { id, ...links }: Record<string, string> = started.json();
    expect(id).toBeTruthy();
    for (const link of Object.values(links)) expect(link).toMatch(new RegExp(`&code=${key}$`));
  });
});

describe('the life of a key', () => {
  test('is listed without its value', async () => {
    const key = await create('listed', ['read', 'write'], { expiresIn: 3_600 });
    const answer = await api.send('GET', '/admin/keys', { headers: system });
    const listed = answer.json().keys.find((one: { name: string }) => one.name === 'listed');
    expect(listed).toMatchObject({ scopes: ['read', 'write'], rotatedTime: null });
    expect(Date.parse(listed.expiryTime) - Date.parse(listed.createdTime)).toBe(3_600_000);
    expect(answer.body).not.toContain(key);
  });

  test('it expires', async () => {
    const key = await create('short', ['read'], { expiresIn: 0.3 });
    expect((await api.get('/instances?top=1', by(key))).statusCode).toBe(200);
    await waitFor(async () => (await api.get('/instances?top=1', by(key))).statusCode === 401, { what: 'its end' });
  });

  test('a revoked key is refused at once here and within seconds elsewhere', async () => {
    const key = await create('revoked', ['read']);
    const database = it6.database;
    const other = createTaskHub({ databaseUrl: database.url, schema: database.schema, worker: false });
    try {
      const elsewhere = await it6.server({ systemKey }, other);
      // Made here, it works there at once.
      expect((await elsewhere.get('/instances?top=1', by(key))).statusCode).toBe(200);
      const gone = await api.send('DELETE', '/admin/keys/REVOKED', { headers: system });
      expect([gone.statusCode, gone.body]).toEqual([204, '']);
      expectEmpty(await api.get('/instances?top=1', by(key)), 401);
      await waitFor(async () => (await elsewhere.get('/instances?top=1', by(key))).statusCode === 401, {
        what: 'the other process to hear of it',
        timeoutMs: 6_000,
      });
      await elsewhere.app.close();
    } finally {
      await other.stop();
    }
    expectError(await api.send('DELETE', '/admin/keys/revoked', { headers: system }), 404);
  });

  test('a rotated key has a new value; the old one is good for as long as was said', async () => {
    const first = await create('turning', ['read']);
    const rotate = (graceSeconds?: number) =>
      api.send('POST', '/admin/keys/turning/rotate', {
        ...(graceSeconds === undefined ? {} : { body: { graceSeconds } }),
        headers: system,
      });
    const second = String((await rotate(600)).json().value);
    expect(second).not.toBe(first);
    for (const key of [first, second]) expect((await api.get('/instances?top=1', by(key))).statusCode).toBe(200);
    const third = String((await rotate()).json().value);
    expect((await api.get('/instances?top=1', by(third))).statusCode).toBe(200);
    for (const key of [first, second]) expectEmpty(await api.get('/instances?top=1', by(key)), 401);
  });

  test('its name is its own, without regard to case', async () => {
    await create('Taken', ['read']);
    const again = await api.send('POST', '/admin/keys', {
      body: { name: 'tAKEN', scopes: ['admin'] },
      headers: system,
    });
    expect(expectError(again, 409)['ExceptionType']).toBe('KeyAlreadyExists');
  });

  test.each([
    { scopes: ['read'] },
    { name: 'a b', scopes: ['read'] },
    { name: 'system', scopes: ['read'] },
    { name: 'x'.repeat(65), scopes: ['read'] },
    { name: 'ok', scopes: [] },
    { name: 'ok', scopes: ['root'] },
    { name: 'ok', scopes: 'admin' },
    { name: 'ok', scopes: ['read'], expiresIn: -1 },
    { name: 'ok', scopes: ['read'], expiresIn: 1e300 },
    [],
  ])('%j is 400, and no key', async (body) => {
    expectError(await api.send('POST', '/admin/keys', { body, headers: system }), 400);
    const { keys } = (await api.send('GET', '/admin/keys', { headers: system })).json();
    expect(keys.map((one: { name: string }) => one.name)).not.toContain('ok');
  });

  test('keys are stored as hashes', async () => {
    const key = await create('hashed', ['read']);
    const rows = await it6.query(`select encode(hash, 'hex') as hash, access_keys::text as row from access_keys`);
    expect(JSON.stringify(rows)).not.toContain(key.slice('perdure_'.length));
    expect(rows.every((row) => String(row['hash']).length === 64)).toBe(true);
  });
});

describe('where a key is asked for', () => {
  test('#15, #23 no key and a wrong one are 401', async () => {
    expectEmpty(await api.get('/instances'), 401);
    expectEmpty(await api.get('/instances', by(`perdure_${'x'.repeat(43)}`)), 401);
    expectEmpty(await api.send('GET', '/api/ForKeys'), 401);
    expectEmpty(await api.send('GET', '/api/ForAdmins', by('wrong')), 401);
    expect((await api.send('GET', '/api/Open')).statusCode).toBe(200);
    const admin = expectError(await api.send('GET', '/admin/keys'), 401);
    expect(admin).toMatchObject({ ExceptionType: 'Unauthorized', RequestId: expect.any(String) });
  });

  test('without a system key, named keys are asked for where that was said', async () => {
    const named = await it6.server({ requireKeys: true });
    expectEmpty(await named.get('/instances'), 401);
    const key = await create('sole', ['read']);
    expect((await named.get('/instances?top=1', by(key))).statusCode).toBe(200);
  });

  const elsewhere = { 'x-forwarded-for': '203.0.113.7' };

  test.each(['/docs', '/openapi.json'])(
    '%s wants one of callers from elsewhere, whatever proxy they come by',
    async (path) => {
      expect((await api.send('GET', path)).statusCode).toBe(200);
      expectError(await api.send('GET', path, { headers: elsewhere }), 401);
      expectError(await api.send('GET', path, { headers: { forwarded: 'for=203.0.113.7' } }), 401);
      expect((await api.send('GET', path, { headers: { ...elsewhere, ...system } })).statusCode).toBe(200);
      const proxied = await it6.server({ systemKey, trustProxy: ['loopback'] });
      expectError(await proxied.send('GET', path, { headers: elsewhere }), 401);
      expectError(await proxied.send('GET', path, { headers: { 'x-forwarded-for': '127.0.0.1, 203.0.113.7' } }), 401);
      expect((await proxied.send('GET', path, { headers: { 'x-forwarded-for': '127.0.0.1' } })).statusCode).toBe(200);
    },
  );

  test('health never wants one', async () => {
    for (const path of ['/livez', '/readyz', '/healthz']) {
      expect((await api.send('GET', path, { headers: elsewhere })).statusCode).toBe(200);
    }
  });

  test('an open service does not give keys to the network', async () => {
    const call = { body: { name: 'planted', scopes: ['admin'] }, headers: elsewhere };
    expectError(await it6.api.send('POST', '/admin/keys', call), 401);
    expectError(await it6.api.send('GET', '/admin/keys', { headers: elsewhere }), 401);
    expect((await it6.api.send('GET', '/admin/keys')).statusCode).toBe(200);
  });

  test('pages of other sites cannot steer an open service through a browser', async () => {
    const page = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    expectError(await it6.api.post('/orchestrators/Echo/by-page', { body: 1, headers: page }), 403);
    expectEmpty(await it6.api.get('/instances/by-page'), 404);
    const own = { ...page, 'sec-fetch-site': 'same-origin' };
    expect((await it6.api.post('/orchestrators/Echo', { body: 1, headers: own })).statusCode).toBe(202);
    const letIn = await it6.server({ corsOrigins: ['https://evil.example'] });
    expect((await letIn.post('/orchestrators/Echo', { body: 1, headers: page })).statusCode).toBe(202);
  });

  test('when the database is away named keys are 503 and the system key goes on', async () => {
    const access = { ...it6.hub.access, findKey: () => Promise.reject(storeUnavailable()) };
    const cut = await it6.server({ systemKey }, { clients: it6.hub.clients, access });
    expect(expectError(await cut.get('/instances?top=1', by('perdure_x')), 503)['ExceptionType']).toBe(
      'StoreUnavailable',
    );
    expect((await cut.get('/instances?top=1', by(systemKey))).statusCode).toBe(200);
  });
});

describe('calls without a key', () => {
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const options = { systemKey, trustProxy: 1, rateLimit: 3, triggers } as const;

  test('from one address get 429 after so many in a minute; keys and this machine do not', async () => {
    const limited = await it6.server(options);
    const statuses = [];
    for (let at = 0; at < 5; at += 1) {
      statuses.push((await limited.get('/instances?code=guess', { headers: from('203.0.113.1') })).statusCode);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const refused = await limited.send('GET', '/api/Open', { headers: from('203.0.113.1') });
    expect(expectError(refused, 429)['ExceptionType']).toBe('TooManyRequests');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await limited.send('GET', '/api/Open', { headers: from('203.0.113.2') })).statusCode).toBe(200);
    for (let at = 0; at < 5; at += 1) {
      const keyed = { headers: { ...from('203.0.113.1'), ...system } };
      expect((await limited.get('/instances?top=1', keyed)).statusCode).toBe(200);
      expect((await limited.send('GET', '/api/Open', keyed)).statusCode).toBe(200);
      expect((await limited.send('GET', '/api/Open')).statusCode).toBe(200);
    }
    expect((await limited.send('GET', '/livez', { headers: from('203.0.113.1') })).statusCode).toBe(200);
  });

  test('are not limited where that was switched off', async () => {
    const free = await it6.server({ ...options, rateLimit: 0 });
    for (let at = 0; at < 5; at += 1) expectEmpty(await free.get('/instances', { headers: from('203.0.113.3') }), 401);
  });
});

function storeUnavailable(): DurableError {
  return new DurableError('StoreUnavailable', 'The database cannot be reached right now.');
}

describe('hot calls', () => {
  test('cost no query for the key', async () => {
    const key = await create('hot', ['read']);
    let asked = 0;
    const access = it6.hub.access;
    const counting = {
      ...it6.hub,
      access: Object.assign(Object.create(access) as typeof access, {
        findKey: (presented: string) => {
          const found = access.findKey(presented);
          if (found instanceof Promise) asked += 1;
          return found;
        },
      }),
    };
    const server = await it6.server({ systemKey }, counting);
    for (let at = 0; at < 50; at += 1) expect((await server.get('/instances/nobody', by(key))).statusCode).toBe(404);
    expect(asked).toBeLessThanOrEqual(2);
  });
});

test('keys never reach the log or an error', async () => {
  const key = await create('quiet', ['read']);
  const before = log.length;
  const answers = [
    await api.get(`/instances?code=${key}&top=x`),
    await api.get(`/instances/%zz?code=${key}`),
    await api.get(`/nothing?code=${key}`),
    await api.post(`/orchestrators/Echo?code=${key}`, by(key)),
    await api.send('GET', `/api/ForAdmins?code=${key}`),
    await api.send('POST', `/admin/keys?code=${key}`, { raw: '{' }),
  ];
  expect(answers.map((one) => one.body + JSON.stringify(one.headers)).join('')).not.toContain(key);
  expect(log.length).toBeGreaterThan(before);
  expect(log.join('')).not.toContain(key);
  expect(log.join('')).not.toContain(systemKey);
});
