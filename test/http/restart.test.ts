/** Restarting (http-api.md 6.11). */
import { expect, test } from 'vitest';
import { expectEmpty, expectError, stage } from './support.ts';

const it6 = stage();
const misleading = 'InstanceId does not match a valid orchestration instance.';

test('#217, #218, #224 a new instance with the same input', async () => {
  const started = await it6.api.post('/orchestrators/Echo', { raw: '{"a": 1.0}' });
  await it6.api.reach(started.json().id, 'Completed');
  const uri = new URL(started.json().restartPostUri);
  const answer = await it6.api.send('POST', uri.pathname + uri.search);
  expect(answer.statusCode).toBe(202);
  const { id } = answer.json();
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(id).not.toBe(started.json().id);
  expect(Object.keys(answer.json())).toHaveLength(8);
  expect(answer.headers['location']).toBe(answer.json().statusQueryGetUri);
  expect(answer.headers['retry-after']).toBe('10');
  await it6.api.reach(id, 'Completed');
  expect((await it6.api.get(`/instances/${id}`)).body).toContain('"name":"Echo"');
  expect((await it6.api.get(`/instances/${id}`)).body).toContain('"input":{"a": 1.0}');
});

test('#219 under its own id', async () => {
  const id = await it6.api.run('Acts', 'x');
  const answer = await it6.api.post(`/instances/${id}/restart?restartWithNewInstanceId=False`);
  expect([answer.statusCode, answer.json().id]).toEqual([202, id]);
  expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: 'X' });
});

test('#220 its own id while it is live is 409', async () => {
  const id = await it6.api.running('WaitGo');
  expectError(
    await it6.api.post(`/instances/${id}/restart?restartWithNewInstanceId=false`),
    409,
    'A non-terminal instance with this instance ID already exists.',
  );
  expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
});

test('#221 a new id while it is live', async () => {
  const id = await it6.api.running('WaitGo', 5);
  const answer = await it6.api.post(`/instances/${id}/restart?restartWithNewInstanceId=true`);
  expect(answer.statusCode).toBe(202);
  expect(await it6.api.reach(answer.json().id, 'Running')).toMatchObject({ input: 5 });
  expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
});

test('#222 an unknown id is 400, not 404', async () => {
  const body = expectError(await it6.api.post('/instances/unknown/restart'), 400, misleading);
  expect(body['ExceptionMessage']).toBe('An orchestrastion with the instanceId unknown was not found.');
  expectError(await it6.api.post('/instances/a%00b/restart'), 400, misleading);
  expectError(await it6.api.post('/instances/unknown/restart?taskHub=elsewhere'), 400, misleading);
});

test('#223 waiting', async () => {
  const id = await it6.api.run('Echo', 'again');
  const answer = await it6.api.post(`/instances/${id}/restart?timeout=10&pollingInterval=1`);
  expect([answer.statusCode, answer.body]).toEqual([200, '"again"']);
});

test('#225 without input', async () => {
  const id = await it6.api.run('Echo');
  const answer = await it6.api.post(`/instances/${id}/restart`, { raw: 'ignored' });
  expect(await it6.api.reach(answer.json().id, 'Completed')).toMatchObject({ input: null });
});

test.each([
  'restartWithNewInstanceId=maybe',
  'restartWithNewInstanceId=1',
  'timeout=abc',
  'timeout=-1',
  'timeout=1&pollingInterval=2',
])('%s is 400 and starts nothing', async (query) => {
  const hub = await it6.api.pending('restarts');
  const before = (await it6.api.get('/instances?taskHub=restarts')).json().length;
  expectError(await it6.api.post(`/instances/${hub}/restart?taskHub=restarts&${query}`), 400, misleading);
  expect((await it6.api.get('/instances?taskHub=restarts')).json()).toHaveLength(before);
});

test('#226 GET is 404', async () => {
  expectEmpty(await it6.api.get('/instances/x/restart'), 404);
});
