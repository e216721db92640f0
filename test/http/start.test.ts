/** Starting orchestrations (http-api.md 6.2). */
import { describe, expect, test } from 'vitest';
import { newId } from '../../src/client/arguments.ts';
import { badArguments, expectEmpty, expectError, invalidJson, stage, W } from './support.ts';

const it6 = stage();
const json = { 'content-type': 'application/json' };

describe('the answer', () => {
  test('#33 - #37 is 202 with exactly these links, in this order', async () => {
    const answer = await it6.api.post('/orchestrators/Echo', { body: { a: 1 }, headers: { host: 'h.example' } });
    expect(answer.statusCode).toBe(202);
    const links: Record<string, string> = answer.json();
    const id = String(links['id']);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const base = `http://h.example${W}/instances/${id}`;
    const query = 'taskHub=default&connection=Storage';
    expect(Object.entries(links)).toEqual([
      ['id', id],
      ['statusQueryGetUri', `${base}?${query}`],
      ['sendEventPostUri', `${base}/raiseEvent/{eventName}?${query}`],
      ['terminatePostUri', `${base}/terminate?reason={text}&${query}`],
      ['purgeHistoryDeleteUri', `${base}?${query}`],
      ['restartPostUri', `${base}/restart?${query}`],
      ['suspendPostUri', `${base}/suspend?reason={text}&${query}`],
      ['resumePostUri', `${base}/resume?reason={text}&${query}`],
    ]);
    expect(answer.headers['location']).toBe(links['statusQueryGetUri']);
    expect(answer.headers['retry-after']).toBe('10');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  test('#38 a given id is kept', async () => {
    const answer = await it6.api.post('/orchestrators/Echo/my-id');
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ id: 'my-id' });
    expect(answer.body).toContain('/instances/my-id?');
  });

  test('#39 names are compared without case', async () => {
    const id = await it6.api.run('eCHO', 'x');
    expect(await it6.api.status(id)).toMatchObject({ output: 'x' });
  });

  test('#62 ids are distinct', async () => {
    const ids = await Promise.all(Array.from({ length: 200 }, () => it6.api.start('Echo')));
    expect(new Set(ids).size).toBe(200);
    // As the service makes them, as many as the checklist wants.
    expect(new Set(Array.from({ length: 10_000 }, newId)).size).toBe(10_000);
  });
});

describe('the input', () => {
  test.each([
    ['#40 no body', {}, null],
    ['#41 application/json, no body', { raw: '', headers: json }, null],
    ['blank', { raw: ' \r\n\t', headers: json }, null],
    ['#42 null', { raw: 'null', headers: json }, null],
    ['#43 two quotes', { raw: '""', headers: json }, ''],
    ['#44 text', { raw: '"text"' }, 'text'],
    ['#44 number', { raw: '17' }, 17],
    ['#44 boolean', { raw: ' true ' }, true],
    ['false', { raw: 'false' }, false],
    ['zero', { raw: '0' }, 0],
    ['#44 array', { raw: '[1]' }, [1]],
    ['#45 text/plain', { raw: '{"a":1}', headers: { 'content-type': 'text/plain' } }, { a: 1 }],
    ['#45 no content type', { raw: '{"a":1}' }, { a: 1 }],
    ['a content type that is none', { raw: '{"a":1}', headers: { 'content-type': 'garbage' } }, { a: 1 }],
    ['a form', { raw: '{"a":1}', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, { a: 1 }],
    ['#46 octets, empty', { raw: '', headers: { 'content-type': 'application/octet-stream' } }, null],
    ['charset utf-8', { raw: '"ä"', headers: { 'content-type': 'application/json; charset=UTF-8' } }, 'ä'],
    ['a byte order mark', { raw: Buffer.from('\ufeff{"a":1}') }, { a: 1 }],
    ['only a byte order mark', { raw: Buffer.from('\ufeff') }, null],
    ['escaped NUL', { raw: '"\\u0000"' }, '\u0000'],
    ['a lone surrogate', { raw: '"\\ud800"' }, '\ud800'],
    ['ordinary words', { raw: '{"constructor":"acme","then":1}' }, { constructor: 'acme', then: 1 }],
    ['__proto__ as a value', { raw: '{"a":"__proto__"}' }, { a: '__proto__' }],
  ])('%s', async (_case, call, expected) => {
    const started = await it6.api.post('/orchestrators/WaitGo', call);
    expect(started.statusCode, started.body).toBe(202);
    expect((await it6.api.status(started.json().id))['input']).toEqual(expected);
  });

  test('is shown with every digit and blank that was sent', async () => {
    const text = '{ "n": 12345678901234567890, "e": 1.50e+2, "a":1, "a":2, "d":"2020-01-01T00:00:00+02:00" }';
    const started = await it6.api.post('/orchestrators/WaitGo', { raw: `\n${text}\n` });
    const status = await it6.api.get(`/instances/${started.json().id}`);
    expect(status.body).toContain(`"input":${text},`);
  });

  test.each([
    ['#47', 'badJSON'],
    ['#48', '{"a":'],
    ['#48', '{"a":1'],
    ['#49', '{} tail'],
    ['single quotes', "{'a':1}"],
    ['a comment', '/* x */ 1'],
    ['NaN', 'NaN'],
    ['a trailing comma', '[1,]'],
    ['no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ['UTF-8 of a surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['too large a number', '1e400'],
    ['too large a number inside', '{"a":[1,{"b":-1e999}]}'],
    ['too many digits', `[${'9'.repeat(400)}]`],
    ['5,000 levels', '['.repeat(5_000) + ']'.repeat(5_000)],
    ['1,001 levels', `{"a":"[","b":${'['.repeat(1_000) + ']'.repeat(1_000)}}`],
    ['__proto__', '{"__proto__":{"x":1}}'],
    ['__proto__, escaped and deep', '{"a":[{"\\u005f_proto__":1}]}'],
  ])('%s %s is 400 and starts nothing', async (_number, raw) => {
    const id = `bad-${Math.random()}`;
    const answer = await it6.api.post(`/orchestrators/Echo/${id}`, { raw, headers: json });
    const body = expectError(answer, 400, invalidJson);
    expect(String(body['ExceptionMessage'])).not.toContain('badJSON');
    expectEmpty(await it6.api.get(`/instances/${id}`), 404);
  });

  test.each([
    ['64 levels', '['.repeat(64) + ']'.repeat(64)],
    ['1,000 levels', '['.repeat(1_000) + ']'.repeat(1_000)],
    ['many brackets in text', JSON.stringify('['.repeat(9_000))],
    ['1e308', '1e308'],
  ])('#103 %s is kept', async (_case, raw) => {
    const started = await it6.api.post('/orchestrators/WaitGo', { raw });
    expect(started.statusCode, started.body).toBe(202);
    expect((await it6.api.get(`/instances/${started.json().id}`)).body).toContain(`"input":${raw},`);
  });

  test.each(['application/json; charset=utf-16', 'text/plain;charset="iso-8859-1"'])('%s is 415', async (type) => {
    expectError(await it6.api.post('/orchestrators/Echo', { raw: '1', headers: { 'content-type': type } }), 415);
  });

  test('a compressed body is 415', async () => {
    expectError(await it6.api.post('/orchestrators/Echo', { raw: 'x', headers: { 'content-encoding': 'gzip' } }), 415);
  });

  test('a body above the limit is 413 and starts nothing', async () => {
    const small = await it6.server({ maxBodyBytes: 100 });
    const raw = JSON.stringify('x'.repeat(98));
    expect((await small.post('/orchestrators/Echo', { raw })).statusCode).toBe(202);
    expectError(await small.post('/orchestrators/Echo/fat', { raw: `${raw} ` }), 413);
    expectEmpty(await small.get('/instances/fat'), 404);
  });
});

describe('what is refused', () => {
  test('#50, #51, #261 an orchestrator that no live worker knows is 400, with the texts that Python reads', async () => {
    const body = expectError(await it6.api.post('/orchestrators/Nobody'), 400, badArguments);
    expect(body['ExceptionMessage']).toContain('Nobody');
    expect(body['ExceptionType']).toBe('OrchestratorNotRegistered');
  });

  test('an orchestrator of a hub without workers is accepted', async () => {
    await it6.api.pending('quiet', 'Nobody');
  });

  test.each([
    ['#52', '@x'],
    ['#53', 'a%5Cb'],
    ['#53', 'a%23b'],
    ['#53', 'a%3Fb'],
    ['#53', 'a%09b'],
    ['#53', 'a%0Ab'],
    ['a C1 control', 'a%C2%85b'],
    ['NUL', 'a%00b'],
    ['#54', 'a%2Fb'],
    ['#55', 'x'.repeat(257)],
    ['#55 far too long', 'x'.repeat(5_000)],
  ])('%s the id %s is 400', async (_number, id) => {
    expectError(await it6.api.post(`/orchestrators/Echo/${id}`), 400, badArguments);
  });

  test.each(['x'.repeat(256), '日'.repeat(256)])('#55 an id of 256 characters is fine', async (id) => {
    expect(await it6.api.start('Echo', 1, id)).toBe(id);
    expect(await it6.api.status(id)).toMatchObject({ instanceId: id });
  });

  test.each(['a%00b', 'x'.repeat(300), '%0A'])('the orchestrator name %s is 400', async (name) => {
    expectError(await it6.api.post(`/orchestrators/${name}?taskHub=quiet`), 400, badArguments);
  });
});

describe('ids in use', () => {
  const exists = (status: string) => `An Orchestration instance with the status ${status} already exists.`;

  test('#56 Running is 409 and goes on', async () => {
    const id = await it6.api.running('WaitGo', 'first');
    expectError(await it6.api.post(`/orchestrators/Echo/${id}`, { body: 'second' }), 409, exists('Running'));
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running', input: 'first', name: 'WaitGo' });
  });

  test('#57 Pending and Suspended are 409 too', async () => {
    const pending = await it6.api.pending('idle-57');
    const again = await it6.api.post(`/orchestrators/WaitGo/${pending}?taskHub=idle-57`);
    expectError(again, 409, exists('Pending'));
    const suspended = await it6.api.suspended();
    expectError(await it6.api.post(`/orchestrators/Echo/${suspended}`), 409, exists('Suspended'));
  });

  test('#58 an ended instance is replaced, history and all', async () => {
    const id = await it6.api.run('Acts', 'old');
    expect((await it6.api.status(id, '?showHistory=true'))['historyEvents']).toHaveLength(3);
    const before = await it6.hub.client.getStatus(id);
    expect(await it6.api.run('Echo', 'new', id)).toBe(id);
    const after = await it6.hub.client.getStatus(id);
    expect(after?.createdAt.getTime()).toBeGreaterThan(before?.createdAt.getTime() ?? Number.NaN);
    const status = await it6.api.status(id, '?showHistory=true');
    expect(status).toMatchObject({ name: 'Echo', input: 'new', output: 'new' });
    expect(status['historyEvents']).toHaveLength(2);
  });

  test('#61 of two starts at once exactly one wins', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => it6.api.post('/orchestrators/WaitGo/raced', { body: 1 })),
    );
    expect(answers.map((one) => one.statusCode).sort()).toEqual([202, ...Array.from({ length: 7 }, () => 409)]);
  });
});

describe('parameters', () => {
  test('#59 the version reaches the orchestrator', async () => {
    const versioned = await it6.api.post('/orchestrators/Version?version=2.0');
    expect(await it6.api.reach(versioned.json().id, 'Completed')).toMatchObject({ output: '2.0' });
    const empty = await it6.api.post('/orchestrators/Version?version=');
    expect(await it6.api.reach(empty.json().id, 'Completed')).toMatchObject({ output: '' });
  });

  test.each(['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'nonsense'])(
    '#60 traceparent %s is accepted',
    async (traceparent) => {
      expect((await it6.api.post('/orchestrators/Echo', { headers: { traceparent } })).statusCode).toBe(202);
    },
  );
});

describe('what Azure does not have', () => {
  test('tags, given one by one, are shown in the status and the list, and only then', async () => {
    const started = await it6.api.post('/orchestrators/Echo/tagged-1?tag=team=payments&tag=a%3Db%3Dc&tag=team=orders');
    expect(started.statusCode, started.body).toBe(202);
    expect(await it6.api.reach('tagged-1', 'Completed')).toMatchObject({ tags: { team: 'orders', a: 'b=c' } });
    const list = await it6.api.get('/instances?instanceIdPrefix=tagged-');
    expect(list.json()).toMatchObject([{ tags: { team: 'orders', a: 'b=c' } }]);
    const plain = await it6.api.run('Echo');
    expect(Object.keys(await it6.api.status(plain))).not.toContain('tags');
    for (const query of ['tag=x', 'tag==x', 'tag=', `tag=a=${'x'.repeat(8_001)}`]) {
      expectError(await it6.api.post(`/orchestrators/Echo?${query}`), 400, badArguments);
    }
  });

  test('a start at a time or after a duration is Pending and shows when', async () => {
    const at = await it6.api.post('/orchestrators/Echo?startAt=2100-01-01T00:00:00%2B01:00');
    expect(await it6.api.status(at.json().id)).toMatchObject({
      runtimeStatus: 'Pending',
      scheduledStartTime: '2099-12-31T23:00:00Z',
    });
    const after = await it6.api.post('/orchestrators/Echo?startAt=PT1H');
    const pending = await it6.api.status(after.json().id);
    expect(pending['runtimeStatus']).toBe('Pending');
    const wait = Date.parse(String(pending['scheduledStartTime'])) - Date.parse(String(pending['createdTime']));
    expect(Math.abs(wait - 3_600_000)).toBeLessThan(60_000);
    const past = await it6.api.post('/orchestrators/Echo?startAt=1970-01-01&timeout=10', { body: 7 });
    expect([past.statusCode, past.json()]).toEqual([200, 7]);
    expectError(await it6.api.post('/orchestrators/Echo?startAt=tomorrow'), 400, badArguments);
  });

  test('onExisting decides when the id is taken', async () => {
    const id = await it6.api.running('WaitGo', undefined, 'taken-1');
    const start = (onExisting: string) =>
      it6.api.post(`/orchestrators/Echo/${id}?onExisting=${onExisting}`, { body: 2 });
    for (const refused of ['error', 'replace', 'ERROR']) expectError(await start(refused), 409);
    expectError(await start('ignore'), 400, badArguments);
    expect((await start('return')).statusCode).toBe(202);
    expect(await it6.api.status(id)).toMatchObject({ name: 'WaitGo', runtimeStatus: 'Running' });
    expect((await start('terminate')).json()).toMatchObject({ id });
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ name: 'Echo', output: 2 });
    expectError(await start('error'), 409);
  });
});
