/** What operators do is recorded: who, when, from where, why, on what, and what came of it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { Pruning } from '../../src/client/pruning.ts';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { waitFor } from '../support/wait-for.ts';
import { type Api, expectEmpty, expectError, stage, W } from './support.ts';

const it6 = stage();
const systemKey = 'the system key';
const system = { 'x-functions-key': systemKey };
const operator = { ...system, 'user-agent': 'curl/8' };
let api: Api;

beforeAll(async () => {
  api = await it6.server({ systemKey });
});

type Record_ = Readonly<Record<string, unknown>>;

async function audit(query: string): Promise<readonly Record_[]> {
  const answer = await api.get(`/audit?${query}`, { headers: system });
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
}

const steer = (id: string, operation: string, headers: Record<string, string> = operator) =>
  api.post(`/instances/${id}/${operation}`, { headers });

describe('records', () => {
  test('say by whom an instance was suspended, when somebody asks why it does not move', async () => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await steer(id, 'suspend?reason=night%20shift'), 202);
    await it6.api.reach(id, 'Suspended');
    const answer = await api.get(`/instances/${id}/explain`, { headers: system });
    expect(answer.statusCode, answer.body).toBe(200);
    expect(answer.json()).toMatchObject({
      kind: 'suspended',
      reasons: [{ text: 'it was suspended by system (night shift)' }, {}],
    });
    expectEmpty(await api.get('/instances/nobody/explain', { headers: system }), 404);
  });

  test('of terminate, suspend, resume, restart and purge say everything', async () => {
    const id = await it6.api.running('WaitGo', undefined, 'steered');
    const suspended = await steer(id, 'suspend?reason=too%20early');
    expectEmpty(suspended, 202);
    expectEmpty(await steer(id, 'resume'), 202);
    expectEmpty(await steer(id, 'terminate?reason=enough&code=not-a-key'), 202);
    await it6.api.reach(id, 'Terminated');
    const restarted = await steer(id, 'restart');
    expect(restarted.statusCode).toBe(202);
    expect((await api.delete(`/instances/${id}`, { headers: operator })).statusCode).toBe(200);
    const records = await audit(`target=${id}`);
    const common = {
      taskHub: 'default',
      target: id,
      outcome: 'accepted',
      actor: 'system',
      actorKind: 'system',
      address: '127.0.0.1',
      userAgent: 'curl/8',
      requestId: expect.any(String),
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    };
    expect(records).toEqual(
      [
        { action: 'purge', reason: null, detail: null },
        { action: 'restart', reason: null, detail: `202 {"id":"${restarted.json().id}"}` },
        { action: 'terminate', reason: 'enough', detail: null },
        { action: 'resume', reason: null, detail: null },
        { action: 'suspend', reason: 'too early', detail: null },
      ].map((one) => ({ id: expect.any(String), ...common, ...one })),
    );
    expect(records.at(-1)?.['requestId']).toBe(suspended.headers['x-request-id']);
    expect(JSON.stringify(records)).not.toContain(systemKey);
    expect(JSON.stringify(records)).not.toContain('not-a-key');
  });

  test('of the end of an instance that nobody has begun', async () => {
    const id = await it6.api.pending('nobody-works');
    expectEmpty(await steer(id, 'terminate?taskHub=nobody-works&reason=r'), 202);
    expect(await audit(`target=${id}`)).toMatchObject([
      { action: 'terminate', taskHub: 'nobody-works', outcome: 'accepted', reason: 'r' },
    ]);
    expect(await audit(`target=${id}&taskHub=default`)).toEqual([]);
  });

  test('of what was refused say so, once', async () => {
    const done = await it6.api.run('Echo', 1);
    const live = await it6.api.running('WaitGo');
    const key = await api.send('POST', '/admin/keys', { body: { name: 'reader', scopes: ['read'] }, headers: system });
    expectEmpty(await steer('nobody-here', 'terminate'), 404);
    expectEmpty(await steer(done, 'terminate'), 410);
    expectError(await steer(live, 'resume'), 409);
    expect((await api.delete(`/instances/${live}`, { headers: operator })).statusCode).toBe(412);
    expectError(await steer(live, 'terminate', { 'x-functions-key': String(key.json().value) }), 403);
    // Nobody that we know: not worth a record, of which anybody could make any number.
    expectEmpty(await steer(live, 'terminate', {}), 401);
    const refused = { outcome: 'refused' };
    expect(await audit('target=nobody-here')).toMatchObject([{ ...refused, action: 'terminate', detail: '404' }]);
    expect(await audit(`target=${done}`)).toMatchObject([{ ...refused, detail: '410' }]);
    expect(await audit(`target=${live}`)).toMatchObject([
      { ...refused, action: 'terminate', actor: 'reader', actorKind: 'key', detail: '403' },
      { ...refused, action: 'purge', detail: '412' },
      { ...refused, action: 'resume', detail: '409' },
    ]);
  });

  test('of a purge of many have its filters and how many there were', async () => {
    const hub = 'purged-hub';
    const ids = await Promise.all([it6.api.pending(hub), it6.api.pending(hub)]);
    for (const id of ids) expectEmpty(await steer(id, `terminate?taskHub=${hub}`), 202);
    const query = `createdTimeFrom=2000-01-01&taskHub=${hub}&runtimeStatus=Terminated`;
    const purged = await api.send('DELETE', `${W}/instances?${query}&code=${encodeURIComponent(systemKey)}`);
    expect(purged.json()).toEqual({ instancesDeleted: 2 });
    expect(await audit(`taskHub=${hub}&action=purgeMany`)).toMatchObject([
      { target: null, outcome: 'accepted', detail: `${query} 200 {"instancesDeleted":2}`, actor: 'system' },
    ]);
    const bad = await api.delete(`/instances?taskHub=${hub}&createdTimeFrom=yesterday`, { headers: system });
    expect(bad.statusCode).toBe(400);
    expect(await audit(`taskHub=${hub}&action=purgeMany&outcome=refused`)).toHaveLength(1);
  });

  test('of links name what they were good for', async () => {
    const started = await api.post('/orchestrators/WaitGo?signedLinks=true', { headers: system });
    const { id, terminatePostUri } = started.json();
    await it6.api.reach(id, 'Running');
    const link = new URL(terminatePostUri);
    expectEmpty(await api.send('POST', link.pathname + link.search), 202);
    expect(await audit(`target=${id}`)).toMatchObject([{ actor: 'link to terminate', actorKind: 'link' }]);
    expect(JSON.stringify(await audit(`target=${id}`))).not.toContain('perdure-link');
  });

  test('of keys are made with them', async () => {
    const made = await api.send('POST', '/admin/keys', { body: { name: 'k1', scopes: ['read'] }, headers: operator });
    await api.send('POST', '/admin/keys/k1/rotate', { headers: operator });
    await api.send('DELETE', '/admin/keys/k1', { headers: operator });
    await api.send('DELETE', '/admin/keys/k1', { headers: operator });
    const records = await audit('target=k1');
    expect(records.map((one) => one['action'])).toEqual(['revokeKey', 'rotateKey', 'createKey']);
    expect(records[2]).toMatchObject({ actor: 'system', userAgent: 'curl/8', detail: 'scopes: read' });
    expect(JSON.stringify(records)).not.toContain(made.json().value);
  });

  test('of what is done to whole trees say so', async () => {
    const id = await it6.api.running('Calls', { name: 'WaitGo' });
    expectEmpty(await steer(id, 'terminate?recursive=true&reason=all'), 202);
    await it6.api.reach(id, 'Terminated');
    await waitFor(
      async () => (await api.delete(`/instances/${id}?recursive=true`, { headers: operator })).statusCode === 200,
      { what: 'all of the tree to have ended' },
    );
    const [purged, ...others] = await audit(`target=${id}&outcome=accepted`);
    expect(purged).toMatchObject({ action: 'purge', detail: 'recursive=true' });
    expect(others).toMatchObject([{ action: 'terminate', reason: 'all', detail: 'recursive=true' }]);
    const plain = await it6.api.running('WaitGo');
    expectEmpty(await steer(plain, 'suspend?recursive=true'), 202);
    expectEmpty(await steer(plain, 'terminate?recursive=false'), 202);
    expect((await audit(`target=${plain}`)).map((one) => one['detail'])).toEqual([null, null]);
  });

  test('of a start that ended a live instance, and of one that was not allowed to', async () => {
    const id = await it6.api.running('WaitGo', undefined, 'made-way');
    const start = (query: string, headers: Record<string, string> = operator) =>
      api.post(`/orchestrators/Echo/${id}?${query}`, { body: 1, headers });
    const writer = await api.send('POST', '/admin/keys', { body: { name: 'w', scopes: ['write'] }, headers: system });
    expectError(await start('onExisting=terminate', { 'x-functions-key': String(writer.json().value) }), 403);
    expectError(await start('onExisting=replace'), 409);
    expect((await start('onExisting=Terminate')).statusCode).toBe(202);
    await it6.api.reach(id, 'Completed');
    // Now nothing lives under this id: to start over is no action of an operator.
    expect((await start('onExisting=terminate')).statusCode).toBe(202);
    expect((await api.post('/orchestrators/Echo?onExisting=terminate', { headers: operator })).statusCode).toBe(202);
    expect(await audit(`target=${id}`)).toMatchObject([
      { action: 'terminateAndStart', outcome: 'accepted', actor: 'system', detail: `202 {"id":"${id}"}` },
      { action: 'terminateAndStart', outcome: 'refused', actor: 'w', detail: '403' },
    ]);
  });

  test('of the end of an entity, asked for by DELETE or by its operation', async () => {
    const signal = (path: string) => api.post(`/entities/${path}`, { body: 1, headers: operator });
    expectEmpty(await signal('counter/audited?op=add'), 202);
    expectEmpty(await api.delete('/entities/Counter/audited', { headers: operator }), 202);
    expectEmpty(await signal('counter/audited?op=delete'), 202);
    expectError(await api.delete('/entities/nobody/audited', { headers: operator }), 400);
    const common = { action: 'deleteEntity', actor: 'system' };
    expect(await audit(`target=${encodeURIComponent('@counter@audited')}`)).toMatchObject([
      { ...common, outcome: 'accepted', detail: '202' },
      { ...common, outcome: 'accepted', detail: '202' },
    ]);
    expect(await audit(`target=${encodeURIComponent('@nobody@audited')}`)).toMatchObject([
      { ...common, outcome: 'refused', detail: '400' },
    ]);
    expectEmpty(await api.delete('/entities/counter', { headers: operator }), 202);
    expect(await audit(`target=${encodeURIComponent('@counter@')}`)).toHaveLength(1);
  });

  test('starts and events are none', async () => {
    const started = await api.post('/orchestrators/WaitGo/not-steered', { headers: system });
    expect(started.statusCode).toBe(202);
    expectEmpty(await api.post('/instances/not-steered/raiseEvent/Go', { body: 1, headers: system }), 202);
    expect(await audit('target=not-steered')).toEqual([]);
  });

  test('many at once are each recorded, beside messages that are not', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => it6.api.running('WaitGo')));
    await Promise.all(
      ids.flatMap((id, at) => [
        api.post(`/instances/${id}/raiseEvent/Other`, { body: at, headers: system }),
        steer(id, `terminate?reason=${encodeURIComponent(`"${at}" 'x' \\ \u{1f419}`)}`),
      ]),
    );
    for (const [at, id] of ids.entries()) {
      expect(await audit(`target=${id}`)).toMatchObject([
        { action: 'terminate', outcome: 'accepted', reason: `"${at}" 'x' \\ \u{1f419}` },
      ]);
    }
  });
});

describe('the list', () => {
  test('pages from the newest to the oldest', async () => {
    const hub = 'paged-hub';
    for (let at = 0; at < 5; at += 1) expectEmpty(await steer(`gone-${at}`, `terminate?taskHub=${hub}`), 404);
    const seen: unknown[] = [];
    let token = '';
    do {
      const headers = token === '' ? system : { ...system, 'x-ms-continuation-token': token };
      const page = await api.get(`/audit?taskHub=${hub}&top=2`, { headers });
      seen.push(...page.json().map((one: Record_) => one['target']));
      token = String(page.headers['x-ms-continuation-token']);
    } while (token !== '');
    expect(seen).toEqual(['gone-4', 'gone-3', 'gone-2', 'gone-1', 'gone-0']);
  });

  test('filters by time, actor and outcome', async () => {
    expectEmpty(await steer('timed', 'terminate'), 404);
    const [record] = await audit('target=timed');
    const time = String(record?.['time']);
    expect(
      await audit(`target=timed&from=${time}&to=${time}&actor=SYSTEM&outcome=Refused&action=Terminate`),
    ).toHaveLength(1);
    expect(await audit(`target=timed&from=2999-01-01`)).toEqual([]);
    expect(await audit(`target=timed&to=2000-01-01`)).toEqual([]);
    expect(await audit('target=timed&outcome=failed')).toEqual([]);
    expect(await audit('target=timed&actor=other')).toEqual([]);
  });

  test.each(['top=0', 'top=x', 'from=yesterday', 'to=2024-02-30', 'outcome=maybe', 'target=a%00b'])(
    '%s is 400',
    async (query) => {
      expectError(await api.get(`/audit?${query}`, { headers: system }), 400);
    },
  );

  test('a token of another list is 400', async () => {
    const headers = { ...system, 'x-ms-continuation-token': 'eyJhIjoxfQ.0123456789' };
    expectError(await api.get('/audit', { headers }), 400);
  });

  test('is for admins, and on an open service for its own machine', async () => {
    const key = await api.send('POST', '/admin/keys', {
      body: { name: 'both', scopes: ['read', 'write'] },
      headers: system,
    });
    expectEmpty(await api.get('/audit'), 401);
    expectError(await api.get('/audit', { headers: { 'x-functions-key': String(key.json().value) } }), 403);
    expect((await it6.api.get('/audit')).statusCode).toBe(200);
    expect((await it6.api.get('/audit', { headers: { 'x-forwarded-for': '203.0.113.7' } })).statusCode).toBe(401);
  });
});

test('records that are old enough are removed, the others stay', async () => {
  expectEmpty(await steer('old-one', 'terminate'), 404);
  expectEmpty(await steer('new-one', 'terminate'), 404);
  await it6.query(`update audit set at = now() - interval '91 days' where target = 'old-one'`);
  const store = openPostgresStore({ connectionString: it6.database.url, schema: it6.database.schema });
  const pruning = new Pruning(() => store.access.pruneAudit(90 * 86_400_000));
  try {
    pruning.start(1);
    await waitFor(async () => (await audit('target=old-one')).length === 0, { what: 'the old record to go' });
    expect(await audit('target=new-one')).toHaveLength(1);
  } finally {
    pruning.stop();
    await store.close();
  }
});

test('an action is done and answered also when it cannot be recorded, and the log has it', async () => {
  const lines: unknown[] = [];
  const fail = () => Promise.reject(new Error('no audit today'));
  const access = Object.assign(Object.create(it6.hub.access) as typeof it6.hub.access, { record: fail, finish: fail });
  const deaf = await it6.server({}, { clients: it6.hub.clients, access });
  deaf.app.log.error = (line: unknown) => void lines.push(line);
  expectEmpty(await deaf.post('/instances/unrecorded/terminate'), 404);
  expect(lines).toMatchObject([{ audit: { action: 'terminate', target: 'unrecorded', outcome: 'refused' } }]);
});
