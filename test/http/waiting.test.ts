/** Starts that wait (http-api.md 6.3). */
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { badArguments, expectEmpty, expectError, stage, W } from './support.ts';

const it6 = stage();

describe('in time', () => {
  test.each([
    ['#63', { a: 1 }, 'timeout=10&pollingInterval=1'],
    ['#64', 'hi', 'timeout=10&pollingInterval=1'],
    ['#65', undefined, 'timeout=10&pollingInterval=1'],
    ['#74', [1, 2], 'timeout=10'],
    ['upper case', 7, 'TIMEOUT=1e1&POLLINGINTERVAL=.5'],
  ])('%s the bare output is the body', async (_number, input, query) => {
    const answer = await it6.api.post(`/orchestrators/Echo?${query}`, { body: input });
    expect([answer.statusCode, answer.body]).toEqual([200, JSON.stringify(input ?? null)]);
    expect(answer.headers['location']).toBeUndefined();
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  test('#66 the answer comes when the orchestration ends', async () => {
    const before = Date.now();
    const answer = await it6.api.post('/orchestrators/Nap?timeout=10&pollingInterval=1', { body: 0.5 });
    expect([answer.statusCode, answer.json()]).toEqual([200, 'rested']);
    expect(Date.now() - before).toBeGreaterThanOrEqual(500);
    expect(Date.now() - before).toBeLessThan(5_000);
  });

  test.each(['', '&returnInternalServerErrorOnFailure=true'])(
    '#68, #69 failed is 200 with the status %s',
    async (flag) => {
      const answer = await it6.api.post(`/orchestrators/Boom?timeout=10&pollingInterval=1${flag}`, { body: 1 });
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toMatchObject({ runtimeStatus: 'Failed', input: 1, output: 'RangeError: no luck' });
      expect(answer.json()).not.toHaveProperty('historyEvents');
    },
  );

  test('the status honours the flags of the request', async () => {
    const answer = await it6.api.post('/orchestrators/Boom?timeout=10&showInput=false&showHistory=true', { body: 1 });
    expect(answer.json()).toMatchObject({ runtimeStatus: 'Failed', input: null });
    expect(answer.json().historyEvents).toHaveLength(2);
  });

  test('#70 terminated meanwhile is 200 with the status', async () => {
    const waiting = it6.api.post('/orchestrators/WaitGo/ended-70?timeout=10&pollingInterval=1');
    await waitFor(async () => (await it6.api.get('/instances/ended-70')).statusCode === 202);
    await it6.api.post('/instances/ended-70/terminate?reason=enough');
    expect((await waiting).statusCode).toBe(200);
    expect((await waiting).json()).toMatchObject({ runtimeStatus: 'Terminated', output: 'enough' });
  });
});

describe('too late', () => {
  test.each([
    ['#67', 'timeout=1&pollingInterval=1', 1_000],
    ['#77', 'timeout=0.5&pollingInterval=0.1', 500],
    ['#76', 'timeout=0&pollingInterval=0', 0],
    ['#75', 'pollingInterval=1', 0],
    ['nothing', '', 0],
  ])('%s ?%s answers 202 as without waiting', async (_number, query, ms) => {
    const before = Date.now();
    const answer = await it6.api.post(`/orchestrators/Nap?${query}`, { body: 60 });
    expect(answer.statusCode).toBe(202);
    expect(Date.now() - before).toBeGreaterThanOrEqual(ms - 5);
    expect(Date.now() - before).toBeLessThan(ms + 10_000);
    expect(Object.keys(answer.json())).toHaveLength(8);
    expect(answer.headers['location']).toBe(answer.json().statusQueryGetUri);
    expect(answer.headers['retry-after']).toBe('10');
  });

  test('#78 a caller that goes away does not end the orchestration', async () => {
    const { app } = it6.api;
    const address = await app.listen({ port: 0, host: '127.0.0.1' }).then(() => app.server.address() as AddressInfo);
    const call = request({ port: address.port, method: 'POST', path: `${W}/orchestrators/WaitGo/left-78?timeout=60` });
    call.on('error', () => undefined);
    call.end();
    await it6.api.app.ready();
    await waitFor(async () => (await it6.api.get('/instances/left-78')).statusCode === 202);
    call.destroy();
    await it6.api.post('/instances/left-78/raiseEvent/Go', { body: 'still here' });
    expect(await it6.api.reach('left-78', 'Completed')).toMatchObject({ output: 'still here' });
  });

  test('a server that stops answers those who wait', async () => {
    const other = await it6.server();
    const waiting = other.post('/orchestrators/WaitGo/stopped?timeout=60');
    await waitFor(async () => (await it6.api.get('/instances/stopped')).statusCode === 202);
    await other.app.close();
    expect((await waiting).statusCode).toBe(202);
  });
});

describe('what is refused starts nothing', () => {
  test('#71, #72 pollingInterval above timeout', async () => {
    const answer = await it6.api.post('/orchestrators/Echo/refused?pollingInterval=5&timeout=1');
    const body = expectError(answer, 400, badArguments);
    expect(body['ExceptionMessage']).toBe('Total timeout 1 should be bigger than retry timeout 5');
    expectEmpty(await it6.api.get('/instances/refused'), 404);
  });

  test.each(['abc', '-1', 'NaN', '1e300', 'Infinity', '0x10', '1,5', '1 2'])('#73 timeout=%s', async (timeout) => {
    expectError(await it6.api.post(`/orchestrators/Echo/refused?timeout=${timeout}`), 400, badArguments);
    expectError(await it6.api.post(`/orchestrators/Echo/refused?pollingInterval=${timeout}`), 400, badArguments);
    expectEmpty(await it6.api.get('/instances/refused'), 404);
  });

  test('empty values count as absent', async () => {
    expect((await it6.api.post('/orchestrators/WaitGo?timeout=&pollingInterval=')).statusCode).toBe(202);
  });
});
