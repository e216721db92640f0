/** Terminate, suspend, resume (http-api.md 6.9). */
import { describe, expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectEmpty, expectError, stage } from './support.ts';

const it6 = stage();

describe('terminate', () => {
  test('#192 with a reason', async () => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${id}/terminate?reason=x`), 202);
    expect(await it6.api.reach(id, 'Terminated')).toMatchObject({ output: 'x' });
  });

  test('#193 without', async () => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${id}/terminate`), 202);
    expect(await it6.api.reach(id, 'Terminated')).toMatchObject({ output: null });
  });

  test.each([
    ['#194', { raw: 'no json', headers: { 'content-type': 'application/json' } }],
    ['#194', { raw: '<x/>', headers: { 'content-type': 'text/xml' } }],
    ['#195', { raw: '', headers: { 'content-type': 'application/json', 'content-length': '0' } }],
    ['#196', { raw: '', headers: { 'content-type': 'application/octet-stream', 'content-length': '0' } }],
    ['any charset', { raw: 'x', headers: { 'content-type': 'application/json; charset=utf-16' } }],
  ])('%s whatever the body is', async (_number, call) => {
    const id = await it6.api.running('WaitGo');
    for (const operation of ['suspend', 'resume', 'terminate']) {
      expectEmpty(await it6.api.post(`/instances/${id}/${operation}`, call), 202);
    }
  });

  test('#198 Pending and Suspended', async () => {
    const pending = await it6.api.pending('idle-198');
    expectEmpty(await it6.api.post(`/instances/${pending}/terminate?reason=early&taskHub=idle-198`), 202);
    expect(await it6.api.reach(pending, 'Terminated', '?taskHub=idle-198')).toMatchObject({ output: 'early' });
    const suspended = await it6.api.suspended();
    expectEmpty(await it6.api.post(`/instances/${suspended}/terminate?reason=asleep`), 202);
    expect(await it6.api.reach(suspended, 'Terminated')).toMatchObject({ output: 'asleep' });
  });

  test.each(['{text}', '%7Btext%7D'])('#199 the link as it is, with %s', async (token) => {
    const started = await it6.api.post('/orchestrators/WaitGo');
    const link = String(started.json().terminatePostUri).replace('{text}', token);
    expectEmpty(await it6.api.send('POST', link.slice(link.indexOf('/runtime'))), 202);
    expect(await it6.api.reach(started.json().id, 'Terminated')).toMatchObject({ output: '{text}' });
  });

  test('#200 twice at once', async () => {
    const id = await it6.api.running('WaitGo');
    const answers = await Promise.all([1, 2, 3].map(() => it6.api.post(`/instances/${id}/terminate?reason=x`)));
    for (const answer of answers) expect([202, 410]).toContain(answer.statusCode);
    await it6.api.reach(id, 'Terminated');
  });

  test.each([
    ['100%%20sure', '100% sure'],
    ['a+b', 'a b'],
    ['%ff', '%ff'],
    ['a;b', 'a;b'],
    ['first&reason=last', 'last'],
  ])('the reason %s is read leniently', async (raw, reason) => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${id}/terminate?reason=${raw}`), 202);
    expect(await it6.api.reach(id, 'Terminated')).toMatchObject({ output: reason });
  });

  test('a reason that cannot be stored is 400', async () => {
    const id = await it6.api.running('WaitGo');
    for (const operation of ['terminate', 'suspend', 'resume']) {
      expectError(await it6.api.post(`/instances/${id}/${operation}?reason=a%00b`), 400);
    }
  });
});

describe('suspend and resume', () => {
  test('#201, #202 there and back', async () => {
    const id = await it6.api.running('WaitGo');
    expectEmpty(await it6.api.post(`/instances/${id}/suspend?reason=x`), 202);
    const asleep = await it6.api.get(`/instances/${id}`);
    expect([asleep.statusCode, asleep.json().runtimeStatus]).toEqual([202, 'Suspended']);
    expectEmpty(await it6.api.post(`/instances/${id}/resume`), 202);
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
    await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: 1 });
    await it6.api.reach(id, 'Completed');
  });

  test('#203, #204 the wrong way round is 409', async () => {
    const asleep = await it6.api.suspended();
    expectError(
      await it6.api.post(`/instances/${asleep}/suspend`),
      409,
      `Cannot suspend the orchestration instance ${asleep} because instance is in the Suspended state.`,
    );
    const awake = await it6.api.running('WaitGo');
    expectError(
      await it6.api.post(`/instances/${awake}/resume`),
      409,
      `Cannot resume the orchestration instance ${awake} because instance is in the Running state.`,
    );
    const pending = await it6.api.pending('idle-204');
    expectError(await it6.api.post(`/instances/${pending}/resume?taskHub=idle-204`), 409);
  });

  test('#207 Pending can be suspended', async () => {
    const id = await it6.api.pending('idle-207');
    expectEmpty(await it6.api.post(`/instances/${id}/suspend?taskHub=idle-207`), 202);
  });

  test('#207 and taken back again before anybody has seen it', async () => {
    const id = await it6.api.pending('idle-207');
    const ask = (what: string) => it6.api.post(`/instances/${id}/${what}?taskHub=idle-207`);
    expectEmpty(await ask('suspend'), 202);
    expectError(await ask('suspend'), 409);
    expectEmpty(await ask('resume'), 202);
    expectError(await ask('resume'), 409);
  });

  test('#209 nothing moves while it is suspended', async () => {
    const id = await it6.api.running('Nap', 0.3);
    await it6.api.post(`/instances/${id}/suspend`);
    await it6.api.reach(id, 'Suspended');
    await sleep(600);
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Suspended' });
    await it6.api.post(`/instances/${id}/resume`);
    await it6.api.reach(id, 'Completed');
  });
});

describe('#197, #205, #206 unknown and ended instances', () => {
  test.each(['terminate', 'suspend', 'resume'])('%s', async (operation) => {
    expectEmpty(await it6.api.post(`/instances/unknown/${operation}`), 404);
    expectEmpty(await it6.api.post(`/instances/unknown/${operation}?taskHub=elsewhere`), 404);
    expectEmpty(await it6.api.post(`/instances/%00/${operation}`), 404);
    for (const id of [await it6.api.run('Echo'), await it6.api.run('Boom'), await it6.api.terminated()]) {
      expectEmpty(await it6.api.post(`/instances/${id}/${operation}?reason=x`), 410);
    }
  });
});
