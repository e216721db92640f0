/** Raising events (http-api.md 6.8). */
import { describe, expect, test } from 'vitest';
import { type Call, expectEmpty, expectError, invalidJson, stage } from './support.ts';

const it6 = stage();
const json = { 'content-type': 'application/json' };
const wrongType = 'Only application/json request content is supported';

/** Bodies that no event can have. */
const badCalls: readonly [what: string, call: Call, message: string][] = [
  ['#176', { raw: '1', headers: { 'content-type': 'text/plain' } }, wrongType],
  ['#177', { raw: '1' }, wrongType],
  ['text/json', { raw: '1', headers: { 'content-type': 'text/json' } }, wrongType],
  ['cloud events', { raw: '1', headers: { 'content-type': 'application/cloudevents+json' } }, wrongType],
  ['no media type', { raw: '1', headers: { 'content-type': 'json' } }, wrongType],
  ['nothing at all', {}, wrongType],
  ['#178', { raw: '', headers: json }, invalidJson],
  ['#179', { raw: 'badJSON', headers: json }, invalidJson],
  ['#180', { raw: '{} tail', headers: json }, invalidJson],
  ['too large a number', { raw: '1e400', headers: json }, invalidJson],
];

describe('accepted', () => {
  test.each([
    ['#173', '{"v":1}', { v: 1 }],
    ['#175', 'null', null],
    ['#175', '0', 0],
    ['#175', '"s"', 's'],
    ['#175', '[]', []],
    ['#262', '"null"', 'null'],
    ['blanks around', ' 1 ', 1],
  ])('%s %s is delivered', async (_number, raw, output) => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { raw, headers: json }), 202);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output });
  });

  test.each(['Application/JSON; charset=utf-8', 'application/json ;charset="UTF-8"', 'application/json;v=1'])(
    '#174 %s',
    async (type) => {
      const id = await it6.api.running('WaitGo');
      expectEmpty(
        await it6.api.post(`/instances/${id}/raiseEvent/Go`, { raw: '1', headers: { 'content-type': type } }),
        202,
      );
    },
  );

  test('#185 for a Pending instance', async () => {
    const id = await it6.api.pending('idle-185');
    expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go?taskHub=idle-185`, { body: 1 }), 202);
    // One that begins by itself, to see it delivered.
    const later = String((await it6.api.post('/orchestrators/WaitGo?startAt=2s')).json().id);
    expect(await it6.api.status(later)).toMatchObject({ runtimeStatus: 'Pending' });
    expectEmpty(await it6.api.post(`/instances/${later}/raiseEvent/Go`, { body: 'early' }), 202);
    expect(await it6.api.reach(later, 'Completed')).toMatchObject({ output: 'early' });
  });

  test('#186 for a Suspended instance, acted on after resume', async () => {
    const id = await it6.api.suspended();
    expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: 'later' }), 202);
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Suspended' });
    await it6.api.post(`/instances/${id}/resume`);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: 'later' });
  });

  test('#187 before anybody waits', async () => {
    const id = await it6.api.running('LateGo');
    expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: 'early' }), 202);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: 'early' });
  });

  test('#188 two of one name, in order', async () => {
    const id = await it6.api.running('Twice');
    for (const body of [1, 2]) expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body }), 202);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: [1, 2] });
  });

  test.each([
    ['#189', 'My Event'],
    ['#190', 'a/b'],
    ['plus', 'a+b'],
    ['percent', '100%'],
    ['İ', 'İx'],
    ['a dot', 'a.b-c'],
  ])('%s the event %s', async (_number, name) => {
    const id = await it6.api.running('NamedEvent', name);
    expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/${encodeURIComponent(name)}`, { body: 'got it' }), 202);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: 'got it' });
  });

  test('#191 the link with its token replaced', async () => {
    const started = await it6.api.post('/orchestrators/WaitGo');
    const uri = new URL(started.json().sendEventPostUri.replace('{eventName}', 'Go'));
    expectEmpty(await it6.api.send('POST', uri.pathname + uri.search, { body: 'hello' }), 202);
    expect(await it6.api.reach(started.json().id, 'Completed')).toMatchObject({ output: 'hello' });
  });
});

describe('refused', () => {
  test.each(badCalls)('%s is 400', async (_number, call, message) => {
    const live = await it6.api.running('WaitGo');
    expectError(await it6.api.post(`/instances/${live}/raiseEvent/Go`, call), 400, message);
    expect(await it6.api.status(live)).toMatchObject({ runtimeStatus: 'Running' });
  });

  test.each(badCalls)('#183, #184 %s is 410 for an ended instance and 404 for none', async (_what, call) => {
    expectEmpty(await it6.api.post('/instances/unknown/raiseEvent/Go', call), 404);
    const ended = await it6.api.run('Echo');
    expectEmpty(await it6.api.post(`/instances/${ended}/raiseEvent/Go`, call), 410);
  });

  test('a content type that is not JSON is told what to send', async () => {
    const id = await it6.api.running('WaitGo');
    const refused = await it6.api.post(`/instances/${id}/raiseEvent/Go`, { raw: '1' });
    expect(refused.json().ExceptionMessage).toContain("'Content-Type: application/json'");
  });

  test('#181 unknown', async () => {
    expectEmpty(await it6.api.post('/instances/unknown/raiseEvent/Go', { body: 1 }), 404);
    expectEmpty(await it6.api.post('/instances/%00/raiseEvent/Go', { body: 1 }), 404);
    expectEmpty(await it6.api.post('/instances/unknown/raiseEvent/Go?taskHub=elsewhere', { body: 1 }), 404);
  });

  test('#182 ended', async () => {
    for (const id of [await it6.api.run('Echo'), await it6.api.run('Boom'), await it6.api.terminated()]) {
      expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: 1 }), 410);
    }
  });

  test.each(['%00', 'a%0Ab', 'x'.repeat(5_000)])('the event name %s is 400', async (name) => {
    const id = await it6.api.running('WaitGo');
    expectError(await it6.api.post(`/instances/${id}/raiseEvent/${name}`, { body: 1 }), 400);
  });
});
