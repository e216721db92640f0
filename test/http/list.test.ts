/** Listing instances (http-api.md 6.6). Every test has a hub of its own. */
import { describe, expect, test } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { expectError, stage } from './support.ts';

const it6 = stage();
const tokenHeader = 'x-ms-continuation-token';
let hubs = 0;

/** A hub without workers with Pending instances of these ids. */
async function hubWith(...ids: string[]): Promise<string> {
  const hub = `list-${(hubs += 1)}`;
  for (const id of ids) {
    const answer = await it6.api.post(`/orchestrators/Echo/${encodeURIComponent(id)}?taskHub=${hub}`, { body: id });
    expect(answer.statusCode, answer.body).toBe(202);
  }
  return hub;
}

function idsOf(answer: LightMyRequestResponse): string[] {
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json().map((one: { instanceId: string }) => one.instanceId);
}

async function ids(query: string): Promise<string[]> {
  return idsOf(await it6.api.get(`/instances?${query}`));
}

/** All pages; fails on duplicates of pages that never end. */
async function pages(query: string): Promise<string[][]> {
  const all: string[][] = [];
  let token: string | undefined;
  do {
    const headers = token === undefined ? {} : { [tokenHeader]: token };
    const answer = await it6.api.get(`/instances?${query}`, { headers });
    all.push(idsOf(answer));
    token = String(answer.headers[tokenHeader]);
    expect(all.length).toBeLessThan(50);
  } while (token !== '');
  return all;
}

describe('the answer', () => {
  test('#126 - #128, #130 is an array of statuses, and 200 whatever they do', async () => {
    const hub = await hubWith('a', 'b', 'c');
    const answer = await it6.api.get(`/instances?taskHub=${hub}&showHistory=true`);
    expect(idsOf(answer)).toEqual(['a', 'b', 'c']);
    expect(answer.headers[tokenHeader]).toBe('');
    expect(answer.headers).not.toHaveProperty('location');
    expect(answer.headers).not.toHaveProperty('retry-after');
    for (const one of answer.json()) {
      expect(Object.keys(one)).toEqual([
        'name',
        'instanceId',
        'runtimeStatus',
        'input',
        'customStatus',
        'output',
        'createdTime',
        'lastUpdatedTime',
      ]);
      expect(one).toMatchObject({ name: 'Echo', runtimeStatus: 'Pending', input: one.instanceId, output: null });
    }
  });

  test('#129, #154 hubs are apart', async () => {
    const hub = await hubWith('only-here');
    expect(await ids('taskHub=never-used')).toEqual([]);
    expect(await ids(`taskHub=${hub.toUpperCase()}`)).toEqual(['only-here']);
  });

  test('#153 showInput=false hides every input', async () => {
    const hub = await hubWith('a', 'b');
    const answer = await it6.api.get(`/instances?taskHub=${hub}&showInput=false`);
    expect(answer.json().map((one: { input: unknown }) => one.input)).toEqual([null, null]);
  });
});

describe('runtimeStatus', () => {
  test('#131 - #137 words in any case, lists, repetitions, numbers', async () => {
    await it6.api.run('Echo', 1, 'done');
    await it6.api.run('Boom', 1, 'failed');
    await it6.api.running('WaitGo', 1, 'live');
    const cases: [query: string, expected: string[]][] = [
      ['runtimeStatus=Completed', ['done']],
      ['runtimeStatus=Completed,Failed', ['done', 'failed']],
      ['runtimeStatus=Completed&runtimeStatus=Failed', ['done', 'failed']],
      ['runtimeStatus=Completed,%20Failed', ['done', 'failed']],
      ['runtimeStatus=Completed,,', ['done']],
      ['runtimeStatus=', ['done', 'failed', 'live']],
      ['runtimeStatus=%20', ['done', 'failed', 'live']],
      ['runtimeStatus=completed', ['done']],
      ['runtimeStatus=0', ['live']],
      ['runtimeStatus=1,3', ['done', 'failed']],
      ['runtimeStatus=77', []],
      ['runtimeStatus=ContinuedAsNew', []],
      ['runtimeStatus=Canceled', []],
      ['runtimeStatus=77,1', ['done']],
    ];
    for (const [query, expected] of cases) expect([query, (await ids(query)).sort()]).toEqual([query, expected]);
  });

  test.each(['bogus', 'Unknown', '-1', 'Completed,bogus', 'Completed;Failed', '1.0', '__proto__'])(
    '#136, #137 runtimeStatus=%s is 400',
    async (value) => {
      expectError(await it6.api.get(`/instances?runtimeStatus=${value}`), 400);
    },
  );
});

describe('times', () => {
  test('#138, #139 both ends are included', async () => {
    const hub = await hubWith('timed');
    const [instance] = (await it6.hub.clients.open(hub).getStatusBy({})).instances;
    const created = instance?.createdAt.toISOString() ?? '';
    expect(await ids(`taskHub=${hub}&createdTimeFrom=${created}`)).toEqual(['timed']);
    expect(await ids(`taskHub=${hub}&createdTimeTo=${created}`)).toEqual(['timed']);
    const before = new Date(Date.parse(created) - 1).toISOString();
    const after = new Date(Date.parse(created) + 1).toISOString();
    expect(await ids(`taskHub=${hub}&createdTimeTo=${before}`)).toEqual([]);
    expect(await ids(`taskHub=${hub}&createdTimeFrom=${after}`)).toEqual([]);
    expect(await ids(`taskHub=${hub}&createdTimeTo=2020-01-01`)).toEqual([]);
    const shown = String((await it6.api.status('timed', `?taskHub=${hub}`))['createdTime']);
    expect(await ids(`taskHub=${hub}&createdTimeFrom=${shown}`)).toEqual(['timed']);
  });

  test.each([
    '2020-01-01T00:00:00.000Z',
    '2020-01-01T00:00:00.000000Z',
    '2020-01-01T00:00:00.1234567Z',
    '2020-01-01',
    '2020-01-01T00:00',
    '2020-01-01T00:00:00',
    '2020-01-01%2000:00:00',
    '2020-01-01T00:00:00%2B02:00',
    '2020-01-01T00:00:00+02:00',
    '2020-01-01T00:00:00-0200',
    '1-01-01T00:00:00.000000Z',
    '0001-01-01T00:00:00%2B14:00',
    '0001-01-01T00:00:00.0000000Z',
    '',
  ])('#140, #141, #143 createdTimeFrom=%s is accepted', async (value) => {
    const hub = await hubWith('one');
    expect(await ids(`taskHub=${hub}&createdTimeFrom=${value}`)).toEqual(['one']);
    expect((await it6.api.get(`/instances?taskHub=${hub}&createdTimeTo=${value}`)).statusCode).toBe(200);
  });

  test.each([
    'garbage',
    'now',
    '1',
    '2024-02-30',
    '2023-02-29',
    '2024-13-01',
    '2024-01-01T24:00:00Z',
    '2024-01-01T10:60:00Z',
    '2024-01-01T10:00:00%2B99:00',
    '2024-01-01T10:00:00Zjunk',
    '0000-01-01',
    '%00',
  ])('#142 createdTimeFrom=%s is 400', async (value) => {
    expectError(await it6.api.get(`/instances?createdTimeFrom=${value}`), 400);
    expectError(await it6.api.get(`/instances?createdTimeTo=${value}`), 400);
  });
});

test('the whole range of .NET dates is accepted', async () => {
  const hub = await hubWith('one');
  for (const last of ['9999-12-31T23:59:59.9999999Z', '9999-12-31T23:59:59.9999999-14:00']) {
    expect(await ids(`taskHub=${hub}&createdTimeFrom=0001-01-01T00:00:00Z&createdTimeTo=${last}`)).toEqual(['one']);
  }
});

describe('instanceIdPrefix', () => {
  test('#144 is compared letter by letter', async () => {
    const hub = await hubWith('abc', 'abcd', 'ABC', 'ab%', 'ab_x', 'ä1', 'a+b');
    const cases: [prefix: string, expected: string[]][] = [
      ['abc', ['abc', 'abcd']],
      ['ABC', ['ABC']],
      ['ab%25', ['ab%']],
      ['ab_', ['ab_x']],
      ['%25', []],
      ['%C3%A4', ['ä1']],
      ['a%2B', ['a+b']],
      ['', ['ABC', 'a+b', 'ab%', 'ab_x', 'abc', 'abcd', 'ä1']],
    ];
    for (const [prefix, expected] of cases) {
      expect([prefix, await ids(`taskHub=${hub}&instanceIdPrefix=${prefix}`)]).toEqual([prefix, expected]);
    }
  });
});

describe('pages', () => {
  test('#145 top=1 gives one each, then an empty token', async () => {
    const hub = await hubWith('a', 'b', 'c');
    const found = await pages(`taskHub=${hub}&top=1`);
    expect(found.flat()).toEqual(['a', 'b', 'c']);
    for (const page of found) expect(page.length).toBeLessThanOrEqual(1);
  });

  test('#146 filters hold on each page', async () => {
    const hub = await hubWith('x1', 'x2', 'y1', 'x3');
    expect((await pages(`taskHub=${hub}&top=1&runtimeStatus=Pending&instanceIdPrefix=x`)).flat().sort()).toEqual([
      'x1',
      'x2',
      'x3',
    ]);
  });

  test('#147 a start while paging harms nothing', async () => {
    const hub = await hubWith('m', 'n');
    const first = await it6.api.get(`/instances?taskHub=${hub}&top=1`);
    await it6.api.post(`/orchestrators/Echo/a?taskHub=${hub}`);
    const headers = { [tokenHeader]: String(first.headers[tokenHeader]) };
    expect(idsOf(await it6.api.get(`/instances?taskHub=${hub}&top=5`, { headers }))).toEqual(['n']);
  });

  test.each(['0', '-1', 'abc', '1.5', '99999999999', '0x10', '1e2', 'NaN'])('#148, #149 top=%s is 400', async (top) => {
    expectError(await it6.api.get(`/instances?top=${top}`), 400);
  });

  test('top above 1,000 is cut, an empty one is no top, of two the last counts', async () => {
    const hub = await hubWith('a', 'b');
    expect(await ids(`taskHub=${hub}&top=2147483647`)).toEqual(['a', 'b']);
    expect(await ids(`taskHub=${hub}&top=`)).toEqual(['a', 'b']);
    expect(await ids(`taskHub=${hub}&top=2&top=1`)).toEqual(['a']);
  });

  test('#150 without top there are at most 100', async () => {
    const hub = await hubWith(...Array.from({ length: 150 }, (_, at) => `i${String(at).padStart(3, '0')}`));
    const found = await pages(`taskHub=${hub}`);
    expect(found[0]).toHaveLength(100);
    expect(new Set(found.flat()).size).toBe(150);
  });

  test('#151 a token that is not ours is 400', async () => {
    const hub = await hubWith('a', 'b', 'c');
    const first = await it6.api.get(`/instances?taskHub=${hub}&top=1`);
    const token = String(first.headers[tokenHeader]);
    const flipped = `${token.slice(0, 3)}${token[3] === 'A' ? 'B' : 'A'}${token.slice(4)}`;
    for (const bad of ['garbage', '%%%', '{}', 'eyJhIjoxfQ==', flipped, `${token}x`]) {
      const headers = { [tokenHeader]: bad };
      expectError(await it6.api.get(`/instances?taskHub=${hub}&top=1`, { headers }), 400);
    }
    const headers = { [tokenHeader]: token };
    expectError(await it6.api.get(`/instances?taskHub=${hub}&top=1&instanceIdPrefix=b`, { headers }), 400);
  });

  test('#152 an empty token is the first page', async () => {
    const hub = await hubWith('a');
    expect(idsOf(await it6.api.get(`/instances?taskHub=${hub}`, { headers: { [tokenHeader]: '' } }))).toEqual(['a']);
  });
});
