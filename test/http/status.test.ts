/** Status queries (http-api.md 6.4). */
import { describe, expect, test } from 'vitest';
import { expectEmpty, stage, W } from './support.ts';

const it6 = stage();
const fields = [
  'name',
  'instanceId',
  'runtimeStatus',
  'input',
  'customStatus',
  'output',
  'createdTime',
  'lastUpdatedTime',
];

describe('the status code', () => {
  test.each(['missing', 'a%00b', 'x'.repeat(3_000), '%2e%2e', '@counter@k'])('#79 unknown id %s', async (id) => {
    expectEmpty(await it6.api.get(`/instances/${id}`), 404);
  });

  test('#80 another hub', async () => {
    const id = await it6.api.run('Echo');
    expectEmpty(await it6.api.get(`/instances/${id}?taskHub=elsewhere`), 404);
  });

  test('#81 Pending', async () => {
    const id = await it6.api.pending('idle-81');
    const answer = await it6.api.get(`/instances/${id}?taskHub=idle-81`);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ runtimeStatus: 'Pending' });
  });

  test('#82, #83 Running answers where to ask again', async () => {
    const id = await it6.api.running('WaitGo');
    const answer = await it6.api.get(`/instances/${id}?showHistory=true&foo=1`, { headers: { host: 'h.example' } });
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.headers['location']).toBe(`http://h.example${W}/instances/${id}?showHistory=true&foo=1`);
  });

  test('#84 Suspended', async () => {
    const id = await it6.api.suspended();
    const answer = await it6.api.get(`/instances/${id}`);
    expect([answer.statusCode, answer.json().runtimeStatus]).toEqual([202, 'Suspended']);
  });

  test('#85 Completed', async () => {
    const id = await it6.api.run('Echo', 1);
    const answer = await it6.api.get(`/instances/${id}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).not.toHaveProperty('location');
    expect(answer.headers).not.toHaveProperty('retry-after');
  });

  test('#86 - #88 Failed is 200, or 500 with the same body when asked for', async () => {
    const id = await it6.api.run('Boom');
    const plain = await it6.api.get(`/instances/${id}`);
    expect(plain.statusCode).toBe(200);
    expect(plain.json()).toMatchObject({ runtimeStatus: 'Failed', output: 'RangeError: no luck' });
    for (const [value, status] of [
      ['true', 500],
      ['True', 500],
      ['%20true%20', 500],
      ['1', 200],
      ['false', 200],
      ['', 200],
      ['true&returnInternalServerErrorOnFailure=false', 200],
    ] as const) {
      const answer = await it6.api.get(`/instances/${id}?returnInternalServerErrorOnFailure=${value}`);
      expect([value, answer.statusCode, answer.body]).toEqual([value, status, plain.body]);
      expect(answer.headers).not.toHaveProperty('retry-after');
    }
  });

  test('#89 Terminated is 200 with the flag too', async () => {
    const id = await it6.api.terminated('r');
    const answer = await it6.api.get(`/instances/${id}?returnInternalServerErrorOnFailure=true`);
    expect([answer.statusCode, answer.json().runtimeStatus]).toEqual([200, 'Terminated']);
  });
});

describe('the body', () => {
  test('#90 - #92, #95 has exactly these fields, in this order', async () => {
    const id = await it6.api.running('WaitGo');
    const status = await it6.api.status(id);
    expect(Object.keys(status)).toEqual(fields);
    expect(status).toMatchObject({ name: 'WaitGo', instanceId: id, input: null, customStatus: null, output: null });
    for (const name of ['createdTime', 'lastUpdatedTime']) {
      expect(status[name]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    }
    const ended = await it6.api.run('Echo', 1);
    expect(Object.keys(await it6.api.status(ended))).toEqual(fields);
  });

  test('#93 showInput=false hides the input only', async () => {
    const id = await it6.api.run('Echo', { a: 1 });
    expect(await it6.api.status(id, '?showInput=false')).toMatchObject({ input: null, output: { a: 1 } });
    expect(await it6.api.status(id, '?showInput=true&showInput=FALSE')).toMatchObject({ input: null });
  });

  test.each(['showInput=0', 'showInput=', 'showInput', 'showInput=no'])('#94 %s shows it', async (query) => {
    const id = await it6.api.run('Echo', { a: 1 });
    expect(await it6.api.status(id, `?${query}`)).toMatchObject({ input: { a: 1 } });
  });

  test.each([
    ['#97', { step: 1 }],
    ['#98', 'abc'],
    ['a number', 12],
  ])('%s custom status', async (_number, value) => {
    const id = await it6.api.running('Custom', value);
    expect((await it6.api.status(id))['customStatus']).toEqual(value);
  });

  test.each([
    ['#99', 'stop now', 'stop now'],
    ['#100', '{"code":7}', { code: 7 }],
    ['#101', '12 monkeys', '12 monkeys'],
    ['a number', '123', 123],
    ['true that', 'true that', 'true that'],
    ['a word', 'true', true],
    ['empty', '', ''],
    ['blank', '  ', ''],
    ['broken JSON', '{"a":', '{"a":'],
    ['quotes', 'say "no"\n', 'say "no"\n'],
    ['a token', '{text}', '{text}'],
  ])('%s a terminated instance shows its reason', async (_number, reason, output) => {
    const id = await it6.api.terminated(reason);
    expect((await it6.api.status(id))['output']).toEqual(output);
  });

  test('#102 texts that look like dates are left alone', async () => {
    const id = await it6.api.run('Echo', '2020-01-01T00:00:00+02:00');
    expect(await it6.api.status(id)).toMatchObject({
      input: '2020-01-01T00:00:00+02:00',
      output: '2020-01-01T00:00:00+02:00',
    });
  });

  test('#104 links can be extended', async () => {
    const started = await it6.api.post('/orchestrators/Echo', { body: 1 });
    const uri = new URL(`${started.json().statusQueryGetUri}&showHistory=true`);
    await it6.api.reach(started.json().id, 'Completed');
    const status = await it6.api.send('GET', uri.pathname + uri.search);
    expect(status.json().historyEvents).toHaveLength(2);
  });

  test('#105, #263, #264 a poller that follows Location arrives', async () => {
    const started = await it6.api.post('/orchestrators/Nap', { body: 0.3 });
    let next = String(started.headers['location']);
    let last = '';
    let polls = 0;
    for (;;) {
      const uri = new URL(next);
      const answer = await it6.api.send('GET', uri.pathname + uri.search);
      expect(answer.json().lastUpdatedTime >= last).toBe(true);
      last = answer.json().lastUpdatedTime;
      if (answer.statusCode === 200) break;
      expect(answer.statusCode).toBe(202);
      next = String(answer.headers['location']);
      polls += 1;
    }
    expect(polls).toBeGreaterThan(0);
    const failing = await it6.api.post('/orchestrators/Boom');
    await it6.api.reach(failing.json().id, 'Failed');
    const flagged = new URL(`${failing.headers['location']}&returnInternalServerErrorOnFailure=true`);
    expect((await it6.api.send('GET', flagged.pathname + flagged.search)).statusCode).toBe(500);
  });
});
