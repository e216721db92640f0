/** Entities (http-api.md 6.12). */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { expectEmpty, expectError, stage, W } from './support.ts';

const given = stage();

function freshKey(): string {
  return `k-${randomBytes(5).toString('hex')}`;
}

/** Waits for the state of an entity. */
async function reachState(path: string, state: unknown): Promise<void> {
  await waitFor(
    async () => {
      const answer = await given.api.get(`/entities/${path}`);
      return answer.statusCode === 200 && JSON.stringify(answer.json()) === JSON.stringify(state);
    },
    { what: `the state of ${path} to be ${JSON.stringify(state)}` },
  );
}

/** An entity with a state. */
async function existing(state: unknown = 1, key = freshKey()): Promise<string> {
  expectEmpty(await given.api.post(`/entities/counter/${key}?op=set`, { body: state }), 202);
  await reachState(`counter/${key}`, state);
  return key;
}

it('#227, #228 a signal is 202 without a body, and the bare state can be read', async () => {
  const key = freshKey();
  expectEmpty(await given.api.post(`/entities/Counter/${key}?op=add`, { body: 5 }), 202);
  await reachState(`counter/${key}`, 5);
  const answer = await given.api.get(`/entities/counter/${key}`);
  expect(answer.body).toBe('5');
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
});

it('#229 names ignore case, keys do not', async () => {
  const key = await existing();
  expect((await given.api.get(`/entities/COUNTER/${key}`)).statusCode).toBe(200);
  expectEmpty(await given.api.get(`/entities/counter/${key.toUpperCase()}`), 404);
});

it('#230 an unknown key is an empty 404, and so is an unknown name', async () => {
  expectEmpty(await given.api.get(`/entities/counter/${freshKey()}`), 404);
  expectEmpty(await given.api.get('/entities/nobody/k'), 404);
  expectEmpty(await given.api.get('/entities/counter/a%00b'), 404);
});

it('#231 a signal without op has the empty name', async () => {
  const key = freshKey();
  expectEmpty(await given.api.post(`/entities/counter/${key}`), 202);
  await reachState(`counter/${key}`, 'without a name');
});

it.each([
  [
    '#232 no body, application/json',
    { headers: { 'content-type': 'application/json', 'content-length': '0' } },
    'none',
  ],
  ['an empty body without a length', { headers: { 'content-type': 'application/json' } }, 'none'],
  ['#233 text/plain', { raw: 'abc', headers: { 'content-type': 'text/plain' } }, 'abc'],
  ['no content type', { raw: '5' }, '5'],
  ['json null', { raw: 'null', headers: { 'content-type': 'application/json' } }, null],
])('the input of a signal: %s', async (_, call, input) => {
  const key = freshKey();
  expectEmpty(await given.api.post(`/entities/counter/${key}?op=noInput`, call), 202);
  await reachState(`counter/${key}`, { input });
});

it('#234 bad JSON is 400 with its own text', async () => {
  const answer = await given.api.post(`/entities/counter/${freshKey()}?op=add`, {
    raw: '{"a":',
    headers: { 'content-type': 'application/json' },
  });
  expect(expectError(answer, 400)['Message']).toMatch(/^Could not parse JSON content: /);
});

it('#235 DELETE removes the state, whatever op says', async () => {
  const key = await existing();
  expectEmpty(await given.api.delete(`/entities/counter/${key}?op=add`), 202);
  await waitFor(async () => (await given.api.get(`/entities/counter/${key}`)).statusCode === 404, { what: 'the end' });
});

it('#236 an entity that no live worker has is 400', async () => {
  const answer = await given.api.post('/entities/nobody/k?op=add', { body: 1 });
  expect(expectError(answer, 400)['Message']).toMatch(
    /^The function 'nobody' doesn't exist, is disabled, or is not an entity/,
  );
});

it.each(['a%23b', 'a%2Fb', 'a%5Cb', 'a%3Fb', 'a%01b', 'x'.repeat(300)])('#237 the key %s is 400', async (key) => {
  expectError(await given.api.post(`/entities/counter/${key}?op=add`, { body: 1 }), 400);
  expectError(await given.api.delete(`/entities/counter/${key}`), 400);
});

it('#238 a signal without a key is for the empty one, which GET calls $', async () => {
  expectEmpty(await given.api.post('/entities/counter?op=set', { body: 'empty' }), 202);
  await reachState('counter/$', 'empty');
  // Only there: elsewhere it is a key like any other.
  expectEmpty(await given.api.post('/entities/counter/$?op=set', { body: 'dollar' }), 202);
  await waitFor(
    async () => (await given.hub.client.readEntityState({ name: 'counter', key: '$' })).entityState === 'dollar',
    { what: 'the entity $' },
  );
  expectEmpty(await given.api.delete('/entities/counter'), 202);
  await waitFor(async () => (await given.api.get('/entities/counter/$')).statusCode === 404, { what: 'the end' });
});

it('#239 without a name it is 400', async () => {
  expectError(await given.api.post('/entities', { body: 1 }), 400);
  expectError(await given.api.delete('/entities'), 400);
});

it('#240 - #243 the list has entities with a state, of all names or of one; the state only when it is asked for', async () => {
  const key = await existing({ a: [1] });
  const all = await given.api.get('/entities?top=1000');
  expect(all.statusCode).toBe(200);
  expect(all.headers['x-ms-continuation-token']).toBe('');
  const entry = {
    entityId: { name: 'counter', key },
    lastOperationTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z$/),
    state: null,
  };
  expect(all.json()).toContainEqual(entry);
  const named = await given.api.get('/entities/COUNTER?top=1000&fetchState=true');
  expect(named.json()).toContainEqual({ ...entry, state: { a: [1] } });
});

it('#244 pages are complete, then the token is empty', async () => {
  const keys = [await existing(), await existing(), await existing()].sort();
  const found: string[] = [];
  let token = '';
  do {
    const page = await given.api.get('/entities/counter?top=1', {
      headers: token === '' ? {} : { 'x-ms-continuation-token': token },
    });
    expect(page.statusCode, page.body).toBe(200);
    found.push(...page.json().map((one: { entityId: { key: string } }) => one.entityId.key));
    token = String(page.headers['x-ms-continuation-token']);
  } while (token !== '');
  expect(found.filter((key) => keys.includes(key))).toEqual(keys);
  expect(new Set(found).size).toBe(found.length);
});

it('a token that is not one of this list is 400', async () => {
  expectError(await given.api.get('/entities', { headers: { 'x-ms-continuation-token': 'garbage' } }), 400);
});

it('#245 an unknown name has an empty list', async () => {
  expect((await given.api.get('/entities/nobody')).json()).toEqual([]);
  expect((await given.api.get('/entities/a@b')).json()).toEqual([]);
});

it('#246 a deleted entity is not listed', async () => {
  const key = await existing();
  await given.api.delete(`/entities/counter/${key}`);
  await waitFor(async () => !(await given.api.get('/entities?top=1000')).body.includes(key), { what: 'the end' });
});

it('#247 more segments are an empty 404', async () => {
  expectEmpty(await given.api.get('/entities/a/b/c'), 404);
  expectEmpty(await given.api.post('/entities/a/b/c'), 404);
});

it('#248 a window in the future has an empty list; one around now has all', async () => {
  const key = await existing();
  expect((await given.api.get('/entities?lastOperationTimeFrom=2999-01-01')).json()).toEqual([]);
  expect((await given.api.get('/entities?lastOperationTimeTo=2000-01-01')).json()).toEqual([]);
  const window = 'lastOperationTimeFrom=2000-01-01T00:00:00Z&lastOperationTimeTo=2999-01-01';
  expect((await given.api.get(`/entities?top=1000&${window}`)).body).toContain(key);
});

it('#155 entities are among the instances, as running ones', async () => {
  const key = await existing();
  const id = `@counter@${key}`;
  const listed = await given.api.get(`/instances?instanceIdPrefix=${encodeURIComponent(id)}`);
  expect(listed.json()).toEqual([
    expect.objectContaining({ name: '@counter', instanceId: id, runtimeStatus: 'Running', input: null, output: null }),
  ]);
  expect((await given.api.get(`/instances/${encodeURIComponent(id)}`)).statusCode).toBe(202);
});

it('what steers orchestrations finds no entity', async () => {
  const id = encodeURIComponent(`@counter@${await existing()}`);
  for (const operation of ['terminate', 'suspend', 'resume']) {
    expectEmpty(await given.api.post(`/instances/${id}/${operation}`), 404);
  }
  expectEmpty(await given.api.post(`/instances/${id}/raiseEvent/E`, { body: 1 }), 404);
});

it('an entity is purged by its instance id; a missing one is 404', async () => {
  const key = await existing();
  const id = encodeURIComponent(`@counter@${key}`);
  const answer = await given.api.delete(`/instances/${id}`);
  expect(answer.json()).toEqual({ instancesDeleted: 1 });
  expectEmpty(await given.api.get(`/entities/counter/${key}`), 404);
  expectEmpty(await given.api.delete(`/instances/${id}`), 404);
});

it('#169 a purge by filter leaves entities alone', async () => {
  const key = await existing('stays');
  await given.api.delete('/instances?createdTimeFrom=2000-01-01');
  await reachState(`counter/${key}`, 'stays');
});

it('other mounts, and fixed segments in any case, work too', async () => {
  const key = await existing(7);
  expect((await given.api.send('GET', `/durabletask/Entities/counter/${key}`)).body).toBe('7');
  expect((await given.api.send('GET', `${W}/ENTITIES/counter/${key}/`)).body).toBe('7');
});

it('hubs are apart from each other', async () => {
  const key = await existing(1);
  expectEmpty(await given.api.get(`/entities/counter/${key}?taskHub=elsewhere`), 404);
  // No worker is known there: one that has the entity may be on its way.
  expectEmpty(await given.api.post(`/entities/anything/${key}?taskHub=elsewhere&op=add`, { body: 1 }), 202);
});
