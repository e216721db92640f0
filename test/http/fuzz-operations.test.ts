/**
 * Every operation of the OpenAPI document with values that fit its schema and values that do not (reliability.md 6): never
 * a 5xx, always an error shape of the API's own, nothing stored by a refused call, and good calls answered meanwhile.
 */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { type Api, expectEmpty, stage, W } from './support.ts';

interface Parameter {
  readonly in: 'query' | 'path' | 'header';
  readonly name: string;
  readonly schema: { readonly type?: string; readonly enum?: readonly string[] };
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly hasBody: boolean;
  /** It does not end by itself. */
  readonly isStream: boolean;
}

const operations = await readOperations();
const it6 = stage();
let hub: TaskHub | undefined;
let api: Api;

/** Without workers nothing changes but by calls. */
beforeAll(async () => {
  const { url, schema } = it6.database;
  hub = createTaskHub({ databaseUrl: url, schema, taskHub: 'fuzzed', worker: false });
  api = await it6.server({ maxBodyBytes: 2_000 }, hub);
  // Signed, so that the service has made the secret of its links.
  expect((await api.post('/orchestrators/Echo/known?signedLinks=true', { body: 1 })).statusCode).toBe(202);
  expect((await api.post('/orchestrators/Echo/ended', { body: 1 })).statusCode).toBe(202);
  expectEmpty(await api.post('/instances/ended/terminate'), 202);
});

afterAll(() => hub?.stop());

async function readOperations(): Promise<readonly Operation[]> {
  const text = await readFile(new URL('../../openapi/openapi.json', import.meta.url), 'utf8');
  const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, Record<string, unknown>>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({
      method: method.toUpperCase(),
      path,
      operationId: String(one['operationId']),
      parameters: (one['parameters'] ?? []) as readonly Parameter[],
      hasBody: one['requestBody'] !== undefined,
      isStream: JSON.stringify(one['responses']).includes('text/event-stream'),
    })),
  );
}

/** All that a call may change, but for the record of the call itself. */
async function stored(): Promise<string> {
  const [row] = await it6.query(
    `select (select coalesce(md5(string_agg(i::text, '|' order by key)), '') from instances i)
       || (select coalesce(md5(string_agg(e::text, '|' order by instance_key)), '') from executions e)
       || (select coalesce(md5(string_agg(m::text, '|' order by id)), '') from messages m)
       || (select coalesce(md5(string_agg(k::text, '|' order by name)), '') from access_keys k)
       || (select coalesce(md5(string_agg(s::text, '|' order by id)), '') from link_secrets s)
       || (select coalesce(md5(string_agg(h.name, '|' order by h.id)), '') from task_hubs h) as stored`,
  );
  return String(row?.['stored']);
}

const odd = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-1',
    '1.5',
    '99999999999',
    'NaN',
    'null',
    'now',
    '2024-02-30',
    '%00',
    '%zz',
    '%ff',
    '__proto__',
  ),
  fc.constantFrom(
    'toString',
    '../..',
    '%2e%2e',
    '%2F',
    "'; drop table instances; --",
    '<script>',
    '@x',
    '@counter@k',
    '\u{1f419}',
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.constant('x'.repeat(300)),
);
const fitting: Readonly<Record<string, readonly string[]>> = {
  functionName: ['Echo', 'WaitGo', 'Unheard'],
  instanceId: ['known', 'ended', 'nobody'],
  eventName: ['Go'],
  name: ['k1', 'k2'],
  taskHub: ['fuzzed', 'FUZZED', 'other'],
  createdTimeFrom: ['2000-01-01', '2999-01-01T00:00:00Z'],
  createdTimeTo: ['2000-01-01', '2999-01-01T00:00:00Z'],
  from: ['2000-01-01'],
  to: ['2999-01-01'],
  runtimeStatus: ['Completed', 'Pending,Terminated', '6'],
  startAt: ['2999-01-01', '24h'],
  tag: ['a=b'],
};

function valueOf({ name, schema }: Parameter): fc.Arbitrary<string> {
  // The wait would only make the test longer.
  if (name === 'timeout' || name === 'pollingInterval' || name === 'wait')
    return fc.oneof(
      fc.constantFrom('0', '0.01', '-1', 'x', '1e300', ''),
      odd.filter((text) => !(Number(text) > 0)),
    );
  const good =
    fitting[name] ?? schema.enum ?? (schema.type === 'integer' || schema.type === 'number' ? ['1', '5'] : ['x']);
  return fc.oneof({ arbitrary: fc.constantFrom(...good), weight: 2 }, { arbitrary: odd, weight: 1 });
}

const body = fc.oneof(
  fc.constant(undefined),
  fc.constant('{"name":"k1","scopes":["read"]}'),
  fc.constant('{"__proto__":{"a":1}}'),
  fc.constant('{"a":'),
  fc.constant('['.repeat(900)),
  fc.json(),
  fc.string({ maxLength: 2_100 }),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
);

function callOf(operation: Operation) {
  const inPath = operation.parameters.filter((one) => one.in === 'path');
  const inQuery = operation.parameters.filter((one) => one.in === 'query');
  return fc
    .record({
      path: fc.tuple(...inPath.map(valueOf)),
      query: fc.tuple(...inQuery.map((one) => fc.option(valueOf(one), { nil: undefined, freq: 2 }))),
      unknown: fc.option(fc.constantFrom('foo=bar', 'constructor=1', '=', '&&'), { nil: undefined }),
      token: fc.option(fc.constantFrom('', 'garbage', 'eyJ9.0123456789'), { nil: undefined, freq: 4 }),
      once: fc.option(fc.constantFrom('', 'one', 'two', 'a b', 'x'.repeat(256)), { nil: undefined, freq: 3 }),
      type: fc.constantFrom('application/json', 'text/plain', 'garbage', 'application/json; charset=utf-16', ''),
      body: operation.hasBody || operation.method === 'POST' ? body : fc.constant(undefined),
    })
    .map(({ path, query, unknown, token, once, type, body }) => {
      const filled = inPath.reduce((text, one, at) => text.replace(`{${one.name}}`, path[at] ?? ''), operation.path);
      const parts = inQuery.flatMap((one, at) => (query[at] === undefined ? [] : [`${one.name}=${query[at]}`]));
      return {
        url: `${filled}?${[...parts, ...(unknown === undefined ? [] : [unknown])].join('&')}`,
        headers: {
          ...(type === '' ? {} : { 'content-type': type }),
          ...(token === undefined ? {} : { 'x-ms-continuation-token': token }),
          ...(once === undefined ? {} : { 'idempotency-key': once }),
        },
        ...(body === undefined ? {} : { raw: body }),
      };
    });
}

function expectOwnShape(answer: LightMyRequestResponse): void {
  if (answer.statusCode < 400 || answer.body === '') return;
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  const error: unknown = answer.json();
  if (typeof error === 'string') return;
  expect(error).toMatchObject({
    Message: expect.any(String),
    ExceptionMessage: expect.any(String),
    ExceptionType: expect.stringMatching(/^[A-Z]\w+$/),
  });
  expect(
    Object.keys(error as object).filter((name) => !/^(?:Message|ExceptionMessage|ExceptionType|RequestId)$/.test(name)),
  ).toEqual([]);
  // No stack, SQL, path or host, and no long echo of what was sent.
  expect(answer.body).not.toMatch(/\bat \w+ \(|node_modules|\bselect \w+ from\b|\.ts:\d|127\.0\.0\.1|5432/);
  expect(answer.body.length).toBeLessThan(1_500);
}

describe('any call', () => {
  test.each(operations.filter((one) => !one.isStream))(
    'of $operationId is answered in our own words, and changes nothing when it is refused',
    async (operation) => {
      await fc.assert(
        fc.asyncProperty(callOf(operation), async (call) => {
          // The injector resolves and refuses some URLs that a socket would carry.
          if (!URL.canParse(call.url, 'http://h')) return;
          const before = await stored();
          const [answer, good] = await Promise.all([
            api.send(operation.method, call.url, call),
            api.get('/instances/nobody-at-all'),
          ]);
          expect(answer.statusCode, `${call.url} ${answer.body}`).toBeLessThan(500);
          expectOwnShape(answer);
          expectEmpty(good, 404);
          if (answer.statusCode >= 400) expect(await stored(), `${call.url} ${answer.body}`).toBe(before);
        }),
        { numRuns: 60 },
      );
      const started = await api.post('/orchestrators/Echo', { body: { good: true } });
      expect(started.statusCode).toBe(202);
    },
    60_000,
  );
});

const wrong: Readonly<Record<string, readonly string[]>> = {
  number: ['x', '-1', 'NaN', '1e999'],
  integer: ['x', '-1', '1.5', '99999999999', '1e2'],
};
const wrongByName: Readonly<Record<string, readonly string[]>> = {
  createdTimeFrom: ['now', '1', '2024-02-30'],
  createdTimeTo: ['now', '1', '2024-02-30'],
  from: ['now', '1', '2024-02-30'],
  to: ['now', '1', '2024-02-30'],
  startAt: ['soon', '2024-02-30'],
  runtimeStatus: ['bogus', 'Completed,bogus', 'Unknown'],
  outcome: ['bogus'],
  onExisting: ['bogus'],
  signedLinks: ['maybe'],
  restartWithNewInstanceId: ['maybe'],
  tag: ['novalue'],
  taskHub: ['x'.repeat(300), 'a%00b'],
  reason: ['a%00b'],
  instanceIdPrefix: ['a%00b'],
  name: ['a%00b', 'x'.repeat(300)],
  version: ['a%00b', 'x'.repeat(101)],
  completionWebhook: ['x', 'ftp://h/x', 'http://127.0.0.1/x'],
  wait: ['x', '-1', '1e999', '30x'],
  dryRun: ['maybe'],
  all: ['maybe'],
};

/** What an operation needs to be a good one. */
const needed: Readonly<Record<string, string>> = {
  purgeInstances: 'createdTimeFrom=2000-01-01&createdTimeTo=2000-01-02',
  bulkTerminate: 'instanceIdPrefix=nobody',
  bulkSuspend: 'instanceIdPrefix=nobody',
  bulkResume: 'instanceIdPrefix=nobody',
  bulkRewind: 'instanceIdPrefix=nobody',
};

describe('a malformed value of a known parameter is 400 and changes nothing', () => {
  const cases = operations.flatMap((operation) =>
    operation.parameters
      .filter((one) => one.in === 'query')
      .flatMap(({ name, schema }) =>
        (operation.operationId === 'listAudit' && name === 'taskHub'
          ? ['a%00b']
          : (wrongByName[name] ?? wrong[schema.type ?? ''] ?? [])
        ).map((value) => ({
          operation,
          name,
          value,
          what: operation.operationId,
        })),
      ),
  );

  test.each(cases)('$what $name=$value', async ({ operation, name, value }) => {
    const path = operation.path
      .replace('{functionName}', 'Echo')
      .replace('{instanceId}', operation.operationId === 'startOrchestrationWithId' ? 'malformed' : 'known')
      .replace('{eventName}', 'Go');
    const rest = needed[operation.operationId]?.split('&').filter((part) => !part.startsWith(`${name}=`)) ?? [];
    const before = await stored();
    const url = `${path}?${[...rest, `${name}=${value}`].join('&')}`;
    const answer = await api.send(operation.method, url, operation.operationId === 'raiseEvent' ? { body: 1 } : {});
    expect(answer.statusCode, answer.body).toBe(400);
    expectOwnShape(answer);
    expect(await stored()).toBe(before);
  });
});

describe('an unknown parameter is ignored', () => {
  test.each(operations.filter((one) => one.method === 'GET' && !one.isStream))(
    'by $operationId',
    async ({ path, operationId }) => {
      const url = path.replace('{instanceId}', 'known');
      const plain = await api.send('GET', url);
      const more = await api.send('GET', `${url}?foo=bar&constructor=1&__proto__=x&x[]=1&&=&%zz=%zz`);
      expect(more.statusCode).toBe(plain.statusCode);
      // For how long something has lasted is another text a moment later.
      const lasting = (body: string): string =>
        body.replaceAll(/ for \d+\w+(?: \d+\w+)*|"at":"[^"]*"/g, (found) => found.replaceAll(/\d+/g, '0'));
      if (operationId !== 'listAudit') expect(lasting(more.body)).toBe(lasting(plain.body));
    },
  );
});

test('a purge by filter with anything unreadable removes nothing at all', async () => {
  expect((await api.post('/orchestrators/Echo/kept', { body: 1 })).statusCode).toBe(202);
  expectEmpty(await api.post('/instances/kept/terminate'), 202);
  for (const query of [
    'runtimeStatus=bogus',
    'createdTimeTo=now',
    'createdTimeTo=2024-02-30',
    'instanceIdPrefix=a%00b',
  ]) {
    const answer = await api.send('DELETE', `${W}/instances?createdTimeFrom=2000-01-01&${query}`);
    expect([answer.statusCode, typeof answer.json()]).toEqual([400, 'string']);
  }
  expect((await api.get('/instances/kept')).statusCode).toBe(200);
});

test('a start that is refused does not even leave the task hub that it named', async () => {
  const before = await stored();
  for (const wrong of ['completionWebhook=http://receiver.test/x', 'startAt=soon', 'tag=novalue', 'version=a%00b']) {
    const answer = await api.post(`/orchestrators/Echo?taskHub=never&${wrong}`, { body: 1 });
    expect(answer.statusCode, answer.body).toBe(400);
    expect(await stored(), wrong).toBe(before);
  }
});
