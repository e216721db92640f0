/** Filters by what the starts said, and counts by status: additions to the API of Azure. Every test has a hub of its own. */
import { describe, expect, test } from 'vitest';
import { expectEmpty, expectError, stage } from './support.ts';

const it6 = stage();
let hubs = 0;

/** A hub without workers, with instances that were started with these queries. */
async function hubWith(starts: Readonly<Record<string, string>>): Promise<string> {
  const hub = `filter-${(hubs += 1)}`;
  for (const [path, query] of Object.entries(starts)) {
    const answer = await it6.api.post(`/orchestrators/${path}?taskHub=${hub}&${query}`);
    expect(answer.statusCode, answer.body).toBe(202);
  }
  return hub;
}

async function ids(query: string): Promise<string[]> {
  const answer = await it6.api.get(`/instances?${query}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json().map((one: { instanceId: string }) => one.instanceId);
}

async function counts(query: string): Promise<unknown> {
  const answer = await it6.api.get(`/counts?${query}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
}

const none = { Pending: 0, Running: 0, Suspended: 0, Completed: 0, Failed: 0, Terminated: 0, Canceled: 0 };

describe('a list', () => {
  test('can be of one orchestration, version or tag, or of all of these', async () => {
    const hub = await hubWith({
      'Echo/a': 'version=1&tag=team=payments&tag=tier=gold',
      'Echo/b': 'version=2&tag=team=payments',
      'WaitGo/c': 'version=1&tag=team=a%3Db',
      'WaitGo/d': '',
    });
    const cases: [query: string, expected: string[]][] = [
      ['name=echo', ['a', 'b']],
      ['NAME=%20WaitGo%20', ['c', 'd']],
      ['name=Ech', []],
      ['name=', ['a', 'b', 'c', 'd']],
      ['version=1', ['a', 'c']],
      ['version=', ['a', 'b', 'c', 'd']],
      ['version=1.0', []],
      ['tag=team=payments', ['a', 'b']],
      ['tag=team=payments&tag=tier=gold', ['a']],
      ['tag=team=a=b', ['c']],
      ['tag=tier=', []],
      ['tag=', ['a', 'b', 'c', 'd']],
      ['name=WaitGo&version=1&runtimeStatus=Pending&createdTimeFrom=2020-01-01', ['c']],
      ['name=Echo&instanceIdPrefix=b', ['b']],
    ];
    for (const [query, expected] of cases) {
      expect([query, await ids(`taskHub=${hub}&${query}`)]).toEqual([query, expected]);
    }
  });

  test.each([
    'tag=payments',
    'tag==x',
    'tag=a%00=b',
    'name=a%00',
    `name=${'x'.repeat(257)}`,
    `version=${'1'.repeat(101)}`,
    'version=%01x',
    `tag=a=${'x'.repeat(9_000)}`,
  ])('with %s is 400', async (query) => {
    expectError(await it6.api.get(`/instances?${query}`), 400);
    expectError(await it6.api.get(`/counts?${query}`), 400);
    const purged = await it6.api.delete(`/instances?createdTimeFrom=2020-01-01&${query}`);
    expect([purged.statusCode, typeof purged.json()]).toEqual([400, 'string']);
  });

  test('goes on with the filters of its first page only', async () => {
    const hub = await hubWith({ 'Echo/a': '', 'Echo/b': '', 'Echo/c': '' });
    const first = await it6.api.get(`/instances?taskHub=${hub}&name=Echo&top=2`);
    const headers = { 'x-ms-continuation-token': String(first.headers['x-ms-continuation-token']) };
    const second = await it6.api.get(`/instances?taskHub=${hub}&name=ECHO&top=2`, { headers });
    expect(second.json()).toMatchObject([{ instanceId: 'c' }]);
    expectError(await it6.api.get(`/instances?taskHub=${hub}&name=Other&top=2`, { headers }), 400);
  });
});

describe('counts', () => {
  test('have every status, and honour the filters of a list', async () => {
    const hub = await hubWith({ 'Echo/a1': 'tag=k=v', 'Echo/a2': '', 'WaitGo/b1': '', 'WaitGo/b2': '' });
    expectEmpty(await it6.api.post(`/instances/b2/terminate?taskHub=${hub}`), 202);
    expect(await counts(`taskHub=${hub}`)).toEqual({ total: 4, byStatus: { ...none, Pending: 3, Terminated: 1 } });
    const cases: [query: string, expected: object][] = [
      ['name=waitgo', { total: 2, byStatus: { ...none, Pending: 1, Terminated: 1 } }],
      ['runtimeStatus=Terminated', { total: 1, byStatus: { ...none, Terminated: 1 } }],
      ['runtimeStatus=Pending', { total: 3, byStatus: { ...none, Pending: 3 } }],
      ['tag=k=v', { total: 1, byStatus: { ...none, Pending: 1 } }],
      ['instanceIdPrefix=a', { total: 2, byStatus: { ...none, Pending: 2 } }],
      ['createdTimeTo=2020-01-01', { total: 0, byStatus: none }],
      ['runtimeStatus=77', { total: 0, byStatus: none }],
    ];
    for (const [query, expected] of cases) {
      expect([query, await counts(`taskHub=${hub}&${query}`)]).toEqual([query, expected]);
    }
    expect(await counts('taskHub=never-used')).toEqual({ total: 0, byStatus: none });
  });

  test.each(['runtimeStatus=bogus', 'createdTimeFrom=now', 'createdTimeTo=1'])('with %s are 400', async (query) => {
    expectError(await it6.api.get(`/counts?${query}`), 400);
  });

  test('are no instance of that name', async () => {
    await it6.api.run('Echo', 1, 'counts');
    expect((await it6.api.get('/instances/counts')).statusCode).toBe(200);
    expectEmpty(await it6.api.post('/counts'), 404);
  });
});

describe('a purge by filter', () => {
  test('honours the filters of a list too, and with dryRun only counts', async () => {
    const hub = await hubWith({ 'Echo/a': 'tag=k=v', 'Echo/b': '', 'WaitGo/c': 'tag=k=v', 'WaitGo/live': 'tag=k=v' });
    for (const id of ['a', 'b', 'c']) {
      expectEmpty(await it6.api.post(`/instances/${id}/terminate?taskHub=${hub}`), 202);
    }
    const purge = (query: string) => it6.api.delete(`/instances?taskHub=${hub}&createdTimeFrom=2020-01-01&${query}`);
    expect((await purge('tag=k=v&dryRun=true')).json()).toEqual({ instancesDeleted: 0, instancesMatched: 2 });
    expect((await purge('dryRun=true&runtimeStatus=Terminated')).json()).toEqual({
      instancesDeleted: 0,
      instancesMatched: 3,
    });
    expectEmpty(await purge('dryRun=true&runtimeStatus=Running'), 404);
    expectEmpty(await purge('dryRun=true&name=Nobody'), 404);
    expect(await ids(`taskHub=${hub}`)).toEqual(['a', 'b', 'c', 'live']);
    expect((await purge('name=echo&tag=k=v')).json()).toEqual({ instancesDeleted: 1 });
    expect(await ids(`taskHub=${hub}`)).toEqual(['b', 'c', 'live']);
    const unclear = await purge('dryRun=perhaps');
    expect([unclear.statusCode, typeof unclear.json()]).toEqual([400, 'string']);
    expect(await ids(`taskHub=${hub}`)).toEqual(['b', 'c', 'live']);
  });
});
