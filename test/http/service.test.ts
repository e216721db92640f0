/** Health, documentation, and what happens when the database does not answer. */
import { readFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { ClientSource, LocalOrchestrationClient } from '../../src/client/client.ts';
import { createServer } from '../../src/http/server.ts';
import { DurableError } from '../../src/model/errors.ts';
import { Api, expectError, stage, W } from './support.ts';

const it6 = stage();

/** Clients of a database that cannot be reached. */
function brokenClients(code: 'StoreUnavailable' | 'StorageFull' | 'OutcomeUnknown'): ClientSource {
  const fail = () => Promise.reject(new DurableError(code, 'connect ECONNREFUSED 10.0.0.7:5432'));
  const client = new Proxy({ taskHub: 'default' }, { get: (target, name) => (name in target ? 'default' : fail) });
  return { defaultTaskHub: 'default', open: () => client as unknown as LocalOrchestrationClient, ping: fail };
}

describe('health', () => {
  test('all is well', async () => {
    for (const path of ['/livez', '/readyz', '/healthz']) {
      const answer = await it6.api.send('GET', path);
      expect([path, answer.statusCode, answer.json()]).toEqual([path, 200, { status: 'ok' }]);
    }
  });

  test('the database does not answer', async () => {
    const api = new Api(await createServer({ clients: brokenClients('StoreUnavailable') }));
    expect((await api.send('GET', '/livez')).statusCode).toBe(200);
    for (const path of ['/readyz', '/healthz']) {
      const answer = await api.send('GET', path);
      expect([path, answer.statusCode, answer.json()]).toEqual([path, 503, { status: 'unavailable' }]);
    }
  });

  test('the database takes too long', async () => {
    const clients = { ...brokenClients('StoreUnavailable'), ping: () => new Promise<never>(() => undefined) };
    const api = new Api(await createServer({ clients }));
    expect((await api.send('GET', '/readyz')).statusCode).toBe(503);
  });

  test('the service is about to end', async () => {
    const api = await it6.server({ isStopping: () => true });
    expect((await api.send('GET', '/livez')).statusCode).toBe(200);
    expect((await api.send('GET', '/readyz')).json()).toEqual({ status: 'stopping' });
  });
});

describe('without a database', () => {
  test.each(['StoreUnavailable', 'StorageFull', 'OutcomeUnknown'] as const)(
    '%s is 503 and names no host',
    async (code) => {
      const api = new Api(await createServer({ clients: brokenClients(code) }));
      const answers = [
        await api.get('/instances'),
        await api.get('/instances/x'),
        await api.post('/orchestrators/Echo'),
        await api.post('/instances/x/terminate'),
        await api.post('/instances/x/restart'),
        await api.post('/instances/x/raiseEvent/Go', { body: 1 }),
        await api.post('/instances/x/raiseEvent/Go', { raw: 'bad' }),
        await api.delete('/instances/x'),
        await api.delete('/instances?createdTimeFrom=2020-01-01'),
      ];
      for (const answer of answers) {
        expect(expectError(answer, 503)['ExceptionType']).toBe(code);
        expect(answer.headers['retry-after']).toBe('5');
        expect(answer.body).not.toContain('10.0.0.7');
      }
    },
  );

  test('a bug is 500 without a word about itself', async () => {
    const clients = brokenClients('StoreUnavailable');
    const bug = () => ({ taskHub: 'default', getStatus: () => Promise.reject(new Error('inner')) }) as unknown;
    const api = new Api(await createServer({ clients: { ...clients, open: () => bug() as LocalOrchestrationClient } }));
    const answer = await api.get('/instances/x');
    expectError(answer, 500, 'Something went wrong while processing your request');
    expect(answer.body).not.toContain('inner');
  });
});

describe('the log', () => {
  test('has requests at debug level, without keys', async () => {
    const lines: string[] = [];
    const sink = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
    const api = await it6.server({ logger: pino({ level: 'debug' }, sink), systemKey: 'secret' });
    const answer = await api.get('/instances?code=secret');
    expect(answer.statusCode).toBe(200);
    const line = lines.find((one) => one.includes('request answered')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({
      level: 20,
      requestId: answer.headers['x-request-id'],
      method: 'GET',
      path: `${W}/instances`,
      status: 200,
    });
    expect(lines.join('')).not.toContain('secret');
  });

  test('has nothing of ordinary requests above', async () => {
    const lines: string[] = [];
    const sink = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
    const api = await it6.server({ logger: pino({}, sink) });
    await api.get('/instances');
    await api.get('/instances/%zz');
    await api.post('/orchestrators/Echo', { raw: '{' });
    expect(lines).toEqual([]);
  });
});

describe('documentation', () => {
  test('the stored OpenAPI document is up to date', async () => {
    const stored: unknown = JSON.parse(await readFile(new URL('../../openapi/openapi.json', import.meta.url), 'utf8'));
    const served = (await it6.api.send('GET', '/openapi.json')).json();
    // What this service runs is its own affair.
    const own = new RegExp(`^${W}/orchestrators/[^{/]+$`);
    const paths = Object.entries(served.paths).filter(([path]) => !own.test(path));
    expect({ ...served, paths: Object.fromEntries(paths) }).toEqual(stored);
  });

  test('every operation is described, under one URL', async () => {
    const { openapi, paths } = (await it6.api.send('GET', '/openapi.json')).json();
    expect(openapi).toBe('3.1.0');
    const operations = Object.values<Record<string, Record<string, unknown>>>(paths).flatMap(Object.values);
    for (const one of operations) {
      expect(one).toMatchObject({
        operationId: expect.any(String),
        summary: expect.any(String),
        tags: expect.any(Array),
      });
    }
    expect(new Set(operations.map((one) => one['operationId'])).size).toBe(operations.length);
    expect(Object.keys(paths).filter((path) => path.startsWith('/durabletask'))).toEqual([]);
    expect(Object.keys(paths)).toContain(`${W}/instances/{instanceId}/raiseEvent/{eventName}`);
  });

  test('the page and what it needs', async () => {
    expect((await it6.api.send('GET', '/docs')).headers['content-type']).toContain('text/html');
    const script = await it6.api.send('GET', '/docs/static/swagger-initializer.js');
    expect(script.body).toContain('passKeyOn');
    expect(script.body).not.toContain('__name');
  });

  test('the root says where to look', async () => {
    expect((await it6.api.send('GET', '/')).json()).toMatchObject({ docs: '/docs' });
  });
});
