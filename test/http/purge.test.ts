/** Purging instances (http-api.md 6.7). */
import { describe, expect, test } from 'vitest';
import { expectEmpty, stage } from './support.ts';

const it6 = stage();
const longAgo = 'createdTimeFrom=2020-01-01';

async function exists(...ids: string[]): Promise<boolean[]> {
  return Promise.all(ids.map(async (id) => (await it6.api.get(`/instances/${id}`)).statusCode !== 404));
}

describe('one', () => {
  test('#156 - #158, #160 an ended instance is gone afterwards', async () => {
    const started = await it6.api.post('/orchestrators/Echo');
    await it6.api.reach(started.json().id, 'Completed');
    const uri = new URL(started.json().purgeHistoryDeleteUri);
    const purged = await it6.api.send('DELETE', uri.pathname + uri.search);
    expect([purged.statusCode, purged.body]).toEqual([200, '{"instancesDeleted":1}']);
    expectEmpty(await it6.api.get(`/instances/${started.json().id}`), 404);
    expectEmpty(await it6.api.send('DELETE', uri.pathname + uri.search), 404);
  });

  test('#159 a live instance is 412 with a JSON string, and lives', async () => {
    const id = await it6.api.running('WaitGo');
    const answer = await it6.api.delete(`/instances/${id}`);
    expect(answer.statusCode).toBe(412);
    expect(answer.json()).toBe(
      `Only orchestrations in a terminal state can be purged, but the orchestration with instance ID ${id} has status Running`,
    );
    expect(await exists(id)).toEqual([true]);
    const pending = await it6.api.pending('idle-159');
    expect((await it6.api.delete(`/instances/${pending}?taskHub=idle-159`)).json()).toContain('Pending');
    expect((await it6.api.delete(`/instances/${await it6.api.suspended()}`)).json()).toContain('Suspended');
  });

  test.each(['missing', '@counter@k', '%00', '%20'])('%s is 404, empty', async (id) => {
    expectEmpty(await it6.api.delete(`/instances/${id}`), 404);
  });

  test('a body does no harm', async () => {
    const id = await it6.api.run('Echo');
    expect(
      (await it6.api.delete(`/instances/${id}`, { raw: '{', headers: { 'content-type': 'application/json' } }))
        .statusCode,
    ).toBe(200);
  });
});

describe('many', () => {
  const missing = '"Please provide value for \'createdTimeFrom\' parameter."';

  test.each([
    '',
    '?',
    '/',
    '//',
    '?createdTimeFrom=',
    '?createdTimeFrom=garbage',
    '?createdTimeFrom=2024-02-30',
    '?x=1',
  ])('#161, #162 DELETE /instances%s is 400 and removes nothing', async (query) => {
    const id = await it6.api.run('Echo');
    const answer = await it6.api.delete(`/instances${query}`);
    expect([answer.statusCode, answer.body]).toEqual([400, missing]);
    expect(await exists(id)).toEqual([true]);
  });

  test.each([
    ['#168', 'createdTimeTo=garbage'],
    ['#171', 'runtimeStatus=bogus'],
    ['#171', 'runtimeStatus=Completed,bogus'],
    ['Unknown', 'runtimeStatus=Unknown'],
    ['NUL', 'instanceIdPrefix=%00'],
  ])('%s %s is 400 with a JSON string and removes nothing', async (_number, query) => {
    const id = await it6.api.run('Echo');
    const answer = await it6.api.delete(`/instances?${longAgo}&${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatch(/^Please provide (a )?valid values? for '\w+' parameter\.$/);
    expect(await exists(id)).toEqual([true]);
  });

  test.each(['runtimeStatus=Running', 'runtimeStatus=Pending,Suspended', 'runtimeStatus=0', 'runtimeStatus=99'])(
    '#170 %s matches nothing',
    async (query) => {
      const ended = await it6.api.run('Echo');
      const live = await it6.api.running('WaitGo');
      expectEmpty(await it6.api.delete(`/instances?${longAgo}&${query}`), 404);
      expect(await exists(ended, live)).toEqual([true, true]);
    },
  );

  test('#163 - #167, #169, #172 only ended instances that match go', async () => {
    await it6.api.delete(`/instances?${longAgo}`);
    const done = await it6.api.run('Echo');
    const failed = await it6.api.run('Boom');
    const terminated = await it6.api.terminated('x');
    const live = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.delete('/instances?createdTimeFrom=2999-01-01'), 404);
    expectEmpty(await it6.api.delete(`/instances?${longAgo}&createdTimeTo=2020-01-02`), 404);
    expect(await exists(done, failed, terminated, live)).toEqual([true, true, true, true]);
    expect((await it6.api.delete(`/instances/?${longAgo}&runtimeStatus=completed`)).body).toBe(
      '{"instancesDeleted":1}',
    );
    expect(await exists(done, failed, terminated, live)).toEqual([false, true, true, true]);
    const more = await it6.api.run('Echo');
    const both = await it6.api.delete(`/instances?${longAgo}&runtimeStatus=Completed,Terminated,Running`);
    expect(both.body).toBe('{"instancesDeleted":2}');
    expect(await exists(more, failed, terminated, live)).toEqual([false, true, false, true]);
    expect((await it6.api.delete(`/instances?${longAgo}&runtimeStatus=`)).body).toBe('{"instancesDeleted":1}');
    expect(await exists(failed, live)).toEqual([false, true]);
  });

  test('a prefix narrows it down', async () => {
    await it6.api.run('Echo', 1, 'p-1');
    await it6.api.run('Echo', 1, 'q-1');
    expect((await it6.api.delete(`/instances?${longAgo}&instanceIdPrefix=p-`)).body).toBe('{"instancesDeleted":1}');
    expect(await exists('p-1', 'q-1')).toEqual([false, true]);
  });

  test('another hub is left alone', async () => {
    const id = await it6.api.run('Echo');
    expectEmpty(await it6.api.delete(`/instances?${longAgo}&taskHub=elsewhere`), 404);
    expect(await exists(id)).toEqual([true]);
  });
});
