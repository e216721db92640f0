/** The same done to all instances that match: an addition to the API of Azure. */
import { beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { mend } from './fixtures.ts';
import { type Api, expectEmpty, expectError, stage } from './support.ts';

const it6 = stage();
const tokenHeader = 'x-ms-continuation-token';
let hubs = 0;

/** A hub without workers with Pending instances of these ids. */
async function hubWith(...ids: string[]): Promise<string> {
  const hub = `bulk-${(hubs += 1)}`;
  for (const id of ids) {
    expect((await it6.api.post(`/orchestrators/WaitGo/${id}?taskHub=${hub}`)).statusCode).toBe(202);
  }
  return hub;
}

async function done(path: string): Promise<Record<string, unknown>> {
  const answer = await it6.api.post(`/bulk/${path}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
}

async function statuses(hub: string): Promise<Record<string, unknown>> {
  const answer = await it6.api.get(`/instances?taskHub=${hub}`);
  const all: readonly { readonly instanceId: string; readonly runtimeStatus: string }[] = answer.json();
  return Object.fromEntries(all.map((one) => [one.instanceId, one.runtimeStatus]));
}

const outcome = (accepted: readonly string[], more: object = {}) => ({
  dryRun: false,
  matched: accepted.length,
  accepted: accepted.length,
  refused: 0,
  instanceIds: accepted,
  ...more,
});

describe('a bulk operation', () => {
  test('terminates what matches, and nothing else', async () => {
    const hub = await hubWith('a1', 'a2', 'b1');
    const answer = await it6.api.post(`/bulk/terminate?taskHub=${hub}&instanceIdPrefix=a&reason=enough`);
    expect([answer.statusCode, answer.json()]).toEqual([200, outcome(['a1', 'a2'])]);
    expect(answer.headers[tokenHeader]).toBe('');
    expect(await statuses(hub)).toEqual({ a1: 'Terminated', a2: 'Terminated', b1: 'Pending' });
    expect(await it6.api.status('a1', `?taskHub=${hub}`)).toMatchObject({ output: 'enough' });
    expect(await done(`terminate?taskHub=${hub}&instanceIdPrefix=a`)).toEqual(outcome([]));
    expect(await done(`TERMINATE?taskHub=${hub}&name=waitgo`)).toEqual(outcome(['b1']));
  });

  test('with dryRun says what it would do, and does nothing', async () => {
    const hub = await hubWith('a', 'b');
    expect(await done(`terminate?taskHub=${hub}&all=true&dryRun=true`)).toEqual(outcome(['a', 'b'], { dryRun: true }));
    expect(await done(`suspend?taskHub=${hub}&all=true&dryRun=true`)).toEqual(outcome(['a', 'b'], { dryRun: true }));
    expect(await done(`resume?taskHub=${hub}&all=true&dryRun=true`)).toEqual(outcome([], { dryRun: true }));
    expect(await done(`rewind?taskHub=${hub}&all=true&dryRun=true`)).toEqual(outcome([], { dryRun: true }));
    expect(await statuses(hub)).toEqual({ a: 'Pending', b: 'Pending' });
  });

  test('suspends and resumes running instances, once each', async () => {
    const ids = ['sr-1', 'sr-2', 'sr-3'];
    for (const id of ids) await it6.api.running('WaitGo', undefined, id);
    expect(await done('suspend?instanceIdPrefix=sr-')).toEqual(outcome(ids));
    for (const id of ids) await it6.api.reach(id, 'Suspended');
    expect(await done('suspend?instanceIdPrefix=sr-')).toEqual(outcome([]));
    expect(await done('resume?instanceIdPrefix=sr-')).toEqual(outcome(ids));
    for (const id of ids) await it6.api.reach(id, 'Running');
  });

  test('rewinds what has failed', async () => {
    for (const id of ['rw-1', 'rw-2']) await it6.api.run('ActsBroken', id, id);
    await it6.api.run('Echo', 1, 'rw-3');
    mend('rw-1');
    mend('rw-2');
    expect(await done('rewind?instanceIdPrefix=rw-&createdTimeFrom=2020-01-01')).toEqual(outcome(['rw-1', 'rw-2']));
    expect(await it6.api.reach('rw-1', 'Completed')).toMatchObject({ output: 'works' });
    await it6.api.reach('rw-2', 'Completed');
  });

  test('of a terminate may take the sub-orchestrations along', async () => {
    const input = { name: 'WaitGo' };
    await it6.api.running('Calls', input, 'tree-1');
    const child = await waitFor(
      async () => {
        const all = (await it6.api.get('/instances?name=WaitGo&runtimeStatus=Running')).json();
        return all.find((one: { instanceId: string }) => !one.instanceId.startsWith('sr-'))?.instanceId;
      },
      { what: 'the child' },
    );
    expect(await done('terminate?name=Calls&recursive=true')).toEqual(outcome(['tree-1']));
    await it6.api.reach('tree-1', 'Terminated');
    await it6.api.reach(child, 'Terminated');
  });

  test('never touches entities', async () => {
    expectEmpty(await it6.api.post('/entities/counter/bulky?op=add', { body: 1 }), 202);
    await waitFor(async () => (await it6.api.get('/entities/counter/bulky')).statusCode === 200);
    expect(await done('terminate?instanceIdPrefix=@')).toEqual(outcome([]));
  });

  test('stops at top, and says where to go on', async () => {
    const hub = await hubWith('a', 'b', 'c', 'd', 'e');
    const first = await it6.api.post(`/bulk/terminate?taskHub=${hub}&all=true&top=2`);
    expect(first.json()).toEqual(outcome(['a', 'b']));
    const token = String(first.headers[tokenHeader]);
    expect(token).not.toBe('');
    const headers = { [tokenHeader]: token };
    const rest = await it6.api.post(`/bulk/terminate?taskHub=${hub}&all=true&top=3`, { headers });
    expect(rest.json()).toEqual(outcome(['c', 'd', 'e']));
    expect(rest.headers[tokenHeader]).toBe('');
    expectError(await it6.api.post(`/bulk/suspend?taskHub=${hub}&all=true`, { headers }), 400);
  });

  test('goes through more than one page', async () => {
    const ids = Array.from({ length: 620 }, (_, n) => `many-${String(n).padStart(3, '0')}`);
    const client = it6.hub.clients.open('bulk-many');
    await Promise.all(ids.map((instanceId) => client.startNew('WaitGo', { instanceId })));
    const result = await done('terminate?taskHub=bulk-many&name=WaitGo');
    expect(result).toMatchObject({ matched: 620, accepted: 620, refused: 0 });
    expect([...(result['instanceIds'] as string[])].sort()).toEqual(ids);
    const { byStatus } = (await it6.api.get('/counts?taskHub=bulk-many')).json();
    expect(byStatus).toMatchObject({ Pending: 0, Terminated: 620 });
  });

  test.each([
    ['', 'nothing says which'],
    ['runtimeStatus=', 'an empty filter'],
    ['taskHub=default', 'a hub is no filter'],
    ['all=false', 'not all'],
    ['all=yes', 'no flag'],
    ['all=true&dryRun=1', 'no flag'],
    ['all=true&top=0', 'none'],
    ['all=true&top=100001', 'too many'],
    ['all=true&top=x', 'no number'],
    ['runtimeStatus=bogus', 'no status'],
    ['createdTimeFrom=now', 'no time'],
    ['all=true&reason=a%00', 'no text'],
    ['tag=x', 'no tag'],
  ])('with ?%s is 400: %s', async (query) => {
    for (const operation of ['terminate', 'suspend', 'resume', 'rewind']) {
      expectError(await it6.api.post(`/bulk/${operation}?${query}`), 400);
    }
  });

  test('is a POST of one of four kinds', async () => {
    expectEmpty(await it6.api.get('/bulk/terminate?all=true'), 404);
    expectEmpty(await it6.api.post('/bulk/purge?all=true'), 404);
    expectEmpty(await it6.api.post('/bulk?all=true'), 404);
  });
});

describe('operators', () => {
  const system = { 'x-functions-key': 'the system key' };
  let api: Api;

  beforeAll(async () => {
    api = await it6.server({ systemKey: 'the system key' });
  });

  test('need the scope admin', async () => {
    const made = await api.send('POST', '/admin/keys', {
      body: { name: 'w', scopes: ['read', 'write'] },
      headers: system,
    });
    const headers = { 'x-functions-key': String(made.json().value) };
    expectError(await api.post('/bulk/terminate?name=Nobody', { headers }), 403);
    expectEmpty(await api.post('/bulk/terminate?name=Nobody'), 401);
    expect((await api.get('/counts', { headers })).statusCode).toBe(200);
  });

  test('are recorded, with the filters and what came of it', async () => {
    const hub = await hubWith('audited');
    const answer = await api.post(`/bulk/terminate?taskHub=${hub}&name=WaitGo&reason=r`, { headers: system });
    expect(answer.statusCode).toBe(200);
    const records = await api.get('/audit?action=bulkTerminate&actor=system', { headers: system });
    expect(records.json()).toMatchObject([
      {
        action: 'bulkTerminate',
        taskHub: hub,
        target: null,
        actor: 'system',
        reason: 'r',
        detail: `taskHub=${hub}&name=WaitGo&reason=r 200 {"dryRun":false,"matched":1,"accepted":1,"refused":0}`,
      },
    ]);
    // One for the whole, not one for each.
    expect((await api.get('/audit?action=terminate', { headers: system })).json()).toEqual([]);
  });
});

describe('the client in process', () => {
  test('has the same operation', async () => {
    const hub = await hubWith('a', 'b');
    const client = it6.hub.clients.open(hub);
    await expect(client.bulk('terminate', {})).rejects.toMatchObject({ code: 'InvalidArgument' });
    await expect(client.bulk('purge' as 'rewind', { name: 'x' })).rejects.toMatchObject({ code: 'InvalidArgument' });
    const stopped = await client.bulk('terminate', {}, { all: true, signal: AbortSignal.abort() });
    expect(stopped).toMatchObject({ matched: 0, accepted: 0 });
    expect(await client.bulk('terminate', { instanceIdPrefix: 'b' })).toEqual(outcome(['b']));
    expect(await client.countBy({})).toMatchObject({ Pending: 1, Terminated: 1 });
  });
});
