/** POSTs with an Idempotency-Key (decision 30): carried out once, answered alike. */
import { randomUUID } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import pg from 'pg';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createTaskHub } from '../../src/task-hub.ts';
import { waitFor } from '../support/wait-for.ts';
import { type Api, expectEmpty, expectError, stage, W } from './support.ts';
import { openGate } from './fixtures.ts';

const it6 = stage();
let api: Api;
const system = { 'x-functions-key': 'the system key' };

beforeAll(async () => {
  api = it6.api;
});

const withKey = (key: string = randomUUID()): Readonly<Record<string, string>> => ({ 'idempotency-key': key });

/** Status, body and the headers that callers read. */
function essence(answer: LightMyRequestResponse): readonly unknown[] {
  const { location, 'retry-after': retryAfter, 'content-type': type } = answer.headers;
  return [answer.statusCode, answer.body, location, retryAfter, type];
}

async function count(where: string, values: readonly unknown[] = []): Promise<number> {
  const [row] = await it6.query(`select count(*)::int as n from ${where}`, values);
  return Number(row?.['n']);
}

/** Makes a call twice; the second time it is the first answer, and says so. */
async function twice(call: () => Promise<LightMyRequestResponse>): Promise<LightMyRequestResponse> {
  const first = await call();
  expect(first.headers['idempotency-replayed']).toBeUndefined();
  const second = await call();
  expect(essence(second)).toEqual(essence(first));
  expect(second.headers['idempotency-replayed']).toBe('true');
  expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
  return first;
}

describe('a repeated call is carried out once', () => {
  test('F03: a start', async () => {
    const headers = withKey();
    const first = await twice(() => api.post('/orchestrators/Echo', { body: { a: 1 }, headers }));
    expect(first.statusCode).toBe(202);
    await api.reach(first.json().id, 'Completed');
    expect((await api.post('/orchestrators/Echo', { body: { a: 1 }, headers })).json().id).toBe(first.json().id);
    expect(await count(`instances where input = '{"a":1}'`)).toBe(1);
  });

  test('a start with an id, though the instance has ended since', async () => {
    const headers = withKey();
    const start = () => api.post('/orchestrators/Echo/once-1', { body: 'x', headers });
    expect((await start()).statusCode).toBe(202);
    const { createdTime } = await api.reach('once-1', 'Completed');
    const [before] = await it6.query(`select key from instances where instance_id = 'once-1'`);
    expect((await start()).statusCode).toBe(202);
    expect(await it6.query(`select key from instances where instance_id = 'once-1'`)).toEqual([before]);
    expect(await api.status('once-1')).toMatchObject({ createdTime });
  });

  test('a start that waits', async () => {
    const headers = withKey();
    const answer = await twice(() => api.post('/orchestrators/Echo?timeout=20', { body: 'waited', headers }));
    expect([answer.statusCode, answer.json()]).toEqual([200, 'waited']);
    expect(await count(`instances where input = '"waited"'`)).toBe(1);
    const failing = await twice(() =>
      api.post('/orchestrators/Boom?timeout=20', { body: 1, headers: withKey('boom') }),
    );
    expect(failing.json()).toMatchObject({ runtimeStatus: 'Failed' });
    await twice(() => api.post('/orchestrators/WaitGo?timeout=0.1', { headers: withKey('too-late') }));
  });

  test('F05: an event', async () => {
    const id = await api.running('Twice');
    const headers = withKey();
    const raise = () => api.post(`/instances/${id}/raiseEvent/Go`, { body: 'first', headers });
    expectEmpty(await twice(raise), 202);
    expectEmpty(await api.post(`/instances/${id}/raiseEvent/Go`, { body: 'second', headers: withKey() }), 202);
    expect(await api.reach(id, 'Completed')).toMatchObject({ output: ['first', 'second'] });
    // The answer is the first one still, though the instance has ended.
    expectEmpty(await raise(), 202);
  });

  test('F05: without a key each event that was accepted is kept', async () => {
    const id = await api.running('Twice');
    const raise = () => api.post(`/instances/${id}/raiseEvent/Go`, { body: 'same' });
    for (const answer of [await raise(), await raise()]) expectEmpty(answer, 202);
    expect(await api.reach(id, 'Completed')).toMatchObject({ output: ['same', 'same'] });
  });

  test('a suspend and a resume, which would be refused the second time', async () => {
    const id = await api.running('WaitGo');
    expectEmpty(await twice(() => api.post(`/instances/${id}/suspend`, { headers: withKey('s') })), 202);
    await api.reach(id, 'Suspended');
    expectEmpty(await twice(() => api.post(`/instances/${id}/resume`, { headers: withKey('s') })), 202);
    await api.reach(id, 'Running');
    expectEmpty(await twice(() => api.post(`/instances/${id}/terminate?reason=r`, { headers: withKey('s') })), 202);
    expect(await api.reach(id, 'Terminated')).toMatchObject({ output: 'r' });
  });

  test('a terminate of what nobody has begun', async () => {
    const id = await api.pending('once-idle');
    const headers = withKey();
    expectEmpty(await twice(() => api.post(`/instances/${id}/terminate?taskHub=once-idle`, { headers })), 202);
    expect(await api.status(id, '?taskHub=once-idle')).toMatchObject({ runtimeStatus: 'Terminated' });
  });

  test('a restart', async () => {
    const id = await api.run('Echo', 'again');
    const headers = withKey();
    const answer = await twice(() => api.post(`/instances/${id}/restart`, { headers }));
    expect(answer.json().id).not.toBe(id);
    expect(await count(`instances where input = '"again"'`)).toBe(2);
  });

  test('a rewind', async () => {
    const id = await api.run('ActsBroken', 'once-rewound');
    const headers = withKey();
    expectEmpty(await twice(() => api.post(`/instances/${id}/rewind`, { headers })), 202);
    await api.reach(id, 'Failed');
    const [row] = await it6.query('select execution_id from instances where instance_id = $1', [id]);
    expectEmpty(await api.post(`/instances/${id}/rewind`, { headers }), 202);
    expect(await it6.query('select execution_id from instances where instance_id = $1', [id])).toEqual([row]);
  });

  test('a signal', async () => {
    const headers = withKey();
    const signal = () => api.post('/entities/counter/once?op=add', { body: 5, headers });
    expectEmpty(await twice(signal), 202);
    await waitFor(async () => (await api.get('/entities/counter/once')).statusCode === 200);
    expectEmpty(await signal(), 202);
    expectEmpty(await api.post('/entities/counter/once?op=add', { body: 1, headers: withKey() }), 202);
    await waitFor(async () => (await api.get('/entities/counter/once')).json() === 6, { what: 'the counter to be 6' });
  });

  test('a bulk operation that stopped at its limit is not kept: repeated it goes on', async () => {
    for (const id of ['a', 'b', 'c']) await api.post(`/orchestrators/WaitGo/${id}?taskHub=once-part`);
    const headers = withKey();
    const act = () => api.post('/bulk/terminate?taskHub=once-part&all=true&top=2', { headers });
    const part = await act();
    expect([part.json().accepted, part.headers['x-ms-continuation-token']]).toEqual([2, expect.stringMatching(/./)]);
    const rest = await act();
    expect([rest.json().accepted, rest.headers['x-ms-continuation-token']]).toEqual([1, '']);
    expect(rest.headers['idempotency-replayed']).toBeUndefined();
    const again = await act();
    expect([again.body, again.headers['x-ms-continuation-token']]).toEqual([rest.body, '']);
    expect(again.headers['idempotency-replayed']).toBe('true');
  });

  test('a bulk operation', async () => {
    for (const id of ['a', 'b']) await api.post(`/orchestrators/WaitGo/${id}?taskHub=once-bulk`);
    const headers = withKey();
    const answer = await twice(() => api.post('/bulk/terminate?taskHub=once-bulk&all=true', { headers }));
    expect(answer.json()).toMatchObject({ matched: 2, accepted: 2, instanceIds: ['a', 'b'] });
  });

  test('what was refused for the state of things stays refused', async () => {
    const headers = withKey();
    const raise = () => api.post('/instances/once-later/raiseEvent/Go', { body: 1, headers });
    expectEmpty(await twice(raise), 404);
    await api.running('WaitGo', undefined, 'once-later');
    expectEmpty(await raise(), 404);
    expectError(await twice(() => api.post('/orchestrators/WaitGo/once-later', { headers })), 409);
  });

  test('many at the same time start one', async () => {
    const headers = withKey();
    const start = () => api.post('/orchestrators/Echo', { body: 'crowd', headers });
    const answers = await Promise.all(Array.from({ length: 30 }, start));
    const ids = new Set(answers.filter((one) => one.statusCode === 202).map((one) => one.json().id));
    expect(ids.size).toBe(1);
    for (const answer of answers.filter((one) => one.statusCode !== 202)) {
      expect(expectError(answer, 409)['ExceptionType']).toBe('IdempotencyKeyInUse');
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect((await start()).json().id).toBe([...ids][0]);
    expect(await count(`instances where input = '"crowd"'`)).toBe(1);
  });

  test('of a start that still waits, repetitions are turned away', async () => {
    const headers = withKey();
    const start = () => api.post('/orchestrators/ActsGated/once-gated?timeout=30', { body: 'once-gate', headers });
    const first = start();
    await api.reach('once-gated', 'Running').catch(() => undefined);
    await waitFor(async () => (await api.get('/instances/once-gated')).statusCode === 202);
    expect(expectError(await start(), 409)['ExceptionType']).toBe('IdempotencyKeyInUse');
    await waitFor(async () => {
      openGate('once-gate');
      return (await api.get('/instances/once-gated')).statusCode === 200;
    });
    expect([(await first).statusCode, (await first).json()]).toEqual([200, 'through']);
    expect(essence(await start())).toEqual(essence(await first));
  });
});

describe('another call is another call', () => {
  test('with another body or query it is 422', async () => {
    const headers = withKey();
    expect((await api.post('/orchestrators/Echo', { body: 1, headers })).statusCode).toBe(202);
    for (const [query, body] of [
      ['', 2],
      ['', undefined],
      ['?tag=a=b', 1],
      ['?version=1', 1],
    ] as const) {
      const answer = await api.post(`/orchestrators/Echo${query}`, { body, headers });
      expect(expectError(answer, 422)['ExceptionType']).toBe('IdempotencyKeyReused');
    }
  });

  test('keys belong to a URL, a hub and a caller', async () => {
    const headers = withKey();
    const ids = new Set<string>();
    for (const path of ['/orchestrators/Echo', '/orchestrators/WaitGo', '/orchestrators/Echo?taskHub=once-other']) {
      const answer = await api.post(path, { body: 1, headers });
      expect([answer.statusCode, answer.headers['idempotency-replayed']]).toEqual([202, undefined]);
      ids.add(answer.json().id);
    }
    expect(ids.size).toBe(3);
    const keyed = await it6.server({ systemKey: 'the system key' });
    const body = { name: 'once-caller', scopes: ['write'] };
    const made = await keyed.send('POST', '/admin/keys', { body, headers: system });
    const callers = [system, { 'x-functions-key': String(made.json().value) }];
    const starts = await Promise.all(
      callers.map((caller) => keyed.post('/orchestrators/Echo', { body: 1, headers: { ...headers, ...caller } })),
    );
    for (const one of starts) ids.add(one.json().id);
    expect(ids.size).toBe(5);
  });

  test('the other mounts and the case of fixed segments are the same URL, and the key of the caller is no part of it', async () => {
    const headers = withKey();
    const first = await api.post('/orchestrators/Echo?code=a', { body: 1, headers });
    const again = await api.send('POST', '/durabletask/ORCHESTRATORS/Echo?code=b', { body: 1, headers });
    expect(again.json().id).toBe(first.json().id);
    expect(again.json().statusQueryGetUri).toContain('code=b');
  });

  test('what was wrong with the request itself may be put right', async () => {
    const headers = withKey();
    expectError(await api.post('/orchestrators/Echo', { raw: '{"a":', headers }), 400);
    expect((await api.post('/orchestrators/Echo', { body: 1, headers })).statusCode).toBe(202);
  });
});

describe('a key', () => {
  test.each(['', ' ', 'a b', 'x'.repeat(256), 'ä', 'a,\tb'])('of %j is 400, and nothing is done', async (key) => {
    const before = await count('instances');
    const answer = await api.post('/orchestrators/Echo', { body: 1, headers: { 'idempotency-key': key } });
    expect(expectError(answer, 400)['ExceptionMessage']).toContain('Idempotency-Key');
    expect(await count('instances')).toBe(before);
  });

  test.each(['x', 'x'.repeat(255), '"8e03978e-40d5-43dd-bc93-6894a57f9324"', '{}~!'])('of %s is good', async (key) => {
    await twice(() => api.post('/orchestrators/Echo', { body: 1, headers: withKey(key) }));
  });

  test('means nothing on what reads or removes', async () => {
    const headers = withKey();
    const id = await api.running('WaitGo');
    expect((await api.get(`/instances/${id}`, { headers })).json()).toMatchObject({ runtimeStatus: 'Running' });
    expectEmpty(await api.post(`/instances/${id}/terminate`), 202);
    await api.reach(id, 'Terminated');
    expect((await api.get(`/instances/${id}`, { headers })).json()).toMatchObject({ runtimeStatus: 'Terminated' });
  });
});

describe('what is stored', () => {
  test('holds no key of a caller, and is forgotten after a day', async () => {
    const keyed = await it6.server({ systemKey: 'the system key' });
    const headers = { ...system, ...withKey('stored') };
    const start = () => keyed.post('/orchestrators/Echo', { body: 'stored', headers });
    const first = await twice(start);
    expect(first.json().statusQueryGetUri).toContain('code=the%20system%20key');
    expect(JSON.stringify(await it6.query('select * from idempotent_calls'))).not.toContain('system');
    await it6.query(
      `update idempotent_calls set created_at = now() - interval '24 hours 1 second' where started = $1`,
      [first.json().id],
    );
    const next = await start();
    expect([next.statusCode, next.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect(next.json().id).not.toBe(first.json().id);
  });

  test('a repetition is no second record in the audit log', async () => {
    const keyed = await it6.server({ systemKey: 'the system key' });
    const id = await api.running('WaitGo');
    const headers = { ...system, ...withKey() };
    expectEmpty(await twice(() => keyed.post(`/instances/${id}/terminate`, { headers })), 202);
    expect((await keyed.get(`/audit?target=${id}`, { headers: system })).json()).toHaveLength(1);
  });

  test('is nothing, when the answer could not be stored with it', async () => {
    const headers = withKey();
    const start = () => api.post('/orchestrators/Echo', { body: 'torn', headers });
    const query = pg.Client.prototype.query;
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      if (/insert into .*idempotent_calls/.test(String(args[0]))) return Promise.reject(new Error('torn'));
      return Reflect.apply(query, this, args);
    });
    const failed = await start();
    spy.mockRestore();
    expectError(failed, 503);
    expect(await count(`instances where input = '"torn"'`)).toBe(0);
    const again = await start();
    expect([again.statusCode, again.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect(await count(`instances where input = '"torn"'`)).toBe(1);
  });

  test('is nothing, when the connection is lost before, and the database is asked again', async () => {
    const headers = withKey();
    const start = () => api.post('/orchestrators/Echo', { body: 'cut', headers });
    const query = pg.Client.prototype.query;
    let cuts = 0;
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      const [config] = args;
      const isStart = typeof config === 'object' && config !== null && 'name' in config;
      if (!isStart || !String(config.name).includes('start_instance') || cuts > 0) {
        return Reflect.apply(query, this, args);
      }
      cuts += 1;
      return Reflect.apply(query, this, ['select pg_terminate_backend(pg_backend_pid())']);
    });
    const failed = await start();
    spy.mockRestore();
    expect(cuts).toBe(1);
    expectError(failed, 503);
    expect(await count(`instances where input = '"cut"'`)).toBe(0);
    expect((await start()).statusCode).toBe(202);
    expect(await count(`instances where input = '"cut"'`)).toBe(1);
  });

  test('belongs to one of many processes: the others turn repetitions away', async () => {
    const second = createTaskHub({ databaseUrl: it6.database.url, schema: it6.database.schema, worker: false });
    onTestFinished(() => second.stop());
    const other = await it6.server({}, second);
    const headers = withKey();
    const calls = Array.from({ length: 10 }, (_, n) =>
      (n % 2 === 0 ? api : other).send('POST', `${W}/orchestrators/Echo`, { body: 'processes', headers }),
    );
    for (const answer of await Promise.all(calls)) expect([202, 409]).toContain(answer.statusCode);
    expect(await count(`instances where input = '"processes"'`)).toBe(1);
  });
});
